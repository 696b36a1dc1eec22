DROP TABLE connections;
ALTER TABLE instances DROP COLUMN idle_seconds;
