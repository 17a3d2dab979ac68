"""What can go wrong on purpose. Each error has a stable `code` for programs and a detail that says what to do.

ApiError
├── Malformed        400  the bytes are not what they claim to be
├── Invalid          422  the request does not fit
├── Unauthenticated  401  no valid key or token
├── Forbidden        403  a valid key that may not do this
├── NotFound         404  not there, or another owner's
├── TooSlow          408  a body that does not come to its end
├── Conflict         409  does not fit the present state
├── TooLarge         413  more bytes than are taken
├── Unsupported      415  a media type we do not read
├── TooMany          429  a limit was reached; says when to try again
├── Failed           500  the run that was to answer did not complete; its code says why
└── Unavailable      503  cannot be served now; try again
"""

from collections.abc import Mapping
from typing import Final


class ApiError(Exception):
    """Base of all errors that clients are shown. `str(error)` is the detail."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        pointer: str | None = None,
        retry_after: int | None = None,
        run_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.pointer = pointer
        """JSON pointer to the part of the request that is wrong."""
        self.retry_after = retry_after
        """Seconds after which another try makes sense."""
        self.run_id = run_id
        """The run that stands in the way."""
        self.headers = headers or {}
        """What more the answer's headers say."""


class Malformed(ApiError): ...


class Invalid(ApiError): ...


class Unauthenticated(ApiError): ...


class Forbidden(ApiError): ...


class NotFound(ApiError): ...


class TooSlow(ApiError): ...


class Conflict(ApiError): ...


class TooLarge(ApiError): ...


class Unsupported(ApiError): ...


class TooMany(ApiError): ...


class Failed(ApiError): ...


class Unavailable(ApiError): ...


CHALLENGE: Final = 'Bearer realm="open-agent"'
"""What a 401 answers in `WWW-Authenticate`, if nothing more is to be said."""

HTTP_STATUS: Final[dict[type[ApiError], int]] = {
    Malformed: 400,
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    TooSlow: 408,
    Conflict: 409,
    TooLarge: 413,
    Unsupported: 415,
    TooMany: 429,
    Failed: 500,
    Unavailable: 503,
}
"""The one place where an HTTP status is chosen."""
