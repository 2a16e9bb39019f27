"""Rules on what goes stale: a uv that does not know the newest Pythons, an image that nobody builds anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from pyassay.verdicts.branches import patch_level

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["image_ages", "uv_lag"]


def uv_lag(tables: Mapping[str, pd.DataFrame], on: date) -> pd.DataFrame:
    """Hold what each uv can install against what is known to be released.

    Returns
    -------
    DataFrame
        One row per uv and branch that still gets fixes: ``path``, ``version`` (of uv), ``branch``, ``knows``
        (newest release that it can install), ``released`` (newest that the tables know), ``behind`` (how many
        releases lie between; missing: not known).
    """
    import pandas as pd

    rows = []
    for row in tables["uv_binaries"].to_dict("records"):
        if not row["newest"]:
            continue
        level = patch_level(str(row["newest"]), on)
        if level.phase in ("bugfix", "security"):
            rows.append(
                {
                    "path": row["path"],
                    "version": row["version"],
                    "branch": row["branch"],
                    "knows": row["newest"],
                    "released": level.newest,
                    "behind": level.behind,
                }
            )
    columns = ["path", "version", "branch", "knows", "released", "behind"]
    return pd.DataFrame(rows, columns=columns).astype({"behind": "Int64"})


def image_ages(tables: Mapping[str, pd.DataFrame], on: date) -> pd.DataFrame:
    """Return the ages of images on a day.

    Returns
    -------
    DataFrame
        One row per image: ``image``, ``created``, ``age_days``, ``packages_day``, ``packages_age_days`` (days
        since dpkg last changed anything in it; missing: not known), ``packages``.
    """
    import pandas as pd

    found = tables["images_age"].drop_duplicates("image")
    rows = [
        {
            "image": row["image"],
            "created": row["created"],
            "age_days": _days(str(row["created"]), on),
            "packages_day": row["packages_day"],
            "packages_age_days": _days(str(row["packages_day"]), on),
            "packages": row["packages"],
        }
        for row in found.to_dict("records")
    ]
    columns = ["image", "created", "age_days", "packages_day", "packages_age_days", "packages"]
    return pd.DataFrame(rows, columns=columns).astype(
        {"age_days": "Int64", "packages_age_days": "Int64", "packages": "Int64"}
    )


def _days(day: str, on: date) -> int | None:
    try:
        return (on - date.fromisoformat(day)).days
    except ValueError:
        return None
