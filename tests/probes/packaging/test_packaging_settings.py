from pathlib import Path

import pytest
from corpus.hand_packed import python
from pyassay.packagers.model import Form, InputKind
from pyassay.probes.packaging.pythons import chosen, takes, uses_the_targets_python
from pyassay.probes.packaging.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"packagers": ("pex", "zipapps")}, "zipapps"),
        ({"packagers": ()}, "no packager"),
        ({"profile": "fast"}, "fast"),
        ({"patient": "/no/such/folder"}, "/no/such/folder"),
        ({"inputs": ("raw", "cooked")}, "cooked"),
        ({"inputs": ()}, "no kind"),
        ({"start_minutes": -1}, "-1"),
        ({"build_timeout_s": 0}, "0"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(wrong, named):
    with pytest.raises(SettingsError, match=named) as caught:
        Settings(**wrong)
    assert "\n" not in str(caught.value)


def test_the_profile_chooses_the_patient():
    assert Settings(profile="quick").project_folder.name == "pure"
    assert Settings(profile="full").project_folder.name == "full"
    assert (Settings(profile="full").project_folder / "pyproject.toml").is_file()


def test_the_cache_is_the_users_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PYASSAY_CACHE", str(tmp_path / "here"))
    assert Settings().cache_folder == tmp_path / "here"
    assert Settings(cache=tmp_path).cache_folder == tmp_path


def test_a_relocatable_python_packs_first_and_the_distributions_own_second():
    standalone = python("python-build-standalone", "3.12.9")
    newer = python("pyenv", "3.14.0")
    debian = python("debian", "3.11.2")
    preview = python("python-build-standalone", "3.15.0rc1")
    assert chosen([newer, debian, standalone, preview], ()) == [standalone, debian]
    assert chosen([debian, newer], ()) == [newer, debian]
    assert chosen([debian], ()) == [debian]
    assert chosen([], ()) == []


def test_a_named_python_packs_and_another_name_is_refused():
    one, other = python("pyenv", "3.13.1"), python("debian", "3.11.2")
    assert chosen([one, other], [other.id]) == [other]
    with pytest.raises(SettingsError, match=r"nobody.*cpython-3\.13\.1-pyenv"):
        chosen([one], ["nobody"])


@pytest.mark.parametrize(
    "unfit",
    [{"version": "3.8.20"}, {"error": "hung"}, {"image": "debian:trixie"}, {"implementation": "pypy"},
     {"abi_flags": "t"}],
)  # fmt: skip
def test_what_cannot_pack_is_left_out(unfit):
    assert takes(python())
    assert not takes(python(**unfit))


def test_forms_that_leave_the_python_to_the_target():
    assert uses_the_targets_python(Form("pex-venv", "pex", "pex --venv"))
    assert not uses_the_targets_python(Form("pex-scie", "pex", "pex --scie"))
    assert not uses_the_targets_python(Form("by-hand", "by_hand", "by hand"))


def test_kinds_of_wheels_by_default():
    assert Settings().inputs == (InputKind.RAW, InputKind.REPAIRED, InputKind.OLDEST)
    assert Settings(patient=str(Path.cwd())).project_folder == Path.cwd()
