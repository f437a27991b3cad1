-- The key is the SHA-256 of the cookie's id: who reads the table can't log in.
-- Times are milliseconds since 1970, UTC. A table with rowid keeps rows in the
-- order they came, so that those which die together lie together.
CREATE TABLE "sessions" (
    "key"                 BLOB    NOT NULL PRIMARY KEY,
    "handle"              TEXT    NOT NULL UNIQUE,
    "user_id"             TEXT,
    "data"                TEXT    NOT NULL CHECK (json_valid("data")),
    "version"             INTEGER NOT NULL,
    "created_at"          INTEGER NOT NULL,
    "absolute_expires_at" INTEGER NOT NULL,
    "expires_at"          INTEGER NOT NULL,
    "reap_after"          INTEGER NOT NULL
);
