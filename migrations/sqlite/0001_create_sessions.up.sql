-- A row keeps its id for life. The verifier is the SHA-256 of the secret in the
-- client's token, so whoever reads the table can't log in with it; a new token
-- puts another verifier there. A row without a verifier is no session's.
-- Times are milliseconds since 1970, UTC. A table with rowid keeps rows in the
-- order they came, so that those which die together lie together. STRICT keeps
-- values of other types out, which would compare as larger than any time.
-- Nullable columns are optional, and "format" and "pending" have defaults, so programs of
-- two versions can use the table at once. Those that nothing writes yet are reserved
-- for later versions.
CREATE TABLE "sessions" (
    "id"                  BLOB    NOT NULL PRIMARY KEY,
    "version"             INTEGER NOT NULL,
    "created_at"          INTEGER NOT NULL,
    "absolute_expires_at" INTEGER NOT NULL,
    "expires_at"          INTEGER NOT NULL,
    "seen_at"             INTEGER NOT NULL,
    "reap_after"          INTEGER NOT NULL,
    "authenticated_at"    INTEGER,
    "verifier_at"         INTEGER,
    "ended_at"            INTEGER,
    "keep_until"          INTEGER,
    "previous_until"      INTEGER,
    "format"              INTEGER NOT NULL DEFAULT 0,
    "pending"             INTEGER NOT NULL DEFAULT 0,
    "verifier"            BLOB,
    "previous_verifier"   BLOB,
    "user_id"             TEXT,
    "label"               TEXT,
    "ended_reason"        TEXT,
    "device_key"          BLOB,
    "extra"               TEXT,
    "data"                TEXT    NOT NULL CHECK (json_valid("data"))
) STRICT;
