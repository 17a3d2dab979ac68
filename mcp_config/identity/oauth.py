"""Proves who we are by OAuth 2.1, as the SDK does it: with a login that is kept, or by a new one.

Loaded when a server wants it, so that nobody else waits for it.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, OAuthRegistrationError
from mcp.client.auth.utils import issuers_match
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl, Field, SerializerFunctionWrapHandler, model_serializer
from typing_extensions import override

from mcp_config.entries.login_terms import OAuth, Ourselves
from mcp_config.errors import ServerRefused
from mcp_config.identity.login_record import LoginRecord
from mcp_config.names import clean_text

_NAME: Final = "open-agent"
_OFFLINE: Final = "offline_access"
_MAX_WORDS: Final = 300
"""Of what an authorization server says to a person."""


class LoginStorage:
    """Where the SDK finds what it knows of a login, and leaves what is new."""

    def __init__(
        self,
        record: LoginRecord,
        changed: Callable[[LoginRecord], Awaitable[None]],
        registered: OAuthClientInformationFull | None = None,
    ) -> None:
        """`registered` is what we are known by where we did not register ourselves."""
        self.record, self._changed, self._registered = record, changed, registered

    async def get_tokens(self) -> OAuthToken | None:
        return OAuthToken.model_validate(self.record.tokens) if self.record.tokens else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        before = (self.record.tokens or {}).get("refresh_token")
        if tokens.refresh_token is None and isinstance(before, str):
            tokens.refresh_token = before  # RFC 6749 6: none means the old one; the SDK goes on with this very object
        await self.put(tokens=tokens.model_dump(mode="json", exclude_none=True))

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        if self._registered is not None:
            return self._registered
        return OAuthClientInformationFull.model_validate(self.record.client) if self.record.client else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        await self.put(client=client_info.model_dump(mode="json", exclude_none=True))

    async def put(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        await self._changed(self.record)


class _Application(OAuthClientMetadata):
    """What we say of ourselves to who registers us."""

    instead: tuple[str, ...] = Field((), exclude=True)
    """Scopes to be registered for in the place of what the SDK finds."""
    besides: tuple[str, ...] = Field((), exclude=True)

    @model_serializer(mode="wrap")
    def _with_all_scopes(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        said: dict[str, object] = serialize(self)
        scopes = _joined(self.instead or _split(self.scope), self.besides)
        return {**said, "scope": scopes} if scopes else said


class Flow(OAuthClientProvider):
    """What all ways have in common."""

    scopes: tuple[str, ...] = ()
    """Asked for in the place of what the SDK finds."""
    wanted: tuple[str, ...] = ()
    """Asked for beside that."""
    issuer: str = ""
    """The one authorization server that will do; any, if empty."""
    _status = 0
    """What the server last answered to what it was asked."""

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if self._initialized and self.context.is_token_valid():
            # past the SDK's flow: that lets requests in one at a time, each until its answer begins
            self._add_auth_header(request)
            response = yield request
            if response.status_code not in (401, 403):
                return
        flow = super().async_auth_flow(request)
        try:
            outgoing = await anext(flow)
            while True:
                self._look_at(outgoing)
                response = yield outgoing
                outgoing = await flow.asend(self._seen(response) if outgoing is request else response)
        except StopAsyncIteration:
            return
        except OAuthRegistrationError as error:
            raise ServerRefused(f"{_explain(error)}; put a `client_id` into `auth` of its entry", login=True) from error
        except OAuthFlowError as error:
            raise ServerRefused(_explain(error), login=True) from error
        finally:
            await flow.aclose()

    def _look_at(self, request: httpx.Request) -> None:
        if urlsplit(self.context.server_url).scheme == "https" != request.url.scheme:
            raise OAuthFlowError(f"{request.url.host} would be spoken to without encryption")

    def _seen(self, response: httpx.Response) -> httpx.Response:
        self._status = response.status_code
        return response

    @override
    def _select_authorization_server(self, advertised: list[str]) -> str:
        if not self.issuer:
            return super()._select_authorization_server(advertised)
        if found := [each for each in advertised if issuers_match(each, self.issuer)]:
            return found[0]
        raise OAuthFlowError(f"it names other authorization servers than the `issuer` of its entry: {advertised}")

    @override
    async def _perform_authorization(self) -> httpx.Request:
        self._choose_method()
        found = self.scopes or _split(self.context.client_metadata.scope)
        self.context.client_metadata.scope = _joined(found, self.wanted)
        return await super()._perform_authorization()

    def _choose_method(self) -> None:
        """Chooses how to show the secret, where nothing was agreed on."""
        metadata, client = self.context.oauth_metadata, self.context.client_info
        if client and client.client_secret and client.token_endpoint_auth_method is None:
            known = (metadata.token_endpoint_auth_methods_supported if metadata else None) or ["client_secret_basic"]
            basic = "client_secret_basic" in known
            client.token_endpoint_auth_method = "client_secret_basic" if basic else "client_secret_post"


class KeptLogin(Flow):
    """Goes with the tokens that a login gave, and renews them. Where that ends, a person has to log in again."""

    storage: LoginStorage
    advice: str = ""

    @override
    async def _perform_authorization(self) -> httpx.Request:
        if self._status == 401 and self.context.can_refresh_token():
            self._choose_method()
            return await self._refresh_token()
        if self._status == 403:
            lacking = clean_text(self.context.client_metadata.scope or "", _MAX_WORDS)
            wanted = _joined(_split(self.storage.record.wanted), _split(lacking)) or ""
            await self.storage.put(wanted=wanted, lacking=lacking)
            raise ServerRefused(f"this needs a login that allows more ({lacking}); {self.advice}")
        raise await self._ended()

    @override
    async def _handle_token_response(self, response: httpx.Response) -> None:
        self._unless_troubled(response)
        if response.status_code != 200:
            raise await self._ended()
        await super()._handle_token_response(response)

    @override
    async def _handle_refresh_response(self, response: httpx.Response) -> bool:
        self._unless_troubled(response)
        return await super()._handle_refresh_response(response)

    def _unless_troubled(self, response: httpx.Response) -> None:
        if response.status_code >= 500 or response.status_code == 429:
            raise ServerRefused(f"its authorization server answered {response.status_code}")

    async def _ended(self) -> ServerRefused:
        await self.storage.put(tokens=None)
        return ServerRefused(f"needs login: its login is no longer taken; {self.advice}", login=True)


class NewLogin(Flow):
    """Asks a person to agree in a browser."""

    insists: bool = False
    """Logs in also where the server would let anybody in as far as it was asked."""

    @override
    def _seen(self, response: httpx.Response) -> httpx.Response:
        if self.insists and response.is_success and self.context.current_tokens is None:
            response = httpx.Response(401, request=response.request)
        return super()._seen(response)

    @override
    async def _perform_authorization_code_grant(self) -> tuple[str, str]:
        metadata, asked = self.context.oauth_metadata, _split(self.context.client_metadata.scope)
        if metadata and _OFFLINE in (metadata.scopes_supported or ()):
            self.context.client_metadata.scope = _joined(asked, (_OFFLINE,))
        return await super()._perform_authorization_code_grant()

    def is_from(self, issuer: str) -> bool:
        """Tells whether an answer that names its issuer is from whom we asked (RFC 9207)."""
        metadata = self.context.oauth_metadata
        return metadata is None or issuers_match(str(metadata.issuer), issuer)


def build_kept_login(
    url: str, storage: LoginStorage, terms: OAuth | None, ourselves: Ourselves, advice: str
) -> KeptLogin:
    login = KeptLogin(url, _build_application(ourselves), storage, client_metadata_url=ourselves.document_url)
    login.storage, login.advice, login.issuer = storage, advice, terms.issuer if terms else ""
    return login


def build_new_login(
    url: str,
    storage: LoginStorage,
    terms: OAuth | None,
    ourselves: Ourselves,
    show: Callable[[str], Awaitable[None]],
    answer: Callable[[], Awaitable[tuple[str, str | None]]],
) -> NewLogin:
    """`show` is given the address where a person agrees, `answer` returns what came back from there."""
    wanted = _split(storage.record.wanted)
    application = _build_application(ourselves, terms.scopes if terms else (), wanted)
    login = NewLogin(url, application, storage, show, answer, client_metadata_url=ourselves.document_url)
    login.insists, login.wanted = terms is not None, wanted
    if terms:
        login.scopes, login.issuer = terms.scopes, terms.issuer
    return login


def _build_application(
    ourselves: Ourselves, instead: tuple[str, ...] = (), besides: tuple[str, ...] = ()
) -> _Application:
    addresses = [AnyUrl(ourselves.redirect_url)]
    return _Application(redirect_uris=addresses, client_name=_NAME, instead=instead, besides=besides)


def _split(scopes: str | None) -> tuple[str, ...]:
    return tuple((scopes or "").split())


def _joined(scopes: Sequence[str], more: Sequence[str]) -> str | None:
    return " ".join(dict.fromkeys([*scopes, *more])) or None


def find_registered(terms: OAuth | None, ourselves: Ourselves) -> OAuthClientInformationFull | None:
    """Returns what we are known by where we were registered beforehand."""
    if terms is None or not terms.client_id:
        return None
    return OAuthClientInformationFull(
        client_id=terms.client_id,
        client_secret=terms.client_secret or None,
        redirect_uris=[AnyUrl(ourselves.redirect_url)],
        token_endpoint_auth_method=None if terms.client_secret else "none",
        issuer=terms.issuer or None,
    )


def _explain(error: OAuthFlowError) -> str:
    return f"cannot be logged in to: {clean_text(str(error), _MAX_WORDS)}"
