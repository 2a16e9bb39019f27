"""What is kept in a cache, and who sees what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

from pyassay.probes.installers.bench import Bench, Row
from pyassay.probes.installers.index import IndexSpec
from pyassay.probes.installers.samples import make_wheel
from pyassay.probes.installers.tools import Installer

__all__ = ["sharing", "untrusted"]

_TIMEOUT_S = 180.0


def untrusted(bench: Bench, installer: Installer) -> Iterator[Row]:
    """Install twice over plain HTTP, from a host that nobody told the installer to trust."""
    claim = "cache_over_http"
    if not bench.is_asked(claim):
        return
    wares, home = bench.folder("wares"), bench.home()
    make_wheel(wares, "untrusted", "1.0")
    with bench.index(IndexSpec((wares,))) as index:
        for _ in range(2):
            index.forget()
            argv = installer.install(
                bench.environment(), ["untrusted"], index=index.url, cache=home.cache, trusted=False
            )
            run = bench.run(argv, home, timeout_s=_TIMEOUT_S)
            asked = [one.on for one in index.requests()]
    if not run.ok:
        yield bench.not_measured(installer, claim, "it does not install", run)
        return
    seen = f"the second time: {asked.count('page')} pages, {asked.count('file')} files"
    answer = "files" if "file" in asked else "no_files"
    yield bench.answer(installer, claim, answer, run=run, seen=seen, details={"asked": asked})


def sharing(bench: Bench, installer: Installer) -> Iterator[Row]:
    """Change a file in one environment, and look whether others change with it."""
    claim = "edit_reaches_others"
    if not bench.is_asked(claim):
        return
    wares = bench.folder("wares")
    make_wheel(wares, "shared", "1.0")
    home = bench.home()
    with bench.index(IndexSpec((wares,))) as index:
        environments = []
        run = None
        for number in range(3):
            environment = bench.environment()
            argv = installer.install(environment, ["shared"], index=index.url, cache=home.cache)
            run = bench.run(argv, home, timeout_s=_TIMEOUT_S)
            environments.append(environment.site_packages / "shared" / "__init__.py")
            if number == 1 and run.ok:
                with environments[0].open("a", encoding="utf-8") as stream:
                    stream.write("EDITED = True\n")
    if run is None or not run.ok:
        yield bench.not_measured(installer, claim, "it does not install", run)
        return
    edited = ["EDITED" in path.read_text(encoding="utf-8") for path in environments]
    links = environments[1].stat().st_nlink
    what = {(True, True): "both", (True, False): "others", (False, False): "none"}.get(
        (edited[1], edited[2]), "later"
    )
    seen = f"{links} names for one file; seen in the other: {edited[1]}, in one made later: {edited[2]}"
    yield bench.answer(installer, claim, what, run=run, seen=seen, details={"links": links})
