"""A tool call from asked to answered: what it has to pass, piece by piece, and the call itself."""
