"""Starts the docs server: `python -m mcp_config.servers.docs`."""

import os

from mcp_config.servers.docs.index import DocsIndex
from mcp_config.servers.docs.options import read_options
from mcp_config.servers.docs.tools import DocsTools
from mcp_config.servers.rooted_files import RootedFiles
from mcp_config.servers.serving import serve


def main() -> None:
    tools = DocsTools(DocsIndex(RootedFiles(read_options(os.environ).folders)))
    serve("docs", [tools.search, tools.read])


if __name__ == "__main__":
    main()
