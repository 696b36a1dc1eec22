DROP TABLE recovery_codes;
DROP TABLE totp;
DROP TABLE identities;
DROP TABLE login_links;
ALTER TABLE sessions DROP COLUMN address;
