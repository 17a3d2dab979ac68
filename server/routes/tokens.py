"""API keys, for admins: made, listed, revoked."""

from typing import Annotated, Final

from fastapi import Path, Response

from server.auth import Admin
from server.resources.pages import Page
from server.resources.tokens import TOKEN_ID, MadeToken, Token
from server.routes.bodies import TokenBody
from server.routes.dependencies import App, WantedPage, build_router, problems

router: Final = build_router("/v1/tokens", "tokens")
TokenId = Annotated[str, Path(pattern=TOKEN_ID, examples=["key_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11"])]


@router.post("", operation_id="create_token", status_code=201, responses=problems(400, 403, 409, 413, 415))
async def create_token(app: App, admin: Admin, response: Response, new: TokenBody) -> MadeToken:
    """Makes an API key. This answer is the only one that has it: only its hash is kept."""
    response.headers["Cache-Control"] = "no-store"
    return await app.store.tokens.make(new, admin)


@router.get("", operation_id="list_tokens", responses=problems(403))
async def list_tokens(app: App, admin: Admin, page: WantedPage) -> Page[Token]:
    """Lists the keys that were made here, also those that expired or were revoked; not those of `API_KEYS`."""
    return await app.store.tokens.page(page)


@router.delete("/{token_id}", operation_id="revoke_token", status_code=204, responses=problems(403, 404))
async def revoke_token(app: App, admin: Admin, token_id: TokenId) -> None:
    """Ends a key, from the next request on. It stays in the list."""
    await app.store.tokens.revoke(token_id, admin)
