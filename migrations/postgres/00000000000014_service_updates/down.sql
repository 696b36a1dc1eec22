DROP TABLE service_updates;
