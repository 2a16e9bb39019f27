"""pyvenv.cfg, selectors and the display of paths: any input."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyassay.subjects import SelectorError, display_path, find
from pyassay.subjects.environments import environment_of, parse_pyvenv_cfg, read_environment
from pyassay.subjects.locations import is_python_name
from pyassay.subjects.naming import version_key
from pyassay.subjects.selectors import _parse


@given(st.text(max_size=2000))
def test_any_pyvenv_cfg_is_read(text):
    settings = parse_pyvenv_cfg(text)
    for key, value in settings.items():
        assert key == key.strip().lower()
        assert key
        assert "\n" not in key + value


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z-]{0,20}", fullmatch=True),
        st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True),
        max_size=10,
    )
)
def test_settings_come_back(settings):
    text = "".join(f" {key.upper()}  =  {value}\r\n" for key, value in settings.items())
    assert parse_pyvenv_cfg("no setting\n" + text) == settings


def test_first_of_two_homes_counts():
    assert parse_pyvenv_cfg("home = /a\nHOME = /b\nkey = a = b") == {"home": "/a", "key": "a = b"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"home",
        b"home = ",
        b"home = relative/bin",
        b"home = /\0/bin",
        b"\xff\xfe = \xff",
        b"home = " + b"/a" * 40_000,
        b"executable = /etc/passwd",
        b"executable = /dev/zero",
        b"home = /nonexistent\nversion = 3.\x1b[31m",
    ],
)
def test_hostile_environment_is_one_line(tmp_path, content):
    (tmp_path / "pyvenv.cfg").write_bytes(content)
    environment = read_environment(tmp_path)
    assert environment.base is None
    assert environment.error
    assert environment.error.isprintable()
    assert len(environment.error) < 500 + len(str(tmp_path))
    assert environment.version in {"", "3"}


def test_pyvenv_cfg_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pyvenv.cfg")
    (tmp_path / "bin").mkdir()
    assert environment_of(tmp_path / "bin" / "python") is None


@given(st.text(max_size=300))
def test_any_text_is_a_selector_or_a_one_line_error(text):
    refusal = ""
    try:
        _parse(text)
    except SelectorError as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert len(refusal) < 3000


@given(st.text(max_size=60).filter(lambda text: "/" not in text and not any(c in text for c in "*?[.~\0")))
def test_what_names_nothing_is_refused_by_name(text):
    try:
        wanted = _parse(text)
    except SelectorError:
        return
    assert wanted.shown.isprintable()


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("podman:debian:trixie", "podman:debian:trixie: podman: selectors are not supported yet"),
        ("uvv:3.12", "uvv is no builder; nearest: uv"),
        ("pyenv:99.9", "pyenv:99.9: no interpreter found"),
        ("99.9", "99.9: no interpreter found"),
        ("python99.9", "python99.9: no interpreter found"),
        ("/nonexistent/python3", "/nonexistent/python3: no such file or folder"),
        ("/nonexistent/*", "/nonexistent/*: matches no file"),
        ("/dev/null", "/dev/null: neither a file nor a folder"),
        ("venv:/usr", "venv:/usr: no virtual environment"),
        ("", "an empty text: not a selector"),
        ("a\nb", "a\\nb: no interpreter found"),
        ("x" * 5000, "not a selector"),
        ("/etc/passwd/*", "matches no file"),
    ],
)
def test_refusals(selector, said):
    with pytest.raises(SelectorError) as caught:
        find(selector)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_suggestion_is_the_nearest(base_python):
    [own] = find(base_python)
    with pytest.raises(SelectorError, match="nearest: ") as caught:
        find(own.id[:-1] + "%")
    assert own.id in str(caught.value)


def test_every_way_to_name_one(base_python, monkeypatch, tmp_path):
    [own] = find(base_python)
    builder = own.provenance.installer or own.provenance.builder
    series = f"python{own.version.rpartition('.')[0]}"
    for name in ("python3", series):
        (tmp_path / name).symlink_to(base_python)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for selector in (
        own.id,
        own.label,
        f"{builder}:{own.version}",
        f"{builder}:",
        own.version,
        own.version.rpartition(".")[0],
        series,
        "python3",
        f"path:{base_python}",
        str(base_python.parent),
        str(base_python.parent.parent),
        f"{base_python.parent}/pytho*",
    ):
        found = find(selector)
        assert any(one.executable == base_python for one in found), selector
        assert all(one.environment is None for one in found)
    assert [one.executable for one in find("python3")] == [base_python]


def test_version_is_matched_by_its_numbers(base_python):
    [own] = find(base_python)
    for one in find(own.version):
        assert one.version == own.version or one.version.startswith(own.version + ".")


def test_selectors_together_give_each_once(base_python):
    own = find(base_python)
    again = find(base_python, str(base_python), own[0].id)
    assert [one.id for one in again] == [own[0].id]
    assert set(own[0].aliases) <= set(again[0].aliases)


def test_relative_paths_and_home(monkeypatch, base_python, tmp_path):
    (tmp_path / "here").symlink_to(base_python.parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for selector in (
        "here",
        "./here",
        f"here/{base_python.name}",
        f"~/here/{base_python.name}",
        f"here/../{base_python.parent.name}/{base_python.name}",
    ):
        assert base_python in {one.executable for one in find(selector)}, selector


@pytest.mark.parametrize(
    "name",
    [
        "python",
        "python3",
        "python3.12",
        "python3.13t",
        "python2.7",
        "python3.6m",
        "python3.9d",
        "pypy3",
        "pypy3.10",
        "pypy3-c",
        "graalpy",
        "python3-dbg",
        "platform-python3.6",
    ],
)
def test_names_of_interpreters(name):
    assert is_python_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "python3-config",
        "python3.12-gdb.py",
        "pythonw.exe",
        "ipython",
        "bpython",
        "python-",
        "python3.",
        "pythonic",
        "python3.12.tar.gz",
        "python-argcomplete-tcsh",
    ],
)
def test_other_names(name):
    assert not is_python_name(name)


@given(st.binary(min_size=1, max_size=60).filter(lambda data: b"\0" not in data))
def test_any_path_is_shown_on_one_line(data):
    shown = display_path(Path(os.fsdecode(b"/" + data)))
    assert shown.isprintable()
    shown.encode("utf-8")


def test_home_is_a_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert display_path("/home/me/x") == "~/x"
    assert display_path("/home/me") == "~"
    assert display_path("/home/mey/x") == "/home/mey/x"
    monkeypatch.setenv("HOME", "/")
    assert display_path("/etc") == "/etc"


def test_order_of_versions():
    ordered = ["2.7.18", "3.9.18", "3.10.2", "3.12", "3.15.0a1", "3.15.0rc2", "3.15.0", "", "?"]
    assert sorted(set(ordered), key=version_key) == ordered
