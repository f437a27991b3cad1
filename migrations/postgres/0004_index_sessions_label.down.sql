DROP INDEX "sessions_label_idx";
