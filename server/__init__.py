"""The HTTP API, the run engine and the database; everything is wired together here and nowhere else."""
