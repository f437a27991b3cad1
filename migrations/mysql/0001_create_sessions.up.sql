-- The key is the SHA-256 of the cookie's id: who reads the table can't log in.
-- Binary columns compare byte by byte under any collation, trailing spaces included.
-- Text with a check and not the JSON type, which on MySQL rewrites numbers and
-- reorders keys: the stored bytes come back as they were written.
-- All times are UTC by UTC_TIMESTAMP; DATETIME, because TIMESTAMP ends in 2038
-- and follows the time zone of the connection.
CREATE TABLE `sessions` (
    `key`                 BINARY(32)     NOT NULL,
    `handle`              VARBINARY(64)  NOT NULL,
    `user_id`             VARBINARY(255) NULL,
    `data`                MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    `version`             BIGINT         NOT NULL,
    `created_at`          DATETIME(6)    NOT NULL,
    `absolute_expires_at` DATETIME(6)    NOT NULL,
    `expires_at`          DATETIME(6)    NOT NULL,
    `reap_after`          DATETIME       NOT NULL,
    PRIMARY KEY (`key`),
    UNIQUE KEY `sessions_handle_key` (`handle`),
    CONSTRAINT `sessions_data_is_json` CHECK (JSON_VALID(`data`))
) ENGINE = InnoDB;
