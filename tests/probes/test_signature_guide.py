"""The example of docs/signatures.md, as it is printed there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from corpus.rootfs import build
from pyassay.probes.libraries.scan import scan
from pyassay.probes.signatures import parse

GUIDE = Path(__file__).parents[2] / "docs" / "signatures.md"


@pytest.fixture(scope="module")
def blocks() -> dict[str, str]:
    text = GUIDE.read_text(encoding="utf-8")
    return dict(re.findall(r"```(\w+)\n(.*?)```", text.partition("## An example")[2], re.DOTALL))


def test_the_example_says_what_is_printed(blocks: dict[str, str], tmp_path: Path) -> None:
    greet = parse("greet.toml", blocks["toml"])
    library = build(tmp_path / "libgreet.so.1", blocks["c"], soname="libgreet.so.1")
    use = "extern const char *greet_version(void); const char *f(void) { return greet_version(); }"
    hidden = build(tmp_path / "program.so", blocks["c"], options=("-fvisibility=hidden",))
    subprocess.run(["strip", str(hidden)], check=True, timeout=30)
    client = build(
        tmp_path / "client.so", use + 'const char *g(void){return "greet 1.2.3";}', libraries=[library]
    )
    lines = []
    for file in (library, hidden, client):
        found = scan(file, str(file), {"greet": greet}).carried
        said = [f"{one.version}  {one.method:7} {one.confidence:8} {one.evidence}" for one in found] or ["-"]
        lines.append(f"{file.name:15} {said[0]}")
    assert lines == blocks["text"].splitlines()


def test_every_key_that_there_is_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", GUIDE.read_text(encoding="utf-8").partition("## Keys")[2]))
    source = (Path(__file__).parents[2] / "lib/pyassay/probes/signatures/parsing.py").read_text(
        encoding="utf-8"
    )
    taken = set(re.findall(r'table\.(?:text|texts|byte_texts|number|flag|pattern)\("(\w+)"', source))
    assert len(taken) > 15
    assert taken <= told
