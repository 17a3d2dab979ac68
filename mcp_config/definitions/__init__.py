"""Tools as their servers define them: read, pinned, checked against, shown. Knows no connection."""
