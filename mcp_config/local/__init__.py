"""Tools of the house: they run in this process, and are governed like those of servers."""
