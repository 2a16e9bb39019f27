from __future__ import annotations

from datetime import date

import pytest
from pyassay.verdicts.branches import branch_status, later_fixes, patch_level

ON = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("branch", "day", "phase"),
    [
        ("3.12", ON, "security"),
        ("3.13", date(2026, 10, 6), "bugfix"),
        ("3.13", date(2026, 10, 7), "security"),
        ("3.10", date(2026, 9, 30), "security"),
        ("3.10", date(2026, 10, 1), "ended"),
        ("3.16", ON, "feature"),
        ("3.9", ON, "ended"),
        ("2.7", ON, "ended"),
        ("9.9", ON, "unknown"),
    ],
)
def test_the_phase_of_a_branch_on_a_day(branch: str, day: date, phase: str) -> None:
    assert branch_status(branch, day) == phase


def test_behind_the_newest_of_the_branch() -> None:
    level = patch_level("3.12.10", ON)
    assert (level.newest, level.behind, level.phase) == ("3.12.16", 6, "security")
    assert level.end_of_life == "2028-10-01"
    assert level.days_to_end == 680
    # 3.12.11 came on 2025-06-03.
    assert level.behind_days == (ON - date(2025, 6, 3)).days
    assert not level.limits


def test_the_newest_is_not_behind_and_the_future_does_not_count() -> None:
    newest = patch_level("3.14.10", ON)
    assert (newest.behind, newest.behind_days, newest.newest_date) == (0, None, "2026-10-25")
    earlier = patch_level("3.14.3", date(2026, 2, 3))
    assert (earlier.newest, earlier.behind) == ("3.14.3", 0)
    assert patch_level("3.14.3", date(2026, 4, 7)).newest == "3.14.4"


def test_a_pre_release_is_behind_the_release() -> None:
    assert patch_level("3.15.0rc2", ON).behind == 3
    assert patch_level("3.16.0a1", ON).phase == "feature"


def test_what_is_not_known_is_said() -> None:
    assert patch_level("3.12.99", ON).limits == ("the table cpython_releases does not know 3.12.99",)
    assert patch_level("", ON).limits == ("no version",)
    assert patch_level("9.9.1", ON).phase == "unknown"
    stale = patch_level("3.12.10", date(2027, 6, 1))
    assert any("cpython_releases is of 2026-11-21" in limit for limit in stale.limits)
    assert patch_level("3.11.2+", ON).behind == patch_level("3.11.2", ON).behind == 16


def test_fixes_that_came_later_on_the_branch() -> None:
    later = later_fixes("3.13.12")
    assert set(later["branch"]) == {"3.13"}
    assert later["version"].iloc[0] == "3.13.13"
    assert later["version"].iloc[-1] == "3.13.18"
    assert "3.13.12" not in set(later["version"])
    # Under Library as well as under Security; one issue counts once.
    assert set(later["section"]) == {"Security", "Library"}
    assert later["issue"].nunique() < len(later)
    assert later_fixes("3.13.18").empty
    assert later_fixes("nonsense").empty
