"""Connections to MCP servers, each kept alive and held within bounds. Knows no caller and no policy."""
