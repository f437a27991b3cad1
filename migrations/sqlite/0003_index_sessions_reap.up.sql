-- The only indexed time: when a reaper looks at the row. It stays where it is while
-- expires_at, which is not indexed, moves with the traffic; expires_at and keep_until
-- alone say whether the row can go.
CREATE INDEX "sessions_reap_after_idx" ON "sessions" ("reap_after");
