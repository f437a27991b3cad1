DROP INDEX `sessions_label_idx` ON `sessions`;
