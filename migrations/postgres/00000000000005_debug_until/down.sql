ALTER TABLE instances DROP COLUMN debug_until;
