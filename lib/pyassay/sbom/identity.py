"""Who a component is, in the names that other tools look up: package URLs and CPEs, only where they are true.

A file that a distribution's package brings is that package. A library inside of another file is none: it is
its upstream release, whatever package that other file came with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packageurl import PackageURL

__all__ = [
    "Distribution",
    "component_name",
    "distribution_of",
    "library_cpe",
    "library_purl",
    "package_purl",
    "pypi_purl",
]

_TYPES = {"dpkg": "deb", "rpm": "rpm", "apk": "apk", "pacman": "alpm"}
# As os-release's PRETTY_NAME begins; the longest first.
_PRETTY_NAMES = {
    "Red Hat Enterprise Linux": "redhat",
    "Debian GNU/Linux": "debian",
    "Alpine Linux": "alpine",
    "Fedora Linux": "fedora",
    "Rocky Linux": "rocky",
    "Arch Linux": "arch",
    "AlmaLinux": "almalinux",
    "Ubuntu": "ubuntu",
}
_RELEASE = re.compile(r"\b(\d{1,3}(?:\.\d{1,3})?)\b")
_IMAGE = re.compile(
    r"(?:.*/)?(?P<name>debian|ubuntu|alpine|fedora|rockylinux|almalinux)(?::(?P<tag>[a-z0-9.]+))?(?:[-@:].*)?"
)
_DEBIAN_UPDATE = re.compile(r"[+~]deb(\d{1,2})u\d+")
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "i686": "i386",
    "ppc64le": "ppc64el",
}
# Names in the registry of CPEs, of those that have had one for long.
_CPES = {
    "berkeley_db": "oracle:berkeley_db",
    "bzip2": "bzip:bzip2",
    "cpython": "python:python",
    "curl": "haxx:libcurl",
    "expat": "libexpat_project:libexpat",
    "libpq": "postgresql:postgresql",
    "libressl": "openbsd:libressl",
    "ncurses": "gnu:ncurses",
    "openssl": "openssl:openssl",
    "readline": "gnu:readline",
    "sqlite": "sqlite:sqlite",
    "xz": "tukaani:xz",
    "zlib": "zlib:zlib",
    "zstd": "facebook:zstandard",
}
_PYTHON_PACKAGE = re.compile(r"python\d")
_PLAIN_VERSION = re.compile(r"\d[0-9a-z.]*")


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution of a subject: ``debian`` and ``debian-12``; empty: not known."""

    namespace: str = ""
    release: str = ""


def distribution_of(subject: Mapping[str, Any], host: Mapping[str, str]) -> Distribution:
    """Tell the distribution of a subject's files: of its image by its name, else of the host."""
    kind, executable = str(subject["kind"]), str(subject["executable"])
    image = str(subject["image"]) or (executable if kind == "image" else "")
    if image:
        match = _IMAGE.fullmatch(image)
        if match is None:
            return Distribution()
        tag = match["tag"] or ""
        known = tag not in {"", "latest", "stable", "testing", "unstable", "rolling", "edge", "devel"}
        release = f"{match['name']}-{tag}" if tag[:1].isdigit() else tag
        return Distribution(match["name"], release if known else "")
    if kind == "artifact":
        return Distribution()
    pretty = host.get("distribution", "")
    for begin, namespace in _PRETTY_NAMES.items():
        if pretty.startswith(begin):
            number = _RELEASE.search(pretty)
            return Distribution(namespace, f"{namespace}-{number[1]}" if number else "")
    return Distribution()


def component_name(library: str) -> str:
    """Return the name of a library by the id of its signature: ``zlib-ng`` for ``zlib_ng``."""
    return library.replace("_", "-")


def library_purl(row: Mapping[str, Any], distribution: Distribution, architecture: str) -> PackageURL | None:
    """Return the package URL of one row of ``bundled_libraries``; None when it has none that is true."""
    if _by_package(row):
        return package_purl(row, distribution, architecture)
    if not row["version"]:
        return None
    name = "python" if row["library"] == "cpython" else component_name(str(row["library"]))
    return _purl("generic", "", name, str(row["version"]))


def package_purl(row: Mapping[str, Any], distribution: Distribution, architecture: str) -> PackageURL | None:
    """Return the package URL of a distribution's package; None when the distribution is not known."""
    version = str(row["package_version"])
    update = _DEBIAN_UPDATE.search(version)
    if not distribution.namespace and row["package_manager"] == "dpkg":
        if "ubuntu" in version:
            distribution = Distribution("ubuntu")
        elif update is not None:
            distribution = Distribution("debian", f"debian-{update[1]}")
    if not distribution.namespace:
        return None
    qualifiers = {}
    if row["package_manager"] == "dpkg" and architecture:
        qualifiers["arch"] = _ARCHITECTURES.get(architecture, architecture)
    if distribution.release:
        qualifiers["distro"] = distribution.release
    source = str(row.get("package_source") or "")
    if source and source != row["package"]:
        qualifiers["upstream"] = source
    kind = _TYPES[str(row["package_manager"])]
    return _purl(kind, distribution.namespace, str(row["package"]), version, qualifiers)


def pypi_purl(name: str, version: str) -> PackageURL | None:
    """Return the package URL of a Python package; None without a name."""
    from packaging.utils import canonicalize_name

    return _purl("pypi", "", str(canonicalize_name(name)), version)


def library_cpe(row: Mapping[str, Any]) -> str | None:
    """Return the CPE of an upstream release; None when it is not well known, or the release is not plain.

    A distribution's package has none: what its version says of upstream's is not what is fixed in it.
    """
    known = _CPES.get(str(row["library"]))
    if known is None or _by_package(row) or not _PLAIN_VERSION.fullmatch(str(row["version"])):
        return None
    return f"cpe:2.3:a:{known}:{row['version']}:*:*:*:*:*:*:*"


def _by_package(row: Mapping[str, Any]) -> bool:
    """Tell whether a library is what a distribution's package brings, not only inside of what it brings."""
    if row["package_manager"] not in _TYPES:
        return False
    if row["linkage"] != "static":
        return True
    # The program python3.11, which holds CPython itself.
    package = str(row.get("package_source") or row["package"])
    return row["library"] == "cpython" and _PYTHON_PACKAGE.match(package) is not None


def _purl(
    kind: str, namespace: str, name: str, version: str, qualifiers: dict[str, str] | None = None
) -> PackageURL | None:
    try:
        purl = PackageURL(kind, namespace or None, name, version or None, qualifiers or None)
        # Of a hostile name it makes what nobody can read back.
        return purl if PackageURL.from_string(purl.to_string()) == purl else None
    except (TypeError, ValueError):
        return None
