"""The built-in MCP servers, driven as real subprocesses by the SDK's own client."""
