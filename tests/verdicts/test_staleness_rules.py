"""Rules on what goes stale: uv against the releases that are known, images against the day."""

from __future__ import annotations

from datetime import date

from corpus.performance_tables import row
from pyassay.probes.staleness import IMAGES_AGE, UV_BINARIES
from pyassay.verdicts.staleness import image_ages, uv_lag

ON = date(2026, 11, 21)


def test_a_uv_that_lags_is_counted_branch_by_branch() -> None:
    rows = [
        row(UV_BINARIES, path="/uv", version="0.7.0", branch=branch, newest=newest)
        for branch, newest in (("3.12", "3.12.10"), ("3.8", "3.8.20"), ("", ""), ("3.13", "no version"))
    ]
    found = uv_lag({"uv_binaries": UV_BINARIES.frame(rows)}, ON)
    assert found["branch"].tolist() == ["3.12"], (
        "ended branches get no fixes, and what is no version no verdict"
    )
    assert found["behind"].item() >= 1
    assert found["released"].item() > "3.12.10"


def test_images_age() -> None:
    rows = [
        row(IMAGES_AGE, image="a", created="2026-11-11", packages_day="2026-08-01", packages=9),
        row(IMAGES_AGE, image="a", created="2026-11-11", packages_day="2026-08-01", packages=9),
        row(IMAGES_AGE, image="b", created="", packages_day="", packages=None),
    ]
    found = image_ages({"images_age": IMAGES_AGE.frame(rows)}, ON)
    assert found["age_days"].tolist()[0] == 10
    assert found["packages_age_days"].tolist()[0] == 112
    assert found["age_days"].isna().tolist() == [False, True]
