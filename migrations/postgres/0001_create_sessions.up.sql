-- A row keeps its id for life. The verifier is the SHA-256 of the secret in the
-- client's token, so whoever reads the table can't log in with it; a new token
-- puts another verifier there. A row without a verifier is no session's.
-- json and not jsonb: the stored bytes come back as they were written.
-- fillfactor leaves room on each page, so that an update that changes no index
-- can stay on its page (HOT); autovacuum comes early, because rows die young.
-- Nullable columns are optional, and "format" and "pending" have defaults, so programs of
-- two versions can use the table at once. Those that nothing writes yet are reserved
-- for later versions.
CREATE TABLE "sessions" (
    "id"                  uuid        NOT NULL,
    "version"             bigint      NOT NULL,
    "created_at"          timestamptz NOT NULL,
    "absolute_expires_at" timestamptz NOT NULL,
    "expires_at"          timestamptz NOT NULL,
    "seen_at"             timestamptz NOT NULL,
    "reap_after"          timestamptz NOT NULL,
    "authenticated_at"    timestamptz,
    "verifier_at"         timestamptz,
    "ended_at"            timestamptz,
    "keep_until"          timestamptz,
    "previous_until"      timestamptz,
    "format"              smallint    NOT NULL DEFAULT 0,
    "pending"             boolean     NOT NULL DEFAULT false,
    "verifier"            bytea,
    "previous_verifier"   bytea,
    "user_id"             text        COLLATE "C",
    "label"               text        COLLATE "C",
    "ended_reason"        text        COLLATE "C",
    "device_key"          bytea,
    "extra"               text,
    "data"                json        NOT NULL,
    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
) WITH (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.1
);
