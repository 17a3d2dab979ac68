"""The kinds of graph nodes and the chat models they call. Knows no FastAPI, SQLAlchemy or MCP transport."""
