"""`open-agent gateway`: the MCP gateway alone, for an API elsewhere and for MCP clients. It knows no agents."""

import asyncio

from config.errors import ConfigError
from config.known_secrets import find_secrets
from server.banner import build_gateway_banner
from server.cli.importing import importing_much
from server.cli.serve import HostOption, PortOption, stop_for
from server.cli.settings import settings_or_exit
from server.configuration import load_tool_configuration
from server.errors import ApiError
from server.keys import load_api_keys
from server.listening import CannotListen, bind
from server.logs import configure_logs


def gateway(host: HostOption = None, port: PortOption = None) -> None:
    """Serve only the tools, to MCP clients: /mcp, /mcp/{server} and health."""
    settings = settings_or_exit(host=host, port=port)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        bound = bind(settings.host, settings.port)
        keys = load_api_keys(settings, "service")
        secrets = find_secrets(settings, keys, load_tool_configuration(settings).server_secrets)
        configure_logs(settings.log_level, settings.log_format, secrets)

        with importing_much():
            from server.cli.process import Product, serve_until_told  # noqa: PLC0415 - seconds, and only now
            from server.gateway_app import build_gateway_app  # noqa: PLC0415

        product = Product(build_gateway_app, build_gateway_banner)
        asyncio.run(serve_until_told(settings, bound, keys, product))
    except (ConfigError, CannotListen, ApiError, OSError) as error:
        stop_for(error, settings)
