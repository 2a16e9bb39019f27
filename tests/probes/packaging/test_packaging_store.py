import os
import zipfile

import pytest
from corpus.hand_packed import BAD, GOOD, candidate, script
from pyassay.packagers.model import BuildError
from pyassay.probes.packaging.repeats import EPOCH, first_difference, repeat_rows
from pyassay.probes.packaging.store import Store, digest_of, digest_of_path


def test_a_result_is_measured_once(tmp_path):
    asked = []

    def measure():
        asked.append(1)
        return [{"a": 1}]

    for _ in range(2):
        assert Store(tmp_path).rows("runs", ("x", 1), measure) == [{"a": 1}]
    assert len(asked) == 1
    Store(tmp_path).rows("runs", ("x", 2), measure)
    Store(tmp_path).rows("contents", ("x", 1), measure)
    Store(tmp_path, anew=True).rows("runs", ("x", 1), measure)
    assert len(asked) == 4


def test_damaged_results_are_measured_again(tmp_path):
    store = Store(tmp_path)
    store.put("runs", ("x",), [{"a": 1}])
    (file,) = tmp_path.rglob("*.json")
    for text in ("", "[", "{}", "[1]"):
        file.write_text(text)
        assert store.get("runs", ("x",)) is None


def test_parts_do_not_run_into_each_other():
    assert digest_of("ab", "c") != digest_of("a", "bc")


def test_the_digest_of_a_folder_sees_names_bytes_modes_and_links(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    program = script(folder, GOOD)
    seen = {digest_of_path(folder)}
    program.write_text(BAD)
    seen.add(digest_of_path(folder))
    program.chmod(0o644)
    seen.add(digest_of_path(folder))
    (folder / "link").symlink_to("program")
    seen.add(digest_of_path(folder))
    (folder / "link").unlink()
    (folder / "link").symlink_to("elsewhere")
    seen.add(digest_of_path(folder))
    program.rename(folder / "other")
    seen.add(digest_of_path(folder))
    assert len(seen) == 6
    os.utime(folder / "other", (1, 1))
    assert digest_of_path(folder) in seen


def _zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return path


def test_the_first_difference_names_the_member(tmp_path):
    one = _zip(tmp_path / "one.zip", a="same", b="left")
    other = _zip(tmp_path / "other.zip", a="same", b="right")
    assert first_difference(one, other) == "b: bytes differ"
    third = _zip(tmp_path / "third.zip", a="same", c="x")
    assert first_difference(one, third) == "b: in one only"
    shifted = tmp_path / "shifted.zip"
    shifted.write_bytes(one.read_bytes() + b"\0")
    assert "byte" in first_difference(one, shifted) or "differ" in first_difference(one, shifted)


def test_repeats_are_compared_without_and_with_the_epoch(tmp_path):
    made = iter(range(100))

    def build(one, epoch, attempt):
        folder = tmp_path / str(next(made))
        folder.mkdir()
        # Without the epoch, the time of the build is in it.
        path = script(folder, GOOD if epoch else f"{GOOD}# {attempt}\n")
        return candidate(path).built

    one = candidate(build(None, None, 1).path)
    without, with_epoch = repeat_rows(one, build)
    assert (without["epoch_set"], without["same"]) == (False, False)
    assert without["first_difference"]
    assert (with_epoch["epoch_set"], with_epoch["same"], with_epoch["reason"]) == (True, True, "")
    assert EPOCH < 1_800_000_000


def test_a_second_build_that_fails_is_a_reason(tmp_path):
    def build(one, epoch, attempt):
        raise BuildError("the compiler has gone")

    one = candidate(script(tmp_path, GOOD))
    rows = repeat_rows(one, build)
    assert [row["same"] for row in rows] == [None, None]
    assert {row["reason"] for row in rows} == {"the compiler has gone"}
    with pytest.raises(BuildError):
        build(one, None, 2)
