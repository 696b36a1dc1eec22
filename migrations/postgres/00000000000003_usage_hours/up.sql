-- What each instance used, one row per hour in which it ran.
CREATE TABLE usage_hours (
    instance_id   TEXT   NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    hour          BIGINT NOT NULL,
    samples       BIGINT NOT NULL,
    memory_sum    BIGINT NOT NULL,
    memory_max    BIGINT NOT NULL,
    cpu_ms        BIGINT NOT NULL,
    processes_max BIGINT NOT NULL,
    requests      BIGINT NOT NULL,
    CONSTRAINT usage_hours_key PRIMARY KEY (instance_id, hour)
);
CREATE INDEX usage_hours_by_hour ON usage_hours (hour);
