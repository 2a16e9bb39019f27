"""Fetch a public document: https only, bounded in size and time, no credentials in any message."""

from __future__ import annotations

import base64
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

__all__ = ["AbsentError", "Fetch", "FetchError", "fetch_https", "shown"]

_TIMEOUT_S = 20.0
_DEADLINE_S = 180.0
_CHUNK = 1 << 16
_AGENT = "pyassay (reference tables)"


class FetchError(Exception):
    """A document could not be fetched: one line that names it."""


class AbsentError(FetchError):
    """The service answered that it has no such document."""


class Fetch(Protocol):
    """What fetches a document; tests put recorded answers in its place."""

    def __call__(self, url: str, *, max_bytes: int = ...) -> bytes:
        """Return the document, or raise :class:`FetchError`."""


def shown(url: str) -> str:
    """Return a URL without user, password and query, for messages."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def fetch_https(url: str, *, max_bytes: int = 16 << 20) -> bytes:
    """Return a document of at most `max_bytes`.

    Twenty seconds for each answer, three minutes in all. Redirections are followed to https only. The proxy
    settings of the environment are used.

    Raises
    ------
    FetchError
        If the URL is no https, or the document is not there, too large or too slow.
    """
    parts = urlsplit(url)
    name = shown(url)
    if parts.scheme != "https" or not parts.hostname:
        raise FetchError(f"{name}: not https")
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        urlunsplit((parts.scheme, host, parts.path, parts.query, "")), headers={"User-Agent": _AGENT}
    )
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(secret).decode()}")
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
            return _bounded(answer, max_bytes, name)
    except urllib.error.HTTPError as error:
        kind = AbsentError if error.code in (404, 410) else FetchError
        raise kind(f"{name}: {error.code} {error.reason}") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise FetchError(f"{name}: {' '.join(str(reason).split())}") from error


def _bounded(answer: IO[bytes], max_bytes: int, name: str) -> bytes:
    ends = time.monotonic() + _DEADLINE_S
    content = bytearray()
    while chunk := answer.read(_CHUNK):
        content += chunk
        if len(content) > max_bytes:
            raise FetchError(f"{name}: larger than {max_bytes} bytes")
        if time.monotonic() > ends:
            raise FetchError(f"{name}: not finished after {_DEADLINE_S:.0f} s")
    return bytes(content)


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if urlsplit(newurl).scheme != "https":
            raise FetchError(f"{shown(req.full_url)}: leads to {shown(newurl)}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_OnlyHttps)
