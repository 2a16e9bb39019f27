"""The gate on real wheels: honest ones pass, renamed ones are caught, damaged ones are named."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from auditwheel.error import NonPlatformWheelError
from auditwheel.wheel_abi import analyze_wheel_abi
from corpus.real_wheels import WHEELS
from pyassay.elf.platform_tags import parse_platform, policies
from pyassay.gate import GateError, check
from pyassay.probes.portability import observe
from pyassay.subjects import find


def lines(*paths: Path | str, **asked: object) -> list[str]:
    return [finding.line for finding in check(find(*paths), **asked).findings]  # type: ignore[arg-type]


def renamed(wheelhouse: Path, folder: Path, project: str, change: tuple[str, str]) -> Path:
    """Copy a wheel under another name."""
    source = next(wheelhouse.glob(f"{project}-*manylinux*.whl"))
    target = folder / re.sub(change[0], change[1], source.name)
    assert target.name != source.name
    return Path(shutil.copyfile(source, target))


def test_real_wheels_keep_what_they_claim(wheelhouse: Path) -> None:
    checked = check(find(wheelhouse))
    assert checked.wheels == len(WHEELS)
    assert checked.elf_files > 40
    assert [finding.line for finding in checked.findings] == []
    assert checked.unreadable == ()


# Where auditwheel's answer and the exact tag differ, and why: its policies have no such number, so it rounds
# up to the next one that it has. There is no other difference.
ROUNDED = {
    "manylinux_2_7_x86_64": "manylinux_2_12_x86_64",
    "manylinux_2_14_x86_64": "manylinux_2_17_x86_64",
    "manylinux_2_25_x86_64": "manylinux_2_26_x86_64",
}


def test_auditwheel_gives_the_same_answer_but_for_rounding(wheelhouse: Path) -> None:
    differing: dict[str, tuple[str, str]] = {}
    compared = 0
    for subject in find(wheelhouse):
        (row,) = observe(subject).tables["wheels"]
        try:
            theirs = analyze_wheel_abi(
                None,
                None,
                Path(str(subject.location)),
                frozenset(),
                disable_isa_ext_check=True,
                allow_graft=False,
            ).overall_policy.name
        except NonPlatformWheelError:
            assert (row["tag"], row["elf_files"]) == ("", 0)
            continue
        compared += 1
        assert row["policy"] == theirs, row["wheel"]
        if row["tag"] != theirs:
            differing[row["wheel"]] = (row["tag"], theirs)
    assert compared >= 20
    assert set(differing.values()) <= set(ROUNDED.items())
    known = {policy.number for policy in policies("glibc", "x86_64")}
    for exact, theirs in differing.values():
        assert parse_platform(exact).number not in known
        assert parse_platform(theirs).number == min(n for n in known if n > parse_platform(exact).number)


def test_a_wheel_renamed_to_an_older_platform_is_caught(wheelhouse: Path, tmp_path: Path) -> None:
    wheel = renamed(wheelhouse, tmp_path, "lxml", (r"manylinux_.*", "manylinux_2_17_x86_64.whl"))
    found = lines(wheel)
    assert any("its WHEEL file records manylinux_2_26_x86_64" in line for line in found)
    assert any(
        re.search(r"etree\S*: \w+@GLIBC_2\.2\d.* > claimed manylinux_2_17_x86_64$", line) for line in found
    )


def test_a_glibc_wheel_renamed_musllinux_is_caught(wheelhouse: Path, tmp_path: Path) -> None:
    wheel = renamed(wheelhouse, tmp_path, "msgpack", (r"manylinux.*", "musllinux_1_2_x86_64.whl"))
    assert any(line.endswith("made for glibc > claimed musllinux_1_2_x86_64") for line in lines(wheel))


def test_another_machine_is_caught(wheelhouse: Path, tmp_path: Path) -> None:
    source = next(wheelhouse.glob("cffi-*aarch64.whl"))
    wheel = tmp_path / re.sub(r"manylinux.*", "manylinux_2_28_x86_64.whl", source.name)
    shutil.copyfile(source, wheel)
    assert any(line.endswith("for aarch64 > claimed manylinux_2_28_x86_64") for line in lines(wheel))


def test_an_older_python_for_the_stable_abi_is_caught(wheelhouse: Path, tmp_path: Path) -> None:
    wheel = renamed(wheelhouse, tmp_path, "cryptography", ("cp311-abi3", "cp37-abi3"))
    (found,) = lines(wheel)
    assert "(added in 3." in found
    assert found.endswith("> claimed cp37-abi3")


def test_allowed_tags_and_distributions(wheelhouse: Path) -> None:
    found = lines(wheelhouse, allow=["manylinux_2_17_x86_64", "manylinux_2_28_aarch64"])
    named = {line.partition("-")[0] for line in found}
    assert named == {"bcrypt", "cryptography", "lxml", "markupsafe", "orjson", "pynacl", "pyyaml", "pyzmq"}
    assert any(line.startswith("markupsafe") and "claims musllinux_1_2_x86_64" in line for line in found)
    assert not any("aiohttp" in line for line in found)
    on_stretch = lines(wheelhouse, distros=["debian:9"])
    assert any("cryptography" in line and "(glibc 2.24)" in line for line in on_stretch)


def test_what_is_not_known_is_refused(wheelhouse: Path) -> None:
    subjects = find(next(wheelhouse.glob("six-*.whl")))
    with pytest.raises(GateError, match=r"ubuntu:99: no such release .*nearest: ubuntu:"):
        check(subjects, distros=["ubuntu:99"])
    with pytest.raises(GateError, match="manylinux_latest: no platform tag of Linux"):
        check(subjects, allow=["manylinux_latest"])


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pyassay", "check", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_exits_as_a_pipeline_needs(wheelhouse: Path, tmp_path: Path) -> None:
    honest = next(wheelhouse.glob("msgpack-*x86_64.whl"))
    passed = command(honest)
    assert (passed.returncode, passed.stdout) == (0, "")
    liar = renamed(wheelhouse, tmp_path, "msgpack", (r"manylinux.*", "musllinux_1_2_x86_64.whl"))
    failed = command(honest, liar)
    assert failed.returncode == 1
    assert all(" > claimed musllinux_1_2_x86_64" in line for line in failed.stdout.splitlines())
    document = json.loads(command(liar, "--json").stdout)
    assert document["findings"][0]["wanted"].startswith("claimed musllinux_1_2_x86_64")
    broken = tmp_path / "broken-1-py3-none-any.whl"
    broken.write_bytes(honest.read_bytes()[:2000])
    unread = command(broken)
    assert (unread.returncode, unread.stdout) == (3, "")
    assert "broken-1-py3-none-any.whl" in unread.stderr
    both = command(broken, liar)
    assert both.returncode == 1
