"""Who built it, and how that is known: the marks of each builder, and databases of packages."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from pyassay.subjects import find
from pyassay.subjects.identity import Identity, guest_script
from pyassay.subjects.model import Confidence
from pyassay.subjects.packages import Distribution, Owner, distribution, owners
from pyassay.subjects.provenance import BUILDERS, INSTALLERS, Facts, provenance_of

DEBIAN = Distribution("debian", "Debian GNU/Linux", "12")
PBS = "'--prefix=/install' '--with-openssl=/tools/deps' '--enable-optimizations' '--with-lto'"


def facts(
    executable: str,
    *,
    prefix: str | None = None,
    owner: Owner | None = None,
    implementation: str = "cpython",
    compiler: str = "GCC 12.2.0",
    system: Distribution = DEBIAN,
    **variables: str,
) -> Facts:
    path = Path(executable)
    identity = Identity(
        version="3.12.4",
        version_line="3.12.4 (main)",
        implementation=implementation,
        implementation_version="3.12.4",
        abi_flags="",
        machine="x86_64",
        bits=64,
        libc="glibc 2.36",
        compiler=compiler,
        build_name="main",
        build_date="",
        executable=path,
        prefix=None,
        exec_prefix=None,
        base_prefix=None,
        variables=variables,
    )
    return Facts(path, Path(prefix) if prefix else path.parent.parent, identity, owner, system)


def dpkg(package: str, version: str = "3.12.4-1", maintainer: str = "") -> Owner:
    return Owner("dpkg", package, version, maintainer)


@pytest.mark.parametrize(
    ("seen", "builder", "installer", "certain"),
    [
        (facts("/x/python/bin/python3.12", CONFIG_ARGS=PBS), "python-build-standalone", "", False),
        (facts("/x/bin/python3", PYTHON_BUILD_STANDALONE="1"), "python-build-standalone", "", True),
        (
            facts("/h/.local/share/uv/python/cpython-3.12.4-linux/bin/python3.12", CONFIG_ARGS=PBS),
            "python-build-standalone",
            "uv",
            True,
        ),
        (
            facts("/h/.rye/py/cpython@3.12.4/bin/python3", CONFIG_ARGS=PBS),
            "python-build-standalone",
            "rye",
            False,
        ),
        (
            facts("/srv/sdk/platform/bundledpythonunix/bin/python3.12", CONFIG_ARGS=PBS),
            "python-build-standalone",
            "google-cloud-sdk",
            False,
        ),
        (facts("/nix/store/abc-python3-3.12.4/bin/python3.12", CONFIG_ARGS="x"), "nix", "", True),
        (facts("/gnu/store/abc-python-3.12/bin/python3.12"), "guix", "", True),
        (facts("/home/linuxbrew/.linuxbrew/Cellar/python@3.12/3.12.4/bin/python3.12"), "homebrew", "", False),
        (facts("/opt/_internal/cpython-3.12.4/bin/python3.12"), "manylinux-image", "", True),
        (facts("/opt/hostedtoolcache/Python/3.12.4/x64/bin/python3.12"), "actions-python", "", False),
        (
            facts("/h/.pyenv/versions/3.12.4/bin/python3.12", abs_srcdir="/tmp/python-build.1/Python-3.12.4"),
            "pyenv",
            "",
            True,
        ),
        (facts("/h/.pyenv/versions/mine/bin/python3.12"), "pyenv", "", False),
        (facts("/h/.pyenv/versions/pypy3.10/bin/pypy3", implementation="pypy"), "pypy", "pyenv", False),
        (facts("/h/.asdf/installs/python/3.12.4/bin/python3.12", abs_srcdir="/x"), "asdf", "", False),
        (facts("/opt/pypy/bin/pypy3", implementation="pypy"), "pypy", "", False),
        (facts("/opt/graalpy/bin/graalpy", implementation="graalpy"), "graalpy", "", False),
        (facts("/usr/bin/python3.12", owner=dpkg("python3.12-minimal")), "debian", "", True),
        (facts("/usr/bin/pypy3", implementation="pypy", owner=dpkg("pypy3")), "debian", "", True),
        (
            facts(
                "/usr/bin/python3.12",
                owner=dpkg("python3.12-minimal"),
                system=Distribution("ubuntu", "Ubuntu", "24.04", ("debian",)),
            ),
            "ubuntu",
            "",
            True,
        ),
        (
            facts("/usr/bin/python3.12", owner=dpkg("python3.12-minimal", "3.12.4-1+jammy1")),
            "deadsnakes",
            "",
            False,
        ),
        (facts("/opt/vendor/bin/python3.12", owner=dpkg("vendor-python")), "package", "", False),
        (facts("/opt/vendor/bin/python3.12", owner=dpkg("python3.12-vendor")), "package", "", False),
        (
            facts("/usr/local/bin/python3.12", abs_srcdir="/usr/src/python", CONFIG_ARGS="x"),
            "docker-official",
            "",
            False,
        ),
        (facts("/usr/local/bin/python3.12", abs_srcdir="/root/Python", CONFIG_ARGS="x"), "source", "", False),
        (facts("/usr/local/bin/python3.12"), "unknown", "", None),
    ],
    ids=lambda value: "-".join(value.executable.parts[-3::2]) if isinstance(value, Facts) else "",
)
def test_marks_of_each_builder(seen, builder, installer, certain, monkeypatch):
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "PYTHON_VERSION"):
        monkeypatch.delenv(name, raising=False)
    told = provenance_of(seen)
    assert (told.builder, told.installer) == (builder, installer)
    expected = {True: Confidence.CERTAIN, False: Confidence.LIKELY, None: Confidence.UNKNOWN}[certain]
    assert told.confidence is expected
    assert builder in BUILDERS
    assert installer in {"", *INSTALLERS}
    if certain is not None:
        assert told.clues
    for clue in told.clues:
        assert clue.endswith(".")
        assert clue.isprintable()


def test_recipe_without_its_optimisations_is_told_as_a_clue():
    plain = "'--prefix=/install' '--with-openssl=/tools/deps'"
    told = provenance_of(facts("/x/bin/python3.12", CONFIG_ARGS=plain, compiler="Clang 20.1.0"))
    assert told.builder == "python-build-standalone"
    assert told.confidence is Confidence.LIKELY
    assert any("neither --enable-optimizations (PGO) nor --with-lto" in clue for clue in told.clues)
    assert any("Clang 20.1.0" in clue for clue in told.clues)
    optimised = provenance_of(facts("/x/bin/python3.12", CONFIG_ARGS=PBS))
    assert not any("neither" in clue for clue in optimised.clues)


def test_release_named_by_the_build_file(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "BUILD").write_text("20250723\n")
    told = provenance_of(facts(str(tmp_path / "bin" / "python3.12"), CONFIG_ARGS=PBS))
    assert told.confidence is Confidence.CERTAIN
    assert any("20250723" in clue for clue in told.clues)
    (tmp_path / "BUILD").unlink()
    os.mkfifo(tmp_path / "BUILD")
    assert (
        provenance_of(facts(str(tmp_path / "bin" / "python3.12"), CONFIG_ARGS=PBS)).confidence
        is Confidence.LIKELY
    )


@pytest.mark.parametrize(
    ("channel", "builder"),
    [
        ("conda-forge/linux-64", "conda-forge"),
        ("pkgs/main/linux-64", "anaconda"),
        ("my-company", "conda"),
        (None, "conda"),
    ],
)
def test_conda_names_itself(tmp_path, channel, builder):
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "python-abi-1.json").write_text("{ broken")
    (tmp_path / "conda-meta" / "python-3.12.4-h1.json").write_text(
        json.dumps({"name": "python", "version": "3.12.4", "build": "h1", "channel": channel})
    )
    told = provenance_of(facts(str(tmp_path / "bin" / "python3.12")))
    assert (told.builder, told.confidence) == (builder, Confidence.CERTAIN)
    assert "python 3.12.4, build h1" in told.clues[0]


def test_docker_official_is_certain_in_its_own_environment(monkeypatch):
    monkeypatch.setenv("PYTHON_VERSION", "3.12.4")
    monkeypatch.setenv("PYTHON_SHA256", "0" * 64)
    seen = facts("/usr/local/bin/python3.12", abs_srcdir="/usr/src/python", CONFIG_ARGS="x")
    assert provenance_of(seen).confidence is Confidence.CERTAIN


def test_one_that_cannot_be_asked_is_known_by_its_place():
    path = Path("/h/.local/share/uv/python/cpython-3.12.4-linux-x86_64-gnu/bin/python3.12")
    told = provenance_of(Facts(path, None, None, None, DEBIAN))
    assert (told.builder, told.installer) == ("python-build-standalone", "uv")


@pytest.fixture
def standalone_tree() -> Path:
    """Return the tree of a relocatable python-build-standalone build, where this machine has one."""
    for one in find():
        if one.provenance.builder == "python-build-standalone" and one.error is None and one.prefix:
            return one.prefix
    pytest.skip("no python-build-standalone tree on this machine")


@pytest.mark.parametrize("configured", ["UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME", None])
def test_uv_managed_build_is_found_without_uv(home, standalone_tree, monkeypatch, configured):
    managed = {
        "UV_PYTHON_INSTALL_DIR": home / "pythons",
        "XDG_DATA_HOME": home / "data" / "uv" / "python",
        None: home / ".local" / "share" / "uv" / "python",
    }[configured]
    if configured:
        monkeypatch.setenv(configured, str(home / ("pythons" if "UV" in configured else "data")))
    tree = managed / "cpython-3.12.99-linux-x86_64-gnu"
    (tree / "bin").mkdir(parents=True)
    for source in (standalone_tree / "bin").glob("python*"):
        if not source.name.endswith("-config"):
            shutil.copy(source, tree / "bin" / source.name, follow_symlinks=False)
    (tree / "lib").symlink_to(standalone_tree / "lib")
    (managed / "cpython-3.12-linux-x86_64-gnu").symlink_to(tree)
    (managed / ".temp").mkdir()
    [one] = [one for one in find() if one.executable.is_relative_to(tree)]
    assert one.error is None
    assert (one.provenance.builder, one.provenance.installer) == ("python-build-standalone", "uv")
    assert one.label.endswith(" uv")
    assert one.id.endswith("-uv")
    assert [found.executable for found in find("uv:")] == [one.executable]


# --- databases of packages --------------------------------------------------------------------------------


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_dpkg_owner_under_either_name_of_a_merged_usr(tmp_path):
    info = tmp_path / "var/lib/dpkg/info"
    written(info / "python3-minimal:amd64.list", "/.\n/bin\n/bin/python3.11\n")
    written(info / "other.list", "/usr/bin/python3.11-config\n/usr/bin/python3.1\n")
    written(
        tmp_path / "var/lib/dpkg/status",
        "Package: other\nVersion: 9\n\nPackage: python3-minimal\nStatus: install ok installed\n"
        "Maintainer: Some One <one@example.org>\nVersion: 3.11.2-6\nDescription: x\n Version: 8\n",
    )
    file = Path("/usr/bin/python3.11")
    assert owners([file, Path("/opt/x")], tmp_path) == {
        file: Owner("dpkg", "python3-minimal", "3.11.2-6", "Some One <one@example.org>")
    }


def test_apk_owner(tmp_path):
    written(
        tmp_path / "lib/apk/db/installed",
        "P:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl-x86_64.so.1\n\n"
        "P:python3\nV:3.12.3-r1\nm:A <a@example.org>\nF:usr/bin\nR:python3\nR:python3.12\n",
    )
    assert owners([Path("/usr/bin/python3.12")], tmp_path) == {
        Path("/usr/bin/python3.12"): Owner("apk", "python3", "3.12.3-r1", "A <a@example.org>")
    }


def test_pacman_owner(tmp_path):
    written(
        tmp_path / "var/lib/pacman/local/python-3.12.4-1/files", "%FILES%\nusr/bin/\nusr/bin/python3.12\n"
    )
    assert owners([Path("/usr/bin/python3.12")], tmp_path) == {
        Path("/usr/bin/python3.12"): Owner("pacman", "python", "3.12.4-1")
    }


def test_damaged_databases_own_nothing(tmp_path):
    (tmp_path / "var/lib/dpkg/info/x.list").mkdir(parents=True)
    (tmp_path / "lib/apk/db").mkdir(parents=True)
    (tmp_path / "lib/apk/db/installed").write_bytes(b"\xff\n:\nR:\nF:\n" + os.urandom(1000))
    assert owners([Path("/usr/bin/python3"), Path("/a\nb")], tmp_path) == {}


def test_distribution(tmp_path):
    written(
        tmp_path / "etc/os-release", 'NAME=\'X \x1b[31m\'\nID=x\nVERSION_ID="1.2"\nID_LIKE="a b"\nnoise\n'
    )
    assert distribution(tmp_path) == Distribution("x", "X \\x1b[31m", "1.2", ("a", "b"))
    assert distribution(tmp_path / "nowhere") == Distribution("", "", "")


# --- the script that runs inside ---------------------------------------------------------------------------


def test_guest_script_is_plain_ascii_for_old_interpreters():
    guest_script("identity").decode("ascii")
    assert b'f"' not in guest_script("identity")


def test_every_interpreter_here_answers_in_full():
    asked = [one for one in find() if one.error is None]
    assert asked
    for one in asked:
        assert one.stdlib is not None, one.id
        assert one.stdlib.is_dir()
        assert one.prefix is not None
        assert one.libc_version, one.id
        assert one.compiler, one.id
        assert one.build_date, one.id
        assert one.site_folders, one.id
        assert all(folder.is_dir() for folder in (*one.site_folders, *one.library_folders))
