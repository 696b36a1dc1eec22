DROP INDEX credentials_by_grace;
ALTER TABLE credentials DROP COLUMN test_result;
ALTER TABLE credentials DROP COLUMN tested_at;
ALTER TABLE credentials DROP COLUMN previous_rotated_at;
ALTER TABLE credentials DROP COLUMN previous_hint;
