"""The `open-agent` command. Each file here is one of its commands."""
