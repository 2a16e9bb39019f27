"""Exact platform tags; policies that agree with auditwheel's own answer on real wheels."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from auditwheel.architecture import Architecture
from auditwheel.libc import Libc
from auditwheel.policy import WheelPolicies
from auditwheel.wheel_abi import analyze_wheel_abi
from corpus.rootfs import build
from pyassay.elf import platform_tags
from pyassay.elf.platform_tags import (
    ClosestPolicy,
    PolicyError,
    allowed,
    closest_policy,
    libc_of,
    parse_platform,
    platform_tag,
    platforms_claimed,
    policies,
)
from pyassay.elf.reader import ElfFile, VersionNeed, is_elf, read
from pyassay.elf.symbols import undefined_symbols
from pyassay.elf.versions import Floor, floors


def needs(*versions: str) -> dict[str, Floor]:
    weak = [version for version in versions if version.startswith("~")]
    return floors(
        VersionNeed("libx.so", version.lstrip("~"), version in weak, index)
        for index, version in enumerate(versions)
    )


@pytest.mark.parametrize(
    ("versions", "machine", "tag"),
    [
        (("GLIBC_2.17", "GLIBC_2.2.5"), "x86_64", "manylinux_2_17_x86_64"),
        (("GLIBC_2.29",), "x86_64", "manylinux_2_29_x86_64"),  # exact, though no policy has that number
        (("GLIBC_2.14",), "x86_64", "manylinux_2_14_x86_64"),
        (("GLIBC_2.3.4",), "x86_64", "manylinux_2_5_x86_64"),
        (("GLIBC_2.2.5",), "i686", "manylinux_2_5_i686"),
        ((), "x86_64", "manylinux_2_5_x86_64"),
        (("GLIBC_2.4",), "armv7l", "manylinux_2_17_armv7l"),
        (("GLIBC_2.17",), "aarch64", "manylinux_2_17_aarch64"),
        (("GLIBC_2.18",), "aarch64", "manylinux_2_17_aarch64"),  # by auditwheel's policy
        (("GLIBC_2.18",), "x86_64", "manylinux_2_18_x86_64"),
        (("GLIBC_2.19",), "aarch64", "manylinux_2_19_aarch64"),
        (("GLIBC_ABI_DT_RELR", "GLIBC_2.2.5"), "x86_64", "manylinux_2_36_x86_64"),
        (("GLIBC_2.14", "GLIBCXX_3.4.21"), "x86_64", "manylinux_2_24_x86_64"),
        (("GLIBC_2.28", "GLIBCXX_3.4.21"), "x86_64", "manylinux_2_28_x86_64"),
        (("GLIBC_2.17", "~GLIBC_2.34"), "x86_64", "manylinux_2_17_x86_64"),
        (("GLIBC_2.99",), "x86_64", "manylinux_2_99_x86_64"),
        (("GLIBC_2.17", "GLIBCXX_3.4.999"), "x86_64", "linux_x86_64"),
        (("GLIBC_2.17", "GLIBC_PRIVATE"), "x86_64", "linux_x86_64"),
        (("GLIBC_2.17", "OPENSSL_3.0.0"), "x86_64", "manylinux_2_17_x86_64"),
        (("GLIBC_2.34",), "mips64", "manylinux_2_34_mips64"),
    ],
)
def test_exact_tags(versions: tuple[str, ...], machine: str, tag: str) -> None:
    assert platform_tag(needs(*versions), machine, "glibc").tag == tag


def test_tags_that_promise_nothing_say_why() -> None:
    assert "GLIBC_PRIVATE" in platform_tag(needs("GLIBC_PRIVATE"), "x86_64", "glibc").reason
    assert "GLIBCXX_3.4.999" in platform_tag(needs("GLIBCXX_3.4.999"), "x86_64", "glibc").reason
    static = platform_tag({}, "x86_64", None)
    assert (static.tag, bool(static.reason)) == ("linux_x86_64", True)
    assert "GLIBC_2.18" in platform_tag(needs("GLIBC_2.18"), "aarch64", "glibc").reason
    assert platform_tag(needs("GLIBC_2.17"), "x86_64", "glibc").reason == ""


def test_musl_tags() -> None:
    assert str(platform_tag({}, "x86_64", "musl", musl_version=(1, 1))) == "musllinux_1_1_x86_64"
    assert str(platform_tag({}, "x86_64", "musl")) == "musllinux_1_2_x86_64"
    assert platform_tag({}, "mips64", "musl").tag == "linux_mips64"


def test_exact_tags_are_tags_that_packaging_accepts() -> None:
    from packaging.tags import parse_tag

    for version in ("GLIBC_2.17", "GLIBC_2.29", "GLIBC_2.3.4"):
        tag = platform_tag(needs(version), "x86_64", "glibc").tag
        assert {one.platform for one in parse_tag(f"cp312-cp312-{tag}")} == {tag}
        assert parse_platform(tag).machine == "x86_64"


@pytest.mark.parametrize(
    ("tag", "parsed"),
    [
        ("manylinux_2_17_x86_64", ("glibc", (2, 17), "x86_64")),
        ("manylinux2014_aarch64", ("glibc", (2, 17), "aarch64")),
        ("manylinux1_i686", ("glibc", (2, 5), "i686")),
        ("musllinux_1_2_armv7l", ("musl", (1, 2), "armv7l")),
        ("linux_ppc64le", (None, (), "ppc64le")),
    ],
)
def test_parsing(tag: str, parsed: tuple[object, ...]) -> None:
    found = parse_platform(tag)
    assert (found.libc, found.number, found.machine) == parsed


@pytest.mark.parametrize(
    "tag", ["", "win_amd64", "macosx_11_0_arm64", "manylinux_2_x86_64", "linux_", "any", "x\ny"]
)
def test_no_tags_of_linux(tag: str) -> None:
    with pytest.raises(ValueError, match="no platform tag of Linux"):
        parse_platform(tag)


def test_claims_of_a_wheel() -> None:
    assert platforms_claimed("cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64") == (
        "manylinux2014_x86_64",
        "manylinux_2_17_x86_64",
    )
    with pytest.raises(ValueError, match="no wheel tag"):
        platforms_claimed("nonsense")


# The C library of a file.

SONAMES = [
    (("libc.so.6",), None, "glibc"),
    (("libc.musl-x86_64.so.1",), None, "musl"),
    (("libc.so",), None, "musl"),
    (("libc.so", "libc.so.6"), None, "glibc"),
    (("libfoo.so",), None, None),
    (("libfoo.so",), "/lib64/ld-linux-x86-64.so.2", "glibc"),
    (("libfoo.so",), "/lib/ld-musl-aarch64.so.1", "musl"),
    (("libpthread.so.0",), None, "glibc"),
]


@pytest.mark.parametrize(("sonames", "interpreter", "libc"), SONAMES)
def test_libc(tmp_path: Path, sonames: tuple[str, ...], interpreter: str | None, libc: str | None) -> None:
    bare = ["-nostdlib", "-nostartfiles"]
    stubs = [
        build(tmp_path / f"stub{index}.so", soname=name, options=bare) for index, name in enumerate(sonames)
    ]
    options = [*bare, "-e", "main", f"-Wl,--dynamic-linker,{interpreter}"] if interpreter else bare
    elf = read(
        build(
            tmp_path / "made",
            "int main(void){return 0;}",
            libraries=stubs,
            options=options,
            program=interpreter is not None,
        )
    )
    assert libc_of(elf) == libc


# Policies.


def test_policies_are_read_without_auditwheels_modules() -> None:
    code = (
        "import sys\nfrom pyassay.elf.platform_tags import policies\n"
        "assert len(policies('glibc', 'x86_64')) > 10\n"
        "print([m for m in sys.modules if m.startswith(('auditwheel.', 'elftools', 'packaging', 'pandas'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("machine", ["x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x", "riscv64"])
@pytest.mark.parametrize("libc", ["glibc", "musl"])
def test_policies_are_auditwheels(machine: str, libc: str) -> None:
    theirs = {}
    for musl_policy in ["musllinux_1_1", "musllinux_1_2"] if libc == "musl" else [None]:
        wheel_policies = WheelPolicies(libc=Libc(libc), arch=Architecture(machine), musl_policy=musl_policy)
        theirs.update({policy.name: policy for policy in wheel_policies})
    ours = {policy.name: policy for policy in policies(libc, machine)}  # type: ignore[arg-type]
    assert set(ours) == set(theirs)
    for name, policy in ours.items():
        assert policy.libraries == theirs[name].whitelist
        assert policy.aliases == theirs[name].aliases
        assert dict(policy.forbidden_symbols) == theirs[name].blacklist
        assert {family: {f"{family}_{one}" for one in versions} for family, versions in theirs[name].symbol_versions.items()} == policy.versions  # fmt: skip  # noqa: E501


def test_allowed_libraries() -> None:
    policy = policies("glibc", "x86_64")[0]
    assert policy.name == "manylinux_2_5_x86_64"
    assert allowed("libc.so.6", policy)
    assert allowed("ld-linux-x86-64.so.2", policy)
    assert not allowed("libexpat.so.1", policy)
    assert allowed("libexpat.so.1")  # by a later policy
    assert not allowed("libssl.so.3")
    assert allowed("libssl.so.3", policies("glibc", "x86_64")[-1])  # the generic one


def test_reasons_name_what_to_mend() -> None:
    found = closest_policy(
        ["GLIBC_2.14", "GLIBC_2.17", "GLIBCXX_3.4.21", "OPENSSL_3.0.0"],
        ["libc.so.6", "libstdc++.so.6"],
        "x86_64",
        "glibc",
    )
    assert found.policy.name == "manylinux_2_24_x86_64"
    assert [refusal.policy for refusal in found.refusals] == [
        "manylinux_2_17_x86_64",
        "manylinux_2_12_x86_64",
        "manylinux_2_5_x86_64",
    ]
    assert found.refusals[0].versions == ("GLIBCXX_3.4.21",)
    assert found.refusals[1].versions == ("GLIBC_2.14", "GLIBC_2.17", "GLIBCXX_3.4.21")
    assert found.reason == "manylinux_2_17_x86_64 does not allow symbol versions GLIBCXX_3.4.21"
    assert closest_policy(["GLIBC_2.2.5"], ["libc.so.6"], "x86_64", "glibc").refusals == ()
    outside = closest_policy([], ["libc.so.6", "libssl.so.3"], "x86_64", "glibc")
    assert outside.policy.generic
    assert outside.refusals[0].libraries == ("libssl.so.3",)
    private = closest_policy([], ["libz.so.1"], "x86_64", "glibc", undefined_symbols=["zcfree", "inflate"])
    assert private.policy.generic
    assert private.refusals[0].symbols == ("zcfree",)


def test_floors_do_as_well_as_versions() -> None:
    for versions in (
        ["GLIBC_2.14", "GLIBCXX_3.4.21"],
        ["GLIBC_2.17", "CXXABI_FLOAT128"],
        ["GLIBC_2.2.5", "GLIBC_PRIVATE"],
    ):
        exact = closest_policy(versions, ["libc.so.6"], "x86_64", "glibc")
        assert closest_policy(needs(*versions), ["libc.so.6"], "x86_64", "glibc").policy == exact.policy


def test_musl_policies() -> None:
    own = ["libc.musl-x86_64.so.1", "libz.so.1"]
    assert closest_policy([], own, "x86_64", "musl").policy.name == "musllinux_1_2_x86_64"
    assert (
        closest_policy([], own, "x86_64", "musl", musl_version=(1, 1)).policy.name == "musllinux_1_1_x86_64"
    )
    assert closest_policy([], ["libc.so.6"], "x86_64", "musl").policy.generic


def test_an_unknown_machine_is_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="mips64"):
        closest_policy([], [], "mips64", "glibc")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries[1].pop("lib_whitelist"), "not of the form known"),
        (lambda entries: entries[1].update(name="manylinux_9"), "not of the form known"),
        (lambda entries: entries[1].update(priority=1), "not in order"),
        (lambda entries: entries[3]["lib_whitelist"].remove("libc.so.6"), "lacks libraries"),
        (lambda entries: entries[3]["symbol_versions"]["x86_64"].pop("GLIBC"), "lacks GLIBC versions"),
        (lambda entries: entries[1]["symbol_versions"]["x86_64"].update(GLIBC=[1]), "not of the form known"),
        (lambda entries: entries.clear(), "needs a generic policy"),
    ],
)
def test_a_changed_policy_file_is_refused(
    change: object, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from importlib import resources

    entries = json.loads((resources.files("auditwheel") / "policy" / "manylinux-policy.json").read_bytes())
    change(entries)  # type: ignore[operator]
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy/manylinux-policy.json").write_text(json.dumps(entries))
    monkeypatch.setattr(platform_tags.resources, "files", lambda _: tmp_path)
    with pytest.raises(PolicyError, match=message):
        platform_tags._read_policies.__wrapped__("glibc")


# Beside auditwheel itself.


def assay(elves: dict[str, Path]) -> ClosestPolicy:
    """Ask for the closest policy as a probe does: from the facts of all ELF files of a tree."""
    facts: list[tuple[Path, ElfFile]] = [(path, read(path)) for path in elves.values()]
    inside = {PurePosixPath(name).name for name in elves} | {elf.soname for _, elf in facts}
    outside = {soname for _, elf in facts for soname in elf.needed if soname not in inside}
    versions = {
        need.version
        for _, elf in facts
        for need in elf.version_needs
        if not need.soname.startswith("ld-linux") and need.soname not in {"ld64.so.1", "ld64.so.2"}
    }
    symbols = {symbol.name for path, _ in facts for symbol in undefined_symbols(path) if not symbol.weak}
    libc = next((found for _, elf in facts if (found := libc_of(elf)) is not None), None)
    return closest_policy(versions, outside, facts[0][1].machine, libc, undefined_symbols=symbols)


def pack(target: Path, name: str, members: dict[str, Path | str]) -> Path:
    wheel = target / f"{name}-1.0-cp311-cp311-linux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            archive.write(content, member) if isinstance(content, Path) else archive.writestr(member, content)
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n")
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        record = "".join(f"{member},,\n" for member in [*archive.namelist(), f"{name}-1.0.dist-info/RECORD"])
        archive.writestr(f"{name}-1.0.dist-info/RECORD", record)
    return wheel


def auditwheels_answer(wheel: Path) -> str:
    answer = analyze_wheel_abi(None, None, wheel, frozenset(), disable_isa_ext_check=True, allow_graft=False)
    return str(answer.overall_policy.name)


def installed_wheels() -> Iterator[tuple[str, dict[str, Path]]]:
    """Give the ELF files of packages installed from wheels, small enough for auditwheel's pace."""
    for distribution in sorted(importlib.metadata.distributions(), key=lambda one: str(one.metadata["Name"])):
        elves = {
            str(file): path
            for file in distribution.files or ()
            if ".." not in file.parts
            and (path := Path(str(distribution.locate_file(file)))).is_file()
            and is_elf(path)
        }
        if elves and sum(path.stat().st_size for path in elves.values()) < 4_000_000 and len(elves) < 30:
            yield str(distribution.metadata["Name"]).replace("-", "_"), elves


def test_installed_wheels_get_auditwheels_answer(tmp_path: Path) -> None:
    compared = {}
    for name, elves in installed_wheels():
        theirs = auditwheels_answer(pack(tmp_path, name, dict(elves)))
        compared[name] = (assay(elves).policy.name, theirs)
        if len(compared) == 15:
            break
    if len(compared) < 10:
        pytest.skip(f"only {len(compared)} small binary wheels are installed here")
    assert {name: answers for name, answers in compared.items() if answers[0] != answers[1]} == {}


MODULE = "int PyInit_made(void){return 0;}\n"


@pytest.mark.parametrize(
    "case", ["plain", "outside", "inside", "zlib-private", "libm", "private", "future", "libpython"]
)
def test_made_wheels_get_auditwheels_answer(tmp_path: Path, case: str) -> None:
    target = tmp_path / "wheel/made.cpython-311-x86_64-linux-gnu.so"
    libraries: list[Path | str] = []
    source = MODULE
    options: list[str] = []
    if case in {"outside", "inside"}:
        folder = "wheel/made.libs" if case == "inside" else "elsewhere"
        libraries = [build(tmp_path / folder / "libown.so.1", soname="libown.so.1")]
        options = [f"-Wl,-rpath,{'$ORIGIN/made.libs' if case == 'inside' else tmp_path / folder}"]
    elif case == "zlib-private":
        libraries = [build(tmp_path / "elsewhere/libz.so", "int zcfree(void){return 1;}", soname="libz.so.1")]
        source += "int zcfree(void); int use(void){return zcfree();}"
    elif case == "libm":
        libraries = ["-lm"]
        source += "double pow(double,double); double use(double x){return pow(x,x);}"
    elif case in {"private", "future"}:
        version = {"private": "GLIBC_PRIVATE", "future": "GLIBC_2.99"}[case]
        stub = build(
            tmp_path / "elsewhere/libc.so.6",
            "int secret(void){return 1;}",
            soname="libc.so.6",
            version_script=f"{version} {{ global: secret; }};",
        )
        libraries = [stub]
        source += "int secret(void); int use(void){return secret();}"
    elif case == "libpython":
        libraries = [build(tmp_path / "elsewhere/libpython3.11.so.1.0", soname="libpython3.11.so.1.0")]
    build(target, source, libraries=libraries, options=options)
    elves = {str(path.relative_to(tmp_path / "wheel")): path for path in (tmp_path / "wheel").rglob("*.so*")}
    ours = assay(elves)
    assert ours.policy.name == auditwheels_answer(pack(tmp_path, "made", dict(elves)))
    if case in {"outside", "zlib-private", "private", "future", "libpython"}:
        assert ours.policy.generic
        assert ours.refusals
