-- For listing and ending the sessions with a label, in pages by id.
CREATE INDEX `sessions_label_idx` ON `sessions` (`label`, `id`);
