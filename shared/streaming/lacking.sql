-- Whether a start found that the topics hold what the event table lacks, and none since that it lacks nothing more
-- (shared/streaming/told.py).
ALTER TABLE outbox_pointer ADD COLUMN lacking boolean NOT NULL DEFAULT false;
