-- Where a sign-in came from.
ALTER TABLE sessions ADD COLUMN address TEXT;

-- Links that are good for one use: SHA-256 of the token, never the token.
CREATE TABLE login_links (
    hash       TEXT    NOT NULL PRIMARY KEY,
    purpose    TEXT    NOT NULL CHECK (purpose IN ('magic', 'reset', 'setup')),
    -- Whose; nobody's where the link makes the first account.
    user_id    TEXT    REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    CHECK ((purpose = 'setup') = (user_id IS NULL))
) STRICT;
CREATE INDEX login_links_by_user ON login_links (user_id);

-- Accounts of sign-in providers, and whose they are.
CREATE TABLE identities (
    provider   TEXT    NOT NULL,
    -- The provider's own name of the person (`sub`), which never changes; the address may.
    subject    TEXT    NOT NULL,
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT;
CREATE INDEX identities_by_user ON identities (user_id);

-- Second factors. Not confirmed: asked for, but not in force.
CREATE TABLE totp (
    user_id      TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    confirmed_at INTEGER,
    -- The time step of the last code that was accepted: none up to it is accepted again.
    last_step    INTEGER NOT NULL
) STRICT;

-- SHA-256 of codes that stand in for a lost second factor; deleted with their use.
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES totp (user_id) ON DELETE CASCADE,
    hash    TEXT NOT NULL,
    PRIMARY KEY (user_id, hash)
) STRICT;
