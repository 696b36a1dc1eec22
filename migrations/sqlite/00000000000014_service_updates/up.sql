-- What is known of the versions of services that were added, beside their manifests.
CREATE TABLE service_updates (
    name       TEXT    NOT NULL PRIMARY KEY REFERENCES services (name) ON DELETE CASCADE,
    -- Whether no update is to be offered.
    pinned     INTEGER NOT NULL,
    -- The last version that was good, while there is one to go back to.
    previous   TEXT,
    -- When the version was last changed.
    changed_at INTEGER
) STRICT;
