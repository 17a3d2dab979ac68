"""The docs server: full-text search and reading of Markdown and text files, with citations."""
