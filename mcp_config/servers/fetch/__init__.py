"""The fetch server: `mcp-server-fetch` as it is, in a process whose connections go to the public internet only."""
