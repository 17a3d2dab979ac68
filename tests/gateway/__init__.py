"""The gateway as MCP clients meet it."""
