-- A row keeps its id for life. The verifier is the SHA-256 of the secret in the
-- client's token, so whoever reads the table can't log in with it; a new token
-- puts another verifier there. A row without a verifier is no session's.
-- Binary columns compare byte by byte under any collation, trailing spaces included.
-- Text with a check and not the JSON type, which on MySQL rewrites numbers and
-- reorders keys: the stored bytes come back as they were written.
-- All times are UTC by UTC_TIMESTAMP; DATETIME, because TIMESTAMP ends in 2038
-- and follows the time zone of the connection.
-- Nullable columns are optional, and `format` and `pending` have defaults, so programs of
-- two versions can use the table at once. Those that nothing writes yet are reserved
-- for later versions.
CREATE TABLE `sessions` (
    `id`                  BINARY(16)     NOT NULL,
    `version`             BIGINT         NOT NULL,
    `created_at`          DATETIME(6)    NOT NULL,
    `absolute_expires_at` DATETIME(6)    NOT NULL,
    `expires_at`          DATETIME(6)    NOT NULL,
    `seen_at`             DATETIME(6)    NOT NULL,
    `reap_after`          DATETIME       NOT NULL,
    `authenticated_at`    DATETIME(6)    NULL,
    `verifier_at`         DATETIME(6)    NULL,
    `ended_at`            DATETIME(6)    NULL,
    `keep_until`          DATETIME(6)    NULL,
    `previous_until`      DATETIME(6)    NULL,
    `format`              SMALLINT       NOT NULL DEFAULT 0,
    `pending`             BOOLEAN        NOT NULL DEFAULT FALSE,
    `verifier`            BINARY(32)     NULL,
    `previous_verifier`   BINARY(32)     NULL,
    `user_id`             VARBINARY(255) NULL,
    `label`               VARBINARY(255) NULL,
    `ended_reason`        VARBINARY(255) NULL,
    `device_key`          BLOB           NULL,
    `extra`               TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    `data`                MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (`id`),
    CONSTRAINT `sessions_data_is_json` CHECK (JSON_VALID(`data`))
) ENGINE = InnoDB;
