-- The only indexed time: when a reaper looks at the row. It stays where it is while
-- expires_at, which is not indexed, moves with the traffic; expires_at alone says
-- whether the row is dead.
CREATE INDEX "sessions_reap_after_idx" ON "sessions" ("reap_after");
