"""The MCP servers that come with the product: sql, docs and devops. Each is a program of its own, read-only by design.

Started as `python -m mcp_config.servers.<name>`; each reads its own argv and environment, never `config.settings`.
"""
