"""The sql server: the schema of one database and read-only queries on it, refused twice, by parser and by engine."""
