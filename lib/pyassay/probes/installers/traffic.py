"""What installers ask of an index, counted, and what they keep of its answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pyassay.probes.installers.bench import Bench, BenchError, Row
from pyassay.probes.installers.caching import sharing, untrusted
from pyassay.probes.installers.index import Index, IndexSpec
from pyassay.probes.installers.isolation import Home, Run
from pyassay.probes.installers.settings import RequirementSet
from pyassay.probes.installers.tables import TRAFFIC
from pyassay.probes.installers.tools import Installer

__all__ = ["traffic"]

_TIMEOUT_S = 180.0
_MODERN, _PLAIN = "modern", "plain"


def traffic(bench: Bench, wanted: RequirementSet, folder: Path, *, answers: bool) -> Iterator[Row]:
    """Install from an index that knows every protocol, again from the warm cache, and from a plain index.

    Parameters
    ----------
    bench : Bench
    wanted : RequirementSet
    folder : Path
        Its wheels.
    answers : bool
        Whether claims are answered besides: by one of the sets.
    """
    requirements = list(wanted.requirements)
    plain = IndexSpec((folder,), json=False, metadata=False, ranges=False, cache_headers=False)
    with (
        bench.index(IndexSpec((folder,)), "modern", apart=True) as modern,
        bench.index(plain, "plain", apart=True) as old,
    ):
        for installer in bench.installers:
            home, found = bench.home(), {}
            for index, name, cache, compiles in (
                (modern, _MODERN, "cold", None),
                (modern, _MODERN, "warm", False),
                (old, _PLAIN, "cold", False),
                (old, _PLAIN, "warm", False),
            ):
                if name == _PLAIN and cache == "cold":
                    home = bench.home()
                table, row = _asked(bench, installer, wanted.name, requirements, index, home, compiles)
                found[name, cache] = row = {**row, "cache": cache, "index": name}
                yield table, row
            if answers:
                yield from _traffic_answers(bench, installer, found)


def _asked(
    bench: Bench,
    installer: Installer,
    name: str,
    requirements: Sequence[str],
    index: Index,
    home: Home,
    compiles: bool | None,
) -> tuple[str, dict[str, Any]]:
    environment = bench.environment()
    argv = installer.install(
        environment, requirements, index=index.url, cache=home.cache, compile_bytecode=compiles
    )
    index.forget()
    run = bench.run(argv, home, timeout_s=_TIMEOUT_S)
    asked = index.requests()
    counts = {kind: sum(one.on == kind for one in asked) for kind in ("page", "metadata", "file")}
    row = {
        "subject_id": installer.id,
        "set": name,
        "page_requests": counts["page"],
        "metadata_requests": counts["metadata"],
        "file_requests": counts["file"],
        "range_requests": sum(one.part for one in asked),
        "unchanged": sum(one.status == 304 for one in asked),
        "body_bytes": sum(one.body_bytes for one in asked),
        "installed": len(list(environment.site_packages.glob("*.dist-info"))),
        "modules": len(list(environment.site_packages.rglob("*.py"))),
        "compiled": len(list(environment.site_packages.rglob("*.pyc"))),
        "duration_s": run.duration_s,
        "command": run.command,
        "reason": "" if run.ok else run.telling,
    }
    bench.discard(environment.folder)
    return TRAFFIC.name, row


def _traffic_answers(
    bench: Bench, installer: Installer, found: dict[tuple[str, str], dict[str, Any]]
) -> Iterator[Row]:
    """Answer claims from what was counted."""
    cold, warm = found[_MODERN, "cold"], found[_MODERN, "warm"]
    plain = found[_PLAIN, "warm"]
    if reason := next((row["reason"] for row in found.values() if row["reason"]), ""):
        raise BenchError(f"{installer.label}: {reason}")

    def answer(claim: str, what: str, seen: str, row: dict[str, Any]) -> Row:
        details = {key: row[key] for key in row if key.endswith(("requests", "bytes", "unchanged"))}
        run = Run(row["command"], 0, row["duration_s"], "")
        return bench.answer(installer, claim, what, run=run, seen=seen, details=details)

    pages, files = warm["page_requests"], warm["file_requests"] + warm["metadata_requests"]
    what = "files" if files else ("pages" if pages else "nothing")
    seen = f"{pages} pages ({warm['unchanged']} unchanged), {files} files, {warm['body_bytes'] / 1e3:.0f} kB"
    yield answer("warm_cache_asks", what, seen, warm)
    what = "files" if plain["body_bytes"] > _half(found[_PLAIN, "cold"]) else "no_files"
    seen = f"{plain['file_requests']} files, {plain['body_bytes'] / 1e6:.1f} MB the second time"
    yield answer("cache_without_headers", what, seen, plain)
    what = "yes" if cold["metadata_requests"] else "no"
    seen = f"{cold['metadata_requests']} requests for metadata, {cold['file_requests']} for files"
    yield answer("reads_metadata", what, seen, cold)
    what = "yes" if cold["compiled"] else "no"
    seen = f"{cold['compiled']} .pyc for {cold['modules']} .py files"
    yield answer("compiles_by_default", what, seen, cold)
    yield from untrusted(bench, installer)
    yield from sharing(bench, installer)


def _half(row: dict[str, Any]) -> float:
    return float(row["body_bytes"]) / 2
