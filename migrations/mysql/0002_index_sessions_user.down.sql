DROP INDEX `sessions_user_id_idx` ON `sessions`;
