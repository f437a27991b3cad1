DROP INDEX "sessions_reap_after_idx";
