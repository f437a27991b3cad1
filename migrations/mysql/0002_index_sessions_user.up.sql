-- For listing and revoking the sessions of a user, in pages by handle.
CREATE INDEX `sessions_user_id_idx` ON `sessions` (`user_id`, `handle`);
