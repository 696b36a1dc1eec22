-- What a rollback brings back beside the value, and how the credential was last tried at its service.
ALTER TABLE credentials ADD COLUMN previous_hint TEXT;
ALTER TABLE credentials ADD COLUMN previous_rotated_at INTEGER;
ALTER TABLE credentials ADD COLUMN tested_at INTEGER;
ALTER TABLE credentials ADD COLUMN test_result TEXT;
CREATE INDEX credentials_by_grace ON credentials (previous_until);
-- Digests of what instances were started with had no key: a short secret could be guessed from its own.
UPDATE instances SET last_good = NULL;
