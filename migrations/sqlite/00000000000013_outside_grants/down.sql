DROP TABLE outside_grants;
DROP TABLE outside_clients;
