"""Which package registry this machine uses, as its installers would find out."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from pyassay.places.host import StartError, run
from pyassay.refresh.fetching import FetchError, shown

__all__ = ["discover", "project_url"]

_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_PASSED_ON = ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "VIRTUAL_ENV", "PIP_CONFIG_FILE")
# Asked of pip itself: its files, and where it goes when they name nothing. A Python without pip brings one
# for its virtual environments.
_ASK_PIP = r"""
import glob, os, sys
try:
    import pip
except ImportError:
    import ensurepip
    sys.path[:0] = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
settings = Configuration(isolated=False)
settings.load()
url = PyPI.simple_url
for key in ("global.index-url", "install.index-url"):
    try:
        url = settings.get_value(key)
    except Exception:
        pass
print(url)
"""


def discover() -> str:
    """Return the URL of the index that uv's or pip's variables, pip's configuration or pip itself names.

    Raises
    ------
    FetchError
        If nothing names one.
    """
    for variable in _VARIABLES:
        if url := os.environ.get(variable, "").strip():
            return _checked(url, variable)
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        answer = run(
            (sys.executable, "-c", _ASK_PIP),
            timeout_s=30,
            max_output_bytes=64 << 10,
            extra_environment=passed_on,
        )
    except StartError as error:
        raise FetchError(f"pip could not be asked for its index: {error}") from error
    lines = answer.stdout.decode("utf-8", "replace").split()
    if not answer.ok or not lines:
        raise FetchError("no package index is configured, and there is no pip to ask; set PIP_INDEX_URL")
    return _checked(lines[-1], "pip")


def _checked(url: str, named_by: str) -> str:
    try:
        usable = urlsplit(url).scheme == "https" and bool(urlsplit(url).hostname)
    except ValueError:
        usable = False
    if not usable:
        raise FetchError(
            f"{named_by} names an index that is not https: {shown(url) if '[' not in url else '?'}"
        )
    return url.rstrip("/")


def project_url(index: str, project: str) -> str:
    """Return where a registry's JSON interface describes a project.

    >>> project_url("https://registry.example/root/simple/", "uv")
    'https://registry.example/root/pypi/uv/json'
    """
    return f"{index.rstrip('/').removesuffix('/simple')}/pypi/{project}/json"
