"""The claims of the dispute on build backends, each beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyassay.reference import load
from pyassay.verdicts.backends_outputs import equalities
from pyassay.verdicts.backends_speed import speeds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["claims"]

YES, NO, PARTLY, UNKNOWN = "yes", "no", "in part", "not measured"
_COLUMNS = ["claim", "side", "said", "measured", "still_true", "table"]
_SAID_CRATES = 650
_NEAR = 0.2
# The platforms that the claim names.
_NAMED = "musl|powerpc64le|s390x|riscv64|freebsd"
_FEW_LINES = 10_000
_MANY_TIMES = 3.0
_MOSTLY = 0.5

_Tables = Mapping[str, "pd.DataFrame"]
_Answer = tuple[str, str, str]


def claims(tables: _Tables) -> pd.DataFrame:
    """Return every claim with the measurement that answers it.

    Returns
    -------
    DataFrame
        ``claim``, ``side``, ``said`` (of the reference table), ``measured`` (a sentence), ``still_true``
        (yes, no, in part, not measured) and ``table`` (where the rows are).
    """
    import pandas as pd

    rows = []
    for claim in load("backend_claims").frame.to_dict("records"):
        measured, holds, table = _answered(tables, str(claim["measure"]), str(claim["about"]))
        rows.append(
            {
                "claim": claim["claim"],
                "side": claim["side"],
                "said": claim["said"],
                "measured": measured,
                "still_true": holds,
                "table": table,
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _answered(tables: _Tables, measure: str, about: str) -> _Answer:
    backends = tables["backends"]
    found = backends[(backends["name"] == about) & (backends["reason"] == "")]
    found = found[~found["subject_id"].str.startswith("own-")]
    if not len(found):
        return f"{about} is not among what was measured", UNKNOWN, "backends"
    # Of several versions the last one that was asked for.
    return _MEASURES[measure](tables, str(found["subject_id"].iloc[-1]))


def _own(tables: _Tables, table: str, subject: str, **where: Any) -> pd.DataFrame:
    frame = tables[table]
    chosen = frame["subject_id"] == subject
    for column, value in where.items():
        chosen &= frame[column] == value
    return frame[chosen]


def _crates(tables: _Tables, subject: str) -> _Answer:
    rows = _own(tables, "backend_crates", subject)
    lock = rows[(rows["listed_in"] == "Cargo.lock") & rows["crates"].notna()]
    if not len(lock):
        return "its sdist could not be read", UNKNOWN, "backend_crates"
    row = lock.iloc[0]
    told = f"{row['crates']} in the Cargo.lock of its sdist, {row['third_party']} of them of others"
    bill = rows[(rows["listed_in"] == "bill of materials") & rows["crates"].notna()]
    if len(bill):
        told += f"; {bill['third_party'].iloc[0]} of others in the bill of materials of its binary"
    share = int(row["crates"]) / _SAID_CRATES
    holds = YES if abs(share - 1) <= _NEAR else PARTLY if share > _NEAR else NO
    return told, holds, "backend_crates"


def _platforms(tables: _Tables, subject: str) -> _Answer:
    rows = _own(tables, "backend_platforms", subject)
    known = rows[rows["ready"].notna()]
    if not len(known):
        return "the index told nothing of its files", UNKNOWN, "backend_platforms"
    names = load("pep11_tiers").frame.set_index("target")["label"]
    lacking = known[~known["ready"].astype(bool)]
    tiers = known[known["tier"] != "none"]
    ready = int(tiers["ready"].sum())
    told = f"{ready} of {len(tiers)} platforms of PEP 11 have a ready wheel"
    if len(lacking):
        told += f"; none for {', '.join(str(names.get(one, one)) for one in lacking['target'])}"
    named = lacking[lacking["target"].str.contains(_NAMED)]
    everywhere = int(known["target"].str.contains(_NAMED).sum())
    holds = NO if not len(named) else YES if len(named) == everywhere else PARTLY
    return (
        f"of the {everywhere} named, {everywhere - len(named)} have one; {told}",
        holds,
        "backend_platforms",
    )


def _everywhere(tables: _Tables, subject: str) -> _Answer:
    rows = _own(tables, "backend_closures", subject, scope="declared")
    native = int(rows["native_files"].fillna(0).sum())
    pure = bool(len(rows) and rows["pure"].fillna(value=False).all())
    told = f"{'pure wheels' if pure else 'wheels for single platforms'}, {native} compiled files in them"
    return told, YES if pure and not native else NO, "backend_closures"


def _bootstrap(tables: _Tables, subject: str) -> _Answer:
    rows = _own(tables, "backend_closures", subject)
    vendored = sorted({name for names in rows["vendored"] for name in names})
    told = f"{len(rows)} package in its closure" if len(rows) == 1 else f"{len(rows)} packages in its closure"
    told += f"; it carries {', '.join(vendored)} within" if vendored else ""
    return told, YES if len(rows) == 1 else NO, "backend_closures"


def _readable(tables: _Tables, subject: str) -> _Answer:
    rows = _own(tables, "backend_closures", subject)
    lines = int(rows["python_lines"].fillna(0).sum())
    native = int(rows["native_bytes"].fillna(0).sum())
    backends = tables["backends"]
    other = backends[(backends["name"] == "uv-build") & (backends["reason"] == "")]
    told = f"{lines} lines of Python, {native} bytes of machine code"
    if len(other):
        binary = _own(tables, "backend_closures", str(other["subject_id"].iloc[-1]))
        crates = _own(tables, "backend_crates", str(other["subject_id"].iloc[-1]), listed_in="Cargo.lock")
        told += f"; uv-build: {int(binary['native_bytes'].fillna(0).sum()) / 1e6:.1f} MB of machine code"
        if len(crates) and crates["rust_lines"].notna().any():
            own = crates["rust_lines"].dropna().iloc[0]
            told += f", from {own} lines of Rust in its sdist, crates of others not counted"
    return told, YES if lines < _FEW_LINES and not native else PARTLY, "backend_closures"


def _faster(tables: _Tables, subject: str) -> _Answer:
    found = speeds(tables, "wall_s")
    hooks = found[(found["comparison"] == "backends") & found["median_s"].notna()]
    own = hooks[hooks["subject_id"] == subject]
    others = hooks[hooks["subject_id"] != subject]
    if not len(own) or not len(others):
        return "not timed beside another backend", UNKNOWN, "backend_build_samples"
    mine = float(own["median_s"].iloc[0])
    times = others["median_s"].astype(float) / mine
    told = (
        f"the hook alone, its Python started: {1000 * mine:.0f} ms; the others take "
        f"{times.min():.1f} to {times.max():.1f} times that"
    )
    holds = YES if times.min() > _MANY_TIMES else PARTLY if times.max() > _MANY_TIMES else NO
    return told, holds, "backend_build_samples"


def _frontend(tables: _Tables, subject: str) -> _Answer:
    found = speeds(tables, "wall_s")
    found = found[(found["subject_id"] == subject) & found["median_s"].notna() & (found["cache"] != "cold")]
    rows = found[found["comparison"] == "frontends"].set_index("frontend")["median_s"].astype(float)
    hook = rows.get("hook")
    if hook is None or len(rows) < 2:
        return "not timed by a frontend", UNKNOWN, "backend_build_samples"
    rest = rows.drop("hook")
    told = f"hook {hook:.2f} s; " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in rest.items())
    share = hook / float(rest.max())
    return told, YES if share < _MOSTLY else NO, "backend_build_samples"


def _shortcut(tables: _Tables, subject: str) -> _Answer:
    found = speeds(tables, "wall_s")
    rows = found[
        (found["comparison"] == "frontends") & (found["cache"] == "warm") & found["median_s"].notna()
    ]
    own = rows[rows["subject_id"] == subject].set_index("frontend")["median_s"].astype(float)
    short, forced = own.get("uv build"), own.get("uv build --force-pep517")
    if short is None or forced is None:
        return "not timed with and without it", UNKNOWN, "backend_build_samples"
    told = f"uv build {short:.2f} s, with --force-pep517 {forced:.2f} s"
    fastest = bool(short <= rows["median_s"].astype(float).min())
    return told, YES if fastest and forced > 1.5 * short else PARTLY, "backend_build_samples"


def _equal(tables: _Tables, subject: str) -> _Answer:
    pairs = equalities(tables)
    own = pairs[(pairs["first"] == subject) | (pairs["second"] == subject)]
    if not len(own):
        return "no other wheel of the same project", UNKNOWN, "backend_files"
    counts = own["level"].value_counts()
    told = ", ".join(f"{count} {level}" for level, count in counts.items())
    differences = dict.fromkeys(one for listed in own["differences"] for one in listed)
    told = f"beside {len(own)} others: {told}"
    told += f"; for example {'; '.join(list(differences)[:3])}" if differences else ""
    same = int((own["level"] != "different").sum())
    return told, YES if same == len(own) else PARTLY if same else NO, "backend_files"


def _reproducible(tables: _Tables, subject: str) -> _Answer:
    rows = tables["backend_repeats"]
    rows = rows[rows["epoch_set"] & rows["same"].notna() & (rows["project"] == "pure")]
    backends = tables["backends"]
    both = [str(one) for one in backends.loc[backends["name"].isin(["flit-core", "uv-build"]), "subject_id"]]
    rows = rows[rows["subject_id"].isin(both)]
    if not len(rows):
        return "not built twice", UNKNOWN, "backend_repeats"
    same = int(rows["same"].sum())
    told = f"{same} of {len(rows)} repeated builds of {' and '.join(dict.fromkeys(rows['subject_id']))}"
    return f"{told} gave the same bytes", YES if same == len(rows) else PARTLY, "backend_repeats"


_MEASURES: Mapping[str, Callable[[_Tables, str], _Answer]] = {
    "crates": _crates,
    "platforms": _platforms,
    "everywhere": _everywhere,
    "bootstrap": _bootstrap,
    "readable": _readable,
    "faster": _faster,
    "frontend": _frontend,
    "shortcut": _shortcut,
    "equal": _equal,
    "reproducible": _reproducible,
}
