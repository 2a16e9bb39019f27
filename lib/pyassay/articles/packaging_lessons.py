"""The tables of the article on packaging: one function for each, from frames to something to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import pandas as pd

from pyassay import tables
from pyassay.articles.packaging_figures import INPUT_KINDS, short_name
from pyassay.articles.question import first_few, said
from pyassay.reference import load
from pyassay.verdicts.packaging_criteria import CRITERIA, Mark

__all__ = [
    "builds",
    "circumstances",
    "claims",
    "footprints",
    "foretold",
    "inputs",
    "inside",
    "old_toolchain",
    "outer_floors",
    "reach",
    "reproduce",
    "reproducible",
    "starts",
    "title",
    "tools",
    "wheel_tags",
    "wheels_decide",
    "without_manylinux",
]


def title(key: str) -> str:
    """Return what a reader calls a criterion, or a condition of a use."""
    return CRITERIA[key].title if key in CRITERIA else key


Named = Callable[[pd.DataFrame], pd.DataFrame]


def reach(marked: pd.DataFrame, built: pd.DataFrame) -> pd.DataFrame:
    """Return in how many environments each build ran: ``label``, ``kind``, ``ran``, ``tried``."""
    values = marked[(marked["criterion"] == "environments") & (marked["mark"] != Mark.NOT_MEASURED)]
    counted = dict(zip(values["subject_id"], values["value"], strict=True))
    rows = []
    for row in built.to_dict("records"):
        if text := counted.get(row["subject_id"]):
            ran, tried = str(text).split(" of ")
            rows.append(
                {"label": row["label"], "kind": row["inputs_kind"], "ran": int(ran), "tried": int(tried)}
            )
    frame = pd.DataFrame(rows, columns=["label", "kind", "ran", "tried"])
    # The same form for two Pythons: the better one.
    return (
        frame.sort_values("ran", kind="stable").drop_duplicates(["label", "kind"], keep="last").sort_index()
    )


def wheels_decide(counts: pd.DataFrame) -> str:
    """Return in a sentence what the wheels do; empty: no form was built from two kinds."""
    wide = counts.assign(share=counts["ran"] / counts["tried"]).pivot_table(
        index="label", columns="kind", values="share", sort=False
    )
    if not {"raw", "oldest"} <= set(wide.columns):
        return ""
    both = wide.dropna(subset=["raw", "oldest"])
    if not len(both):
        return ""
    return (
        f"The wheels decide more than the packager: the same {len(both)} forms ran in "
        f"{both['raw'].mean():.0%} of the environments with wheels of the build host, and in "
        f"{both['oldest'].mean():.0%} with wheels from the oldest base."
    )


def inputs(found: pd.DataFrame) -> tables.Shown:
    """Show the wheelhouses."""
    if not len(found):
        return said("No wheels were built.")
    frame = pd.DataFrame(
        {
            "wheels": [INPUT_KINDS.get(kind, kind) for kind in found["kind"]],
            "Python": found["python"],
            "built in": found["built_in"],
            "status": found["status"].where(found["reason"] == "", found["status"] + ": " + found["reason"]),
            "files": found["wheels"].map(len),
            "size": found["size_bytes"].astype(float) / 1e6,
            "glibc floor": found["glibc_floor"],
            "set by": found["floor_set_by"],
            "wall": found["duration_s"],
            "tags": [first_few(sorted({_tag(name) for name in names}), 4) for names in found["wheels"]],
        }
    )
    return tables.table(
        frame,
        caption="The wheels that every packager was given.",
        units={"size": "MB", "wall": "s"},
        formats={"size": ".1f", "wall": ".1f"},
        code=["set by"],
    )


def _tag(wheel: str) -> str:
    return wheel.removesuffix(".whl").rsplit("-", 1)[-1]


def starts(found: pd.DataFrame, names: Mapping[str, str]) -> tables.Shown:
    """Show every start: seconds, and times of ``python -m`` with the interval; one row for each artifact."""
    own = found[(found["command_id"] != found["reference"]) & found["command_id"].isin(names)]
    if not len(own):
        return said("No start was timed.")
    columns = {
        (state, what): f"{state} start{'' if what == 'help' else ' of the check'}"
        for state in _STATES
        for what in ("help", "check")
        if len(own[(own["state"] == state) & (own["what"] == what)])
    }
    rows = []
    for command, group in own.groupby("command_id", sort=False):
        by = {(str(row["state"]), str(row["what"])): row for row in group.to_dict("records")}
        warm = by.get(("warm", "help"))
        rows.append(
            {
                "artifact": names[str(command)],
                "times python -m (warm)": _interval(warm),
                "told apart": _told_apart(warm),
                **{title: _milliseconds(by.get(key)) for key, title in columns.items()},
                "blocks": max(int(row["blocks"]) for row in by.values()),
                "order": warm["ratio"] if warm and not pd.isna(warm["ratio"]) else float("inf"),
            }
        )
    frame = pd.DataFrame(rows).sort_values(["order", "artifact"], kind="stable").drop(columns="order")
    reference = found[(found["command_id"] == found["reference"]) & (found["state"] == "warm")]
    beside = f" ({_milliseconds(reference.iloc[0].to_dict())} ms)" if len(reference) else ""
    return tables.table(
        frame,
        caption=f"Every start, beside python -m of the Python that packed it{beside}. Wall time, medians; "
        "95 % intervals over blocks. Told apart: farther from 1 than python -m lies from itself.",
        units=dict.fromkeys(columns.values(), "ms"),
    )


_STATES = ("warm", "cold", "first")


def _told_apart(row: Mapping[Any, Any] | None) -> str:
    if row is None or pd.isna(row["distinguishable"]):
        return "not known"
    return "yes" if row["distinguishable"] else "no"


def _milliseconds(row: Mapping[Any, Any] | None) -> str:
    if row is None:
        return ""
    return str(row["reason"]) if pd.isna(row["median_s"]) else f"{1000 * row['median_s']:.0f}"


def footprints(found: pd.DataFrame, names: Mapping[str, str]) -> tables.Shown:
    """Show what starts write, of those artifacts that write or leave anything worth the name."""
    own = found[found["subject_id"].isin(names)]
    sizes = ["home_bytes", "temporary_bytes", "left_bytes", "left_after_kill_bytes"]
    numbers = own[sizes].astype("Float64")
    seen = set(own.loc[numbers.notna().any(axis=1), "subject_id"])
    if not seen:
        return said("What starts write was not measured.")
    heavy = set(own.loc[(numbers.fillna(0) >= _WORTH_BYTES).any(axis=1), "subject_id"])
    if not heavy:
        return said(f"None of {len(seen)} artifacts writes or leaves as much as 0.1 MB.")
    rows = []
    for subject, group in own[own["subject_id"].isin(heavy)].groupby("subject_id", sort=False):
        by = {str(row["start"]): row for row in group.to_dict("records")}
        first, second = (by.get(start, {}) for start in ("first", "second"))
        rows.append(
            {
                "artifact": names[str(subject)],
                "kept at home": _megabytes(first.get("home_bytes")),
                "first start": _megabytes(first.get("temporary_bytes")),
                "each later start": _megabytes(second.get("temporary_bytes")),
                "left at its end": _megabytes(second.get("left_bytes")),
                "left after SIGKILL": _megabytes(
                    next(
                        (row["left_after_kill_bytes"] for row in by.values() if row["left_after_kill_bytes"]),
                        0,
                    )
                ),
            }
        )
    frame = pd.DataFrame(rows)
    return tables.table(
        frame,
        caption="What starts write: to the home folder, and to the temporary one. The other "
        f"{len(seen) - len(rows)} of {len(seen)} write and leave less than 0.1 MB.",
        units=dict.fromkeys(frame.columns[1:], "MB"),
        formats=dict.fromkeys(frame.columns[1:], ".1f"),
    )


_WORTH_BYTES = 100_000


def old_toolchain(built: pd.DataFrame, started: pd.DataFrame, marked: pd.DataFrame) -> tables.Shown:
    """Show, form by form, what wheels from the oldest base cost against those of the host."""
    warm = started[(started["state"] == "warm")].drop_duplicates(["command_id", "what"])
    ratios = {(str(row["command_id"]), str(row["what"])): row for row in warm.to_dict("records")}
    floors = dict(zip(built["subject_id"], built["glibc_floor"], strict=True))
    reached = dict(
        zip(
            *(marked.loc[marked["criterion"] == "environments", name] for name in ("subject_id", "value")),
            strict=True,
        )
    )
    rows = []
    for (label, python), group in _groups(built, "label", "python"):
        by_kind = {str(row["inputs_kind"]): row for row in group.to_dict("records")}
        if not {"raw", "oldest"} <= set(by_kind):
            continue
        new, old = by_kind["raw"], by_kind["oldest"]
        rows.append(
            {
                "form": label,
                "Python": python,
                "start, host": _interval(ratios.get((str(new["subject_id"]), "help"))),
                "start, oldest": _interval(ratios.get((str(old["subject_id"]), "help"))),
                "size, host": _megabytes(new["size_bytes"]),
                "size, oldest": _megabytes(old["size_bytes"]),
                "glibc floor": " → ".join(floors[row["subject_id"]] or "none" for row in (new, old)),
                "ran in": " → ".join(reached.get(row["subject_id"]) or "?" for row in (new, old)),
            }
        )
    if not rows:
        return said("No form was built both from wheels of the host and from wheels of the oldest base.")
    return tables.table(
        pd.DataFrame(rows),
        caption="The price of an old toolchain, the interpreter held fixed: the same form from wheels of "
        "this host, and from wheels of the oldest base. Starts as times python -m. The slides' 1.83 times "
        "(claim 28) compares two interpreters as well as two compilers.",
        units={"size, host": "MB", "size, oldest": "MB"},
        formats={"size, host": ".1f", "size, oldest": ".1f"},
    )


def _interval(row: Mapping[Any, Any] | None) -> str:
    if row is None or pd.isna(row["ratio"]):
        return "not timed"
    return f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"


def _megabytes(count: Any) -> float:
    return float("nan") if count is None or pd.isna(count) else float(count) / 1e6


def wheel_tags(found: pd.DataFrame) -> tables.Shown:
    """Show the platform tags of wheels."""
    frame = load("wheel_tags").frame
    frame["pep"] = [f"PEP {number}" for number in frame["pep"]]
    made = sorted({_tag(name) for names in found["wheels"] for name in names} - {"any"})
    seen = f" The wheels made here say: {first_few(made, 8)}." if made else ""
    return tables.table(
        frame.rename(columns={"created": "of", "drawn_from": "drawn from", "meaning": "how to read it"}),
        caption=f"Platform tags of wheels: a promise about glibc, and about libraries carried.{seen}",
        code=["tag"],
    )


def without_manylinux(on: date) -> tables.Shown:
    """Show projects that are said to have no manylinux wheels."""
    table = load("manylinux_wheels")
    if table.stale(on):
        return said("The table of projects without manylinux wheels is past its shelf life.")
    frame = table.frame
    lacking = frame[frame["tag"] == ""]
    shown = frame.assign(tag=frame["tag"].where(frame["tag"] != "", "none: pip compiles it"))
    return tables.table(
        shown.rename(columns={"tag": "manylinux wheel", "named_by_slides": "named by the slides"}),
        caption=f"{len(lacking)} of {len(frame)} projects have no manylinux wheel for CPython "
        f"{frame['python'].iloc[0]} on {table.as_of.isoformat()}: who ships them must build and repair.",
        code=["project"],
    )


def foretold(runs: pd.DataFrame, named: Named) -> tables.Shown:
    """Show prediction against observation."""
    asked = runs[runs["predicted"].notna() & runs["outcome"].isin(["ran", "failed"])]
    if not len(asked):
        return said("Nothing was foretold of a run that was measured.")
    predicted, ran = asked["predicted"].astype(bool), asked["outcome"] == "ran"
    right = int((predicted == ran).sum())
    counts = (
        f"foretold to run: {int((predicted & ran).sum())} ran, {int((predicted & ~ran).sum())} failed; "
        f"foretold to fail: {int((~predicted & ~ran).sum())} failed, {int((~predicted & ran).sum())} ran"
    )
    wrong = asked[predicted != ran]
    told = f"The static check agrees with {right} of {len(asked)} runs ({counts})"
    if not len(wrong):
        return said(f"{told}.")
    frame = pd.DataFrame(
        {
            "subject_id": wrong["subject_id"],
            "in": [short_name(row) for row in wrong.to_dict("records")],
            "foretold": [
                "runs" if row["predicted"] else f"fails: {row['predicted_why']}"
                for row in wrong.to_dict("records")
            ],
            "seen": wrong["outcome"],
            "it said": wrong["error_line"],
        }
    )
    return tables.table(named(frame), caption=f"{told}. Where it does not:", code=["it said"], limit=10)


def outer_floors(built: pd.DataFrame, names: Mapping[str, str]) -> tables.Shown:
    """Show artifacts whose outer file hides what they need."""
    hidden = built[(built["outer_floor"] != "") & (built["outer_floor"] != built["glibc_floor"])]
    if not len(hidden):
        return said("No artifact needs another glibc inside than outside.")
    rows = [
        {
            "outer file": outer,
            "with all that is inside": inner,
            "artifacts": first_few((names[subject] for subject in group["subject_id"]), 4),
            "set by": group["floor_set_by"].iloc[0],
        }
        for (outer, inner), group in _groups(hidden, "outer_floor", "glibc_floor")
    ]
    return tables.table(
        pd.DataFrame(rows),
        caption=f"Where objdump on the artifact misleads ({len(hidden)} of {len(built)}): the glibc that its "
        "outer file needs, and the one that something packed inside needs.",
        code=["set by"],
    )


def circumstances(marked: pd.DataFrame, names: Mapping[str, str]) -> tables.Shown:
    """Show what was seen where something fails or differs."""
    chosen = marked[(marked["group"] == "circumstances") & marked["mark"].isin([Mark.NO, Mark.PARTLY])]
    if not len(chosen):
        return said("No artifact was seen to fail or differ under any circumstance.")
    seen_ = [
        str(why).replace(str(subject), "…")
        for why, subject in zip(chosen["why"], chosen["subject_id"], strict=True)
    ]
    rows = [
        {
            "circumstance": title(key),
            "mark": mark,
            "what was seen": seen,
            "in": first_few((names.get(subject, "") for subject in group["subject_id"]), 4),
            "command": group["command"].iloc[0],
        }
        for (key, mark, seen), group in _groups(chosen.assign(seen=seen_), "criterion", "mark", "seen")
    ]
    order = {criterion.title: place for place, criterion in enumerate(CRITERIA.values())}
    rows.sort(key=lambda row: order.get(row["circumstance"], len(order)))
    return tables.table(
        pd.DataFrame(rows),
        caption="What was seen where an artifact fails, or does something else.",
        code=["what was seen", "command"],
        limit=0,
    )


def inside(found: pd.DataFrame, names: Mapping[str, str]) -> tables.Shown:
    """Show the libraries inside."""
    own = found[found["subject_id"].isin(names)]
    if not len(own):
        return said("No library and no bill of materials was found inside.")
    rows = [
        {
            "library": library,
            "version": version or "not known",
            "brought by": by,
            "who replaces it": whom,
            "artifacts": group["subject_id"].nunique(),
            "which": first_few((names[subject] for subject in group["subject_id"]), 1),
            "member": group["path"].iloc[0],
        }
        for (library, version, by, whom), group in _groups(
            own, "library", "version", "brought_by", "updated_by"
        )
    ]
    first = ["openssl", "libcurl", "libpq"]
    rows.sort(key=lambda row: (first.index(row["library"]) if row["library"] in first else 9, row["library"]))
    return tables.table(
        pd.DataFrame(rows),
        caption="What is inside, who brought it, and who has to act when it needs a fix.",
        code=["member"],
        limit=8,
    )


def reproducible(found: pd.DataFrame, names: Mapping[str, str]) -> tables.Shown:
    """Show which builds were the same twice."""
    own = found[found["subject_id"].isin(names)]
    seen = own[own["same"].notna()]
    if not len(seen):
        return said("Nothing was built twice.")
    rows = [
        {
            "same bytes": same == "True",
            "SOURCE_DATE_EPOCH": "set" if epoch == "True" else "not set",
            "artifacts": first_few((names[subject] for subject in group["subject_id"]), 12),
            "first difference": next((text for text in group["first_difference"] if text), ""),
        }
        for (same, epoch), group in _groups(seen.astype({"same": bool}), "same", "epoch_set")
    ]
    rows.sort(key=lambda row: (not row["same bytes"], row["SOURCE_DATE_EPOCH"]))
    same = int(seen["same"].astype(bool).sum())
    return tables.table(
        pd.DataFrame(rows),
        caption=f"{same} of {len(seen)} pairs of builds are the same bytes.",
        code=["first difference"],
    )


def builds(built: pd.DataFrame, named: Named) -> tables.Shown:
    """Show what builds took."""
    frame = pd.DataFrame(
        {
            "subject_id": built["subject_id"],
            "tool": built["packager"] + " " + built["packager_version"],
            "wall": built["duration_s"],
            "CPU": built["cpu_s"],
            "memory": built["peak_rss_bytes"].astype("Float64") / 1e6,
            "its environment": built["environment_bytes"].astype("Float64") / 1e6,
            "size": built["size_bytes"].astype("Float64") / 1e6,
            "files": built["files"],
            "glibc floor": built["glibc_floor"],
            "from outside": built["outside_libraries"].map(lambda names: first_few(names, 4)),
        }
    )
    sizes = ("memory", "its environment", "size")
    return tables.table(
        named(frame),
        caption="What each build took (the packager alone, its environment made before), and what came out.",
        units={"wall": "s", "CPU": "s", **dict.fromkeys(sizes, "MB")},
        formats=dict.fromkeys(("wall", "CPU", *sizes), ".1f"),
        limit=0,
    )


def reproduce(built: pd.DataFrame, names: Mapping[str, str]) -> tables.Shown:
    """Show the commands of one build of each form: those of the others name other wheels."""
    ranks = {"oldest": 0, "repaired": 1, "raw": 2}
    ordered = built.assign(rank=built["inputs_kind"].map(lambda kind: ranks.get(kind, 0)))
    chosen = ordered.sort_values("rank", kind="stable").drop_duplicates("form").sort_index()
    rows = [
        {"artifact": names[str(row["subject_id"])], "step": number, "command": command}
        for row in chosen.to_dict("records")
        for number, command in enumerate(row["commands"], 1)
    ]
    return tables.table(
        pd.DataFrame(rows, columns=["artifact", "step", "command"]),
        caption=f"How to build each of {len(chosen)} forms again; other wheels take the same steps.",
        code=["command"],
        limit=0,
    )


def tools(on: date) -> tables.Shown:
    """Show the tools."""
    table = load("packagers")
    frame = table.frame
    frame["works on"] = [
        f"dormant since {since}"
        if since
        else f"{(on - date.fromisoformat(day)).days} days ago"
        if day
        else "not known"
        for since, day in zip(frame["dormant_since"], frame["last_release"], strict=True)
    ]
    frame = frame[["tool", "newest", "last_release", "works on", "licence", "licence_note", "cannot"]]
    return tables.table(
        frame.rename(
            columns={
                "last_release": "released",
                "works on": "last sign of life",
                "licence_note": "note",
                "cannot": "what it cannot, or needs",
            }
        ),
        caption=f"The tools, as of {table.as_of.isoformat()}.",
    )


def claims() -> tables.Shown:
    """Show the slides' claims."""
    frame = load("packaging_claims").frame
    counts = ", ".join(f"{count} {word}" for word, count in frame["outcome"].value_counts().items())
    return tables.table(
        frame[["number", "about", "claim", "found", "remark", "outcome"]].rename(
            columns={"found": "found by hand", "remark": "what follows"}
        ),
        caption=f"What the slides claim, and what a check by hand of the same claims found ({counts}).",
        limit=0,
    )


def _groups(frame: pd.DataFrame, *by: str) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    for key, group in frame.groupby(list(by), sort=False):
        yield tuple(map(str, key if isinstance(key, tuple) else (key,))), group
