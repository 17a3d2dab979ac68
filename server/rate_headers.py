"""Rate limits in an answer's headers, as the IETF's draft `RateLimit header fields for HTTP` writes them."""

from collections.abc import Sequence

from mcp_config.tools import Allowance


def build_rate_headers(allowances: Sequence[Allowance]) -> dict[str, str]:
    """Returns `RateLimit-Policy` (how many calls in how many seconds) and `RateLimit` (how many are left)."""
    if not allowances:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{each.scope}";q={each.limit};w={each.window}' for each in allowances),
        "RateLimit": ", ".join(f'"{each.scope}";r={each.remaining};t={each.reset}' for each in allowances),
    }


def wait_of(allowances: Sequence[Allowance]) -> int:
    """Returns the seconds after which a call that was refused may be made."""
    return max((each.reset for each in allowances if not each.remaining), default=1)
