"""Tools: supervised MCP servers behind one governed registry. Knows no HTTP API, database or graph."""
