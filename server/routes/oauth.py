"""Where browsers come back to from a login to a tool server, and what authorization servers are told of us. No key."""

from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse

from mcp_config.identity.login_attempt import LoginFailed, LoginUnknown
from server.errors import NotFound
from server.logins import CALLBACK, DOCUMENT
from server.routes.mcp_servers import TheHouse

router: Final = APIRouter(include_in_schema=False)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_STYLE: Final = "font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 20vh auto; padding: 0 1rem"
Text = Annotated[str | None, Query(max_length=8192)]


@router.get(CALLBACK)
async def finish_login(
    app: TheHouse,
    state: Text = None,
    code: Text = None,
    error: Text = None,
    error_description: Text = None,
    iss: Text = None,
) -> HTMLResponse:
    """Takes what an authorization server answers. `state` was made for one attempt, and is good once."""
    refusal = ": ".join(filter(None, (error, error_description))) or None
    try:
        attempt = await app.tools.logins.finish(state or "", code, refusal, iss)
    except LoginUnknown:
        return _page(400, "This login is over", "It was answered before, replaced by another, or took too long.")
    except LoginFailed as fault:
        return _page(400, "Not logged in", app.redactor.text(f"{fault}."))
    whose = f"for {attempt.owner}" if attempt.owner else "for all its users"
    return _page(200, "Logged in", f"open-agent can use {attempt.config.name} now, {whose}. You can close this page.")


@router.get(DOCUMENT)
async def describe_client(app: TheHouse) -> JSONResponse:
    """Says who we are to authorization servers that know clients by the address of such a document."""
    ourselves = app.tools.logins.ourselves
    if ourselves.document_url is None:
        raise NotFound("not_public", "PUBLIC_URL does not begin with https://, so nobody knows this server by it.")
    described = {
        "client_id": ourselves.document_url,
        "client_name": "open-agent",
        "redirect_uris": [ourselves.redirect_url],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    return JSONResponse(described, headers={"Cache-Control": "max-age=3600"})


def _page(status: int, title: str, text: str) -> HTMLResponse:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title>'
    body = f'<body style="{_STYLE}"><h1>{escape(title)}</h1><p>{escape(text)}</p>'
    return HTMLResponse(f'<!doctype html><html lang="en">{head}{body}</html>', status, headers=_HEADERS)
