-- The only indexed time. It changes once an hour at most, while expires_at,
-- which is not indexed, moves with the traffic.
CREATE INDEX "sessions_reap_after_idx" ON "sessions" ("reap_after");
