"""Connections to MCP servers, each kept alive and held within bounds. Knows no tool, caller or policy."""
