"""The gateway: the governed registry, offered to MCP clients as a server of its own. Not known here: who they are."""
