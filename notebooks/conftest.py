"""What `pytest --nbval` holds the notebooks to.

A cell that was never run fails; numbers compare with a tolerance for the last digits of floating point;
charts compare by their data, not by their drawing; and a failure shows the old beside the new. The kernel is
the Python that runs pytest, with no configuration of the user's.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

RELATIVE_TOLERANCE = float(os.environ.get("NBVAL_RTOL", "1e-9"))
NOT_COMPARED = frozenset({
    "image/svg+xml",  # drawn from the specification beside it, which is compared
    "image/png",
    "image/jpeg",
    "application/vnd.jupyter.widget-view+json",
})  # fmt: skip
NUMBER = re.compile(r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?")
# Fewer digits are no noise of floating point but another number, or a version: 2.10 is not 2.1.
NOISY_DIGITS = 8
MAX_LINES = 24
_SCRATCH = pytest.StashKey[tuple[str, dict[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("nbval", default=False):
        return
    from nbval.plugin import IPyNbCell
    from pyassay.reports.execution import kernel_environment

    if not config.option.nbval_kernel_name:
        config.option.nbval_current_env = True
    scratch = tempfile.mkdtemp(prefix="pyassay-nbval-")
    config.stash[_SCRATCH] = scratch, dict(os.environ)
    environment = kernel_environment(Path(scratch))
    os.environ.clear()
    os.environ.update(environment)
    os.environ["PYASSAY_DRAW"] = "0"
    IPyNbCell.compare_outputs = _compare


def pytest_unconfigure(config: pytest.Config) -> None:
    scratch, environment = config.stash.get(_SCRATCH, ("", {}))
    if scratch:
        os.environ.clear()
        os.environ.update(environment)
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    if type(item).__name__ != "IPyNbCell":
        return
    cell, options = item.cell, item.options  # type: ignore[attr-defined]
    checked = options["check"] and not options["skip"] and cell.source.strip()
    if checked and cell.execution_count is None:
        item.raise_cell_error("the cell was never run: there is nothing to compare with")  # type: ignore[attr-defined]


def _compare(self: Any, test: Sequence[Any], ref: Sequence[Any], skip_compare: object = None) -> bool:
    lines = list(differences(ref, test))
    self.comparison_traceback = lines
    return not lines


def differences(old: Sequence[Any], new: Sequence[Any]) -> Iterator[str]:
    """Yield what tells two lists of outputs apart; nothing when they are alike."""
    if len(old) != len(new):
        yield f"{len(old)} outputs before, {len(new)} now"
        yield from _texts("output", *("\n".join(map(_plain, outputs)) for outputs in (old, new)))
        return
    for number, (before, now) in enumerate(zip(old, new, strict=True), 1):
        where = f"output {number}"
        if _kind(before) != _kind(now):
            yield f"{where}: {_kind(before)} before, {_kind(now)} now"
        elif before.output_type == "stream":
            yield from _texts(f"{where}, {before.name}", before.text, now.text)
        elif before.output_type == "error":
            yield from _texts(where, f"{before.ename}: {before.evalue}", f"{now.ename}: {now.evalue}")
        else:
            yield from _bundles(where, before.data, now.data)


def _bundles(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    kinds = [sorted(set(data) - NOT_COMPARED) for data in (old, new)]
    if kinds[0] != kinds[1]:
        yield f"{where}: {', '.join(kinds[0])} before, {', '.join(kinds[1])} now"
        return
    for kind in kinds[0]:
        if kind == "text/html":
            if not alike(old[kind], new[kind]):
                shown = list(_texts(f"{where}, {kind}", _words(old[kind]), _words(new[kind])))
                yield from shown or [f"{where}, {kind}: the markup differs, its text does not"]
        elif isinstance(old[kind], str):
            yield from _texts(f"{where}, {kind}", old[kind], new[kind])
        else:
            yield from _values(f"{where}, {kind}", old[kind], new[kind])


def _values(where: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            if key in old and key in new:
                yield from _values(f"{where}: {key}", old[key], new[key])
            else:
                yield f"{where}: {key}: {'gone' if key in old else 'new'}"
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{where}: {len(old)} items before, {len(new)} now"
        for place, (before, now) in enumerate(zip(old, new, strict=False)):
            yield from _values(f"{where}[{place}]", before, now)
    elif not alike(old, new):
        yield f"{where}: {old!r} before, {new!r} now"


def alike(old: Any, new: Any) -> bool:
    """Return whether two values are the same but for the noise of floating point."""
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    if isinstance(old, float) or isinstance(new, float):
        numbers = isinstance(old, (int, float)) and isinstance(new, (int, float))
        return numbers and (
            math.isclose(old, new, rel_tol=RELATIVE_TOLERANCE) or (math.isnan(old) and math.isnan(new))
        )
    if isinstance(old, str) and isinstance(new, str):
        if old == new:
            return True
        if NUMBER.sub("#", old) != NUMBER.sub("#", new):
            return False
        pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
        return all(a == b or (_noisy(a, b) and alike(float(a), float(b))) for a, b in pairs)
    return bool(old == new)


def _noisy(a: str, b: str) -> bool:
    return max(sum(character.isdigit() for character in text) for text in (a, b)) >= NOISY_DIGITS


def _texts(where: str, old: str, new: str) -> Iterator[str]:
    if alike(old, new):
        return
    before, now = old.splitlines(), new.splitlines()
    changed = [
        line
        for line in difflib.unified_diff(before, now, "before", "now", n=1, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    yield f"{where} (- before, + now)"
    yield from changed[:MAX_LINES]
    if len(changed) > MAX_LINES:
        yield f"... {len(changed) - MAX_LINES} more lines"


def _kind(output: Any) -> str:
    # Whether a value was displayed or was the last of its cell makes no difference.
    kind = str(output.output_type)
    return "stream " + output.name if kind == "stream" else kind.replace("execute_result", "display_data")


def _plain(output: Any) -> str:
    return str(output.get("text") or output.get("data", {}).get("text/plain") or output.get("evalue", ""))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = [""]

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in {"tr", "li", "p", "caption", "div"}:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        self.lines[-1] += f" {data.strip()}"


def _words(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    return "\n".join(line.strip() for line in parser.lines if line.strip())
