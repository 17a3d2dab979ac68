"""The run engine: who carries a run, and what becomes of it when a process ends. Knows no HTTP and no SQL."""
