"""One file per provider. Each imports its provider's package, so it is itself imported only when used."""
