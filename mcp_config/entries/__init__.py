"""What `servers.json` says of each server, read and made ready. Nothing is started here."""
