"""The database: repositories, the event log, migrations. The only place that knows SQLAlchemy."""
