"""The public services that reference tables are kept up to date from, each apart from the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyassay.refresh import libraries, pythons
from pyassay.refresh.context import Context, Gathered

__all__ = ["SOURCES", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """One service.

    Attributes
    ----------
    name : str
        As users name it.
    tables : tuple of str
        The tables that it knows something of.
    online : bool
        Whether it needs the network.
    gather : callable
        Returns what it says of each table; raises FetchError, or ValueError and its like when an answer has
        another form than is known.
    """

    name: str
    tables: tuple[str, ...]
    online: bool
    gather: Callable[[Context], Gathered]


#: In the order in which they are asked.
SOURCES = (
    Source("uv-here", ("pbs_tags", "pbs_builds"), False, pythons.uv_here),
    Source("registry", ("uv_releases", "pbs_tags", "pbs_builds"), True, pythons.uv_registry),
    Source("peps", ("cpython_releases", "cpython_branches"), True, pythons.peps),
    Source("cpython-news", ("cpython_security_fixes", "cpython_advisories"), True, pythons.cpython_news),
    Source("openssl-metadata", ("openssl_branches", "openssl_advisories"), True, libraries.openssl_metadata),
    Source("openssl-releases", ("openssl_releases",), True, libraries.github_openssl),
    Source("build-releases", ("pbs_tags",), True, pythons.github_builds),
    Source("endoflife", ("library_releases",), True, libraries.endoflife),
    Source("osv", ("cpython_advisories",), True, pythons.osv),
    Source("debian", ("debian_uploads",), True, libraries.debian),
)
