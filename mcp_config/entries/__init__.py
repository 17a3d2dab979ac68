"""What `servers.json` says of each server, read and made ready. No server is started here."""
