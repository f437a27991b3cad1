-- The key is the SHA-256 of the cookie's id: who reads the table can't log in.
-- json and not jsonb: the stored bytes come back as they were written.
-- fillfactor leaves room on each page, so that moving an expiry can be a HOT
-- update, which writes no index; autovacuum comes early, for the rows die young.
CREATE TABLE "sessions" (
    "key"                 bytea       NOT NULL,
    "handle"              text        COLLATE "C" NOT NULL,
    "user_id"             text        COLLATE "C",
    "data"                json        NOT NULL,
    "version"             bigint      NOT NULL,
    "created_at"          timestamptz NOT NULL,
    "absolute_expires_at" timestamptz NOT NULL,
    "expires_at"          timestamptz NOT NULL,
    "reap_after"          timestamptz NOT NULL,
    CONSTRAINT "sessions_pkey" PRIMARY KEY ("key"),
    CONSTRAINT "sessions_handle_key" UNIQUE ("handle")
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.1
);
