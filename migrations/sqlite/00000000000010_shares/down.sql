DROP TABLE shares;
ALTER TABLE client_sessions DROP COLUMN bound_to;
ALTER TABLE tokens DROP COLUMN last_refusal;
ALTER TABLE tokens DROP COLUMN last_refused_at;
ALTER TABLE tokens DROP COLUMN read_only;
ALTER TABLE tokens DROP COLUMN tools;
