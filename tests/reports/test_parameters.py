"""Parameters: typed, bounded, and the notebook agrees with its sidecar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from pyassay.reports.parameters import Parameter, ParameterError, Parameters, assignments

SIDECAR = """
[python]
type = "str"
default = "3.12"
description = "A version."
[count]
type = "int"
default = 3
minimum = 1
maximum = 10
[ratio]
type = "float"
default = 1
[fast]
type = "bool"
default = false
[where]
type = "path"
default = ""
[images]
type = "list[str]"
default = []
choices = ["debian:11", "debian:12"]
[since]
type = "date"
default = "2026-01-01"
minimum = "2020-01-01"
"""


@pytest.fixture
def parameters(tmp_path: Path) -> Parameters:
    (tmp_path / "n.toml").write_text(SIDECAR)
    return Parameters.load(tmp_path / "n.ipynb")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("python", "3.10", "3.10"),
        ("python", "1e5", "1e5"),
        ("python", "", ""),
        ("python", "true", "true"),
        ("python", "'; import os", "'; import os"),
        ("count", "10", 10),
        ("ratio", "2", 2.0),
        ("fast", "Yes", True),
        ("fast", "0", False),
        ("where", "/tmp/a b", "/tmp/a b"),
        ("images", "debian:11, debian:12", ["debian:11", "debian:12"]),
        ("images", "", []),
        ("since", "2026-11-21", "2026-11-21"),
    ],
)
def test_text_becomes_what_is_declared(parameters: Parameters, name: str, text: str, value: Any) -> None:
    found = parameters.parse({name: text})[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("count", "3.5", "count=3.5: must be a whole number"),
        ("count", "0", "count=0: less than 1"),
        ("count", "11", "count=11: more than 10"),
        ("ratio", "nan", "ratio=nan: must be a number"),
        ("ratio", "x", "ratio=x: must be a number"),
        ("fast", "maybe", "fast=maybe: must be true or false"),
        ("images", "debian:11,ubuntu", "not one of debian:11, debian:12"),
        ("since", "21.11.2026", "since=21.11.2026: must be a date such as 2026-11-21"),
        ("since", "2019-12-31", "since=2019-12-31: less than 2020-01-01"),
        ("pyhton", "3.10", "pyhton: no parameter of n; did you mean python?"),
        ("zzz", "1", "zzz: no parameter of n; there are: python, count"),
        ("where", "a\0b", "must be a path"),
        ("python", "a\0b", "must be text"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    parameters: Parameters, name: str, text: str, message: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        parameters.parse({name: text})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_values_of_a_program_are_checked_too(parameters: Parameters) -> None:
    assert parameters.check({"where": Path("/x"), "images": ("debian:11",)}) == {
        "where": "/x",
        "images": ["debian:11"],
    }
    for wrong in ({"count": True}, {"count": "3"}, {"python": 3.1}, {"images": "debian:11"}, {"fast": 1}):
        with pytest.raises(ParameterError):
            parameters.check(wrong)


def test_words_are_split_at_the_first_equals_sign() -> None:
    assert assignments(["a=b=c", "b="]) == {"a": "b=c", "b": ""}
    for wrong in (["a"], ["=1"], ["a=1", "a=2"], ["a b=1"]):
        with pytest.raises(ParameterError):
            assignments(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\ntype='text'\ndefault=''", "type must be one of"),
        ("[a]\ntype='str'", "has no default"),
        ("[a]\ntype='int'\ndefault='1'", "must be a whole number"),
        ("[a]\ntype='int'\ndefault=1\nmin=0", "min: no such key"),
        ("[a]\ntype='int'\ndefault=1\nminimum=2", "less than 2"),
        ("[a]\ntype='str'\ndefault='c'\nchoices=['a']", "not one of a"),
        ("a = 1", "must be a section"),
        ("[a", "not TOML"),
        ("['a b']\ntype='str'\ndefault=''", "must be a section"),
    ],
)
def test_a_damaged_sidecar_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "n.toml").write_text(text)
    with pytest.raises(ParameterError, match=message) as caught:
        Parameters.load(tmp_path / "n.ipynb")
    assert str(tmp_path / "n.toml") in str(caught.value)


def _cell(source: str, tags: tuple[str, ...] = ("parameters",)) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell(source, metadata={"tags": list(tags)})])


def test_agreement_of_notebook_and_sidecar() -> None:
    declared = {
        "a": Parameter("a", "str", "x"),
        "b": Parameter("b", "list[str]", []),
        "c": Parameter("c", "float", 1.0),
        "d": Parameter("d", "path", ""),
    }
    known = Parameters("n", declared)
    good = 'a: str = "x"  # a\nb: list[str] = []\nc: float = 1.0\nd: str = ""'
    assert known.disagreements(_cell(good)) == []
    assert known.disagreements(_cell(good.replace("list[str]", "list"))) == []
    for wrong, message in [
        (good.replace('"x"', '"y"'), "a: 'y' in the parameters cell, 'x' declared"),
        (good.replace("c: float = 1.0", "c: float = 1"), "c: 1 in the parameters cell"),
        (good.replace("a: str", "a: int"), "a: annotated int, declared str"),
        (good + "\ne = 1", "e: in the parameters cell, but not declared"),
        (good.replace('a: str = "x"', ""), "a: declared, but not in the parameters cell"),
        (good + "\nimport os", "more than names and literals"),
        (good + "\nf = print(1)", "more than names and literals"),
    ]:
        assert message in "\n".join(known.disagreements(_cell(wrong))), wrong
    assert "0 cells have the tag" in known.disagreements(_cell(good, ()))[0]


def test_the_shipped_notebooks_agree_with_their_sidecars() -> None:
    from pyassay.resources import share

    for path in sorted(share("notebooks").glob("*.ipynb")):
        assert Parameters.load(path).disagreements(nbformat.read(path, as_version=4)) == []


def test_help_names_every_parameter(parameters: Parameters) -> None:
    lines = parameters.help().splitlines()
    assert len(lines) == len(parameters.declared)
    assert "python: A version. (str; default '3.12')" in lines
    assert any("at least 1; at most 10" in line for line in lines)
