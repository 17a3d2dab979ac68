"""The compiled state machine, its runner and its events. Knows no FastAPI or SQLAlchemy."""
