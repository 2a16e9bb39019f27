from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from pyassay.reference import distributions
from pyassay.resources import share
from pyassay.verdicts.model import Level
from pyassay.verdicts.policy import Policy, PolicyError, PortabilityPolicy


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_the_shipped_policy_names_releases_that_exist() -> None:
    policy = Policy.load()
    table = distributions()
    assert policy.portability.must_run_on
    assert set(policy.portability.must_run_on) <= set(table["distro"] + ":" + table["version"])


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    policy = Policy.load(
        written(
            tmp_path,
            'name = "mine"\n[portability]\nmust_run_on = ["debian:11"]\nexecutable_stack = "caution"\n',
        )
    )
    assert policy.name == "mine"
    assert policy.portability.must_run_on == ("debian:11",)
    assert policy.portability.executable_stack is Level.CAUTION
    assert policy.portability.text_relocations is Level.CAUTION


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[portability]\nmust_run_om = []\n", "did you mean must_run_on"),
        ("[portabilty]\n", "did you mean portability"),
        ("[portability]\nmust_run_on = 3\n", "must_run_on is no list"),
        ("[portability]\nmust_run_on = [3]\n", "must_run_on is no list"),
        ('[portability]\nisa_max = "x86-64-v9"\n', "isa_max is 'x86-64-v9'"),
        ('[portability]\nmust_run_on = ["debain:12"]\n', "no 'debain:12'; did you mean debian:12"),
        (
            '[portability]\nmay_refuse = ["debian"]\n',
            "may_refuse: the table of distributions has no 'debian'",
        ),
        ('[portability]\nignore_families = ["openSuse"]\n', "did you mean openSUSE"),
        ('[portability]\nextended_support = "yes"\n', "extended_support is 'yes'"),
        ("name = 3\n", "name is no text"),
        ('[portability]\nexecutable_stack = "terrible"\n', "executable_stack is 'terrible'"),
        ("portability = 3\n", "portability is no section"),
        ("[", "not TOML"),
    ],
)
def test_a_mistake_is_one_line_with_the_way_out(tmp_path: Path, text: str, wanted: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PolicyError, match=wanted) as caught:
        Policy.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_policy_is_named() -> None:
    with pytest.raises(PolicyError, match="nosuch"):
        Policy.load("nosuch")
    with pytest.raises(PolicyError, match=r"/nonexistent/policy\.toml"):
        Policy.load("/nonexistent/policy.toml")


def test_the_shipped_policy_states_every_key_with_its_default() -> None:
    text = share("data", "policies", "default.toml").read_text(encoding="utf-8")
    for key in fields(PortabilityPolicy):
        assert f"\n{key.name} = " in text
    shipped, built_in = Policy.load().portability, PortabilityPolicy()
    assert replace(shipped, must_run_on=()) == built_in


def test_a_name_that_is_none_lists_those_there_are() -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.load("nosuch")
    shipped = ", ".join(sorted(path.stem for path in share("data", "policies").glob("*.toml")))
    assert str(caught.value) == f"nosuch: no such policy; there are: {shipped}, and the path of any file"
    with pytest.raises(PolicyError, match="did you mean default"):
        Policy.load("defualt")
    with pytest.raises(PolicyError, match="no such policy"):
        Policy.load("../policies/default")
