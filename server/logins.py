"""Logins to upstream tool servers, as the settings say: what we are called there, and where they are kept."""

from contextlib import AbstractAsyncContextManager
from typing import Final

from config.redaction import Redactor
from config.settings import Settings
from mcp_config.audit import Audit
from mcp_config.entries.login_terms import Ourselves
from mcp_config.identity.logins import Logins, open_logins
from server.db.server_logins import ServerLogins
from server.db.store import Store
from server.identity.sealing import SEAL_FILE, Seal
from server.listening import build_address

CALLBACK: Final = "/v1/oauth/callback"
DOCUMENT: Final = "/v1/oauth/client.json"


def open_server_logins(
    settings: Settings, store: Store, redactor: Redactor, audit: Audit
) -> AbstractAsyncContextManager[Logins]:
    kept = ServerLogins(store.database, Seal(settings.data_dir / SEAL_FILE))
    return open_logins(kept, build_ourselves(settings), redactor, audit)


def build_ourselves(settings: Settings) -> Ourselves:
    address = settings.public_url or build_address(settings.host, settings.port)
    # a document that describes a client can be fetched by others, and is believed, over HTTPS alone
    document = f"{address}{DOCUMENT}" if address.startswith("https://") else None
    return Ourselves(f"{address}{CALLBACK}", document)
