-- Until when an instance is debugged, in milliseconds since the epoch; not at all when NULL or in the past.
ALTER TABLE instances ADD COLUMN debug_until INTEGER;
