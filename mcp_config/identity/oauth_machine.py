"""Proves who we are by OAuth 2.1 without a person, by a client secret or a private key. Imported only when wanted."""

import httpx
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)

from mcp_config.entries.login_terms import OAuth
from mcp_config.identity.oauth import Flow, LoginStorage


class BySecret(Flow, ClientCredentialsOAuthProvider): ...


class ByKey(Flow, PrivateKeyJWTOAuthProvider): ...


def build_machine_login(url: str, storage: LoginStorage, terms: OAuth) -> httpx.Auth:
    asked = " ".join(terms.scopes) or None
    login: BySecret | ByKey
    if terms.private_key:
        signing = SignedJWTParameters(
            issuer=terms.client_id,
            subject=terms.client_id,
            signing_key=terms.private_key,
            signing_algorithm=terms.algorithm,
        )
        proof = signing.create_assertion_provider()
        login = ByKey(url, storage, terms.client_id, proof, asked, terms.issuer)
    else:
        login = BySecret(url, storage, terms.client_id, terms.client_secret, scopes=asked, issuer=terms.issuer)
    login.scopes, login.issuer = terms.scopes, terms.issuer
    return login
