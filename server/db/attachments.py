"""Which attachments are taken, and what text they hold. Pure: it fetches nothing."""

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from server.errors import Invalid
from server.resources.conversations import Attachment

_IMAGES: Final[Mapping[str, tuple[bytes, ...]]] = {
    "image/gif": (b"GIF8",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/webp": (b"RIFF",),
}
"""How the bytes of each kind begin."""
_TEXTS: Final = frozenset(
    {"json", "ld+json", "ndjson", "xml", "yaml", "x-yaml", "toml", "sql", "javascript", "x-sh", "x-python", "csv"}
)
"""Kinds of `application/…` that are text all the same."""
_UNSAID: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""Types that say nothing: then the bytes decide."""
_NO_TEXT: Final = (b"%PDF-", b"PK\x03\x04", b"{\\rtf", b"%!PS")
"""How documents begin that could be taken for text, or are mostly text with no use to a model."""
_PRIVATE_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
MAX_BYTES: Final = 8 * 1024 * 1024
TAKEN: Final = (
    "taken are images (PNG, JPEG, GIF, WebP) and UTF-8 text (txt, md, csv, json, yaml, xml, html, log, source code)"
)


def check_attachments(attachments: list[Attachment]) -> None:
    """Raises: Invalid, with a pointer to the first attachment that cannot be used, saying why."""
    for index, attachment in enumerate(attachments):
        try:
            _check(attachment)
        except ValueError as error:
            detail = f"Attachment {attachment.name!r}: {error}."
            raise Invalid("unsupported_attachment", detail, pointer=f"/attachments/{index}") from error


def text_of(attachment: Attachment) -> str:
    """Returns a text file's contents.

    Raises:
        ValueError: it is no base64 or no UTF-8; the message says which.
    """
    try:
        return _bytes_of(attachment).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("the file is not UTF-8 text") from error


def _check(attachment: Attachment) -> None:
    if (attachment.data is None) == (attachment.url is None):
        raise ValueError("give either `data` (base64) or `url`")
    if attachment.type == "image":
        _check_image(attachment)
    elif attachment.url is not None:
        raise ValueError("a file's contents are sent in `data`; addresses are not fetched")
    else:
        _check_file(attachment)


def _check_image(attachment: Attachment) -> None:
    media_type = _media_type(attachment)
    if media_type not in _IMAGES:
        raise ValueError(f"images are taken as {', '.join(_IMAGES)}, not {media_type or 'without a type'}")
    if attachment.url is not None:
        check_address(attachment.url)
    elif not _bytes_of(attachment).startswith(_IMAGES[media_type]):
        raise ValueError(f"its bytes are no {media_type}")


def _check_file(attachment: Attachment) -> None:
    media_type, content = _media_type(attachment), _bytes_of(attachment)
    if not (_is_text(media_type) or media_type in _UNSAID) or content.startswith(_NO_TEXT):
        raise ValueError(f"files of the type {media_type or 'unknown'} are not taken; {TAKEN}")
    try:
        text = text_of(attachment)
    except ValueError as error:
        raise ValueError(f"{error}; {TAKEN}") from error
    if "\x00" in text:
        raise ValueError(f"the file holds NUL characters, so it is not text; {TAKEN}")


def _media_type(attachment: Attachment) -> str:
    return attachment.media_type.partition(";")[0].strip().lower()


def _is_text(media_type: str) -> bool:
    kind, _, subtype = media_type.partition("/")
    return kind == "text" or (kind == "application" and (subtype in _TEXTS or subtype.endswith(("+json", "+xml"))))


def check_address(url: str) -> None:
    """Raises `ValueError` for an address that a provider should not be sent to. Nothing is fetched here.

    One that is only found to be private when it is looked up is the provider's to refuse: its network is another.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError as error:
        raise ValueError("its `url` is no address") from error
    if parts.scheme != "https" or not host:
        raise ValueError("an image's `url` begins with https://; send the bytes in `data` otherwise")
    if parts.username or parts.password:
        raise ValueError("an image's `url` holds no user name and no password")
    if host == "localhost" or host.endswith(_PRIVATE_NAMES) or "." not in host.replace(":", ".") or _is_private(host):
        raise ValueError("an image's `url` leads to a public address; send the bytes in `data` otherwise")


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.replace(".", "").isdecimal() or host.startswith("0x")  # numbers in the ways browsers forgive


def _bytes_of(attachment: Attachment) -> bytes:
    try:
        content = base64.b64decode(attachment.data or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("`data` is not base64") from error
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than the {MAX_BYTES // 1024 // 1024} MiB that are taken")
    return content
