"""Speed of installers: whose time is what, and which statements on it hold.

Everything rests on installations timed in turns; ratios are formed within blocks, as in
:mod:`pyassay.verdicts.paired`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.performance.estimate import trimmed_interval
from pyassay.verdicts.paired import FEWEST_BLOCKS, Measure, ratios

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "SPEEDS",
    "SPEED_CLAIMS",
    "Times",
    "between",
    "digits",
    "imports",
    "judged_set",
    "parts",
    "speed_claims",
    "speeds",
]

SPEED_CLAIMS = (
    *("speed_cold", "speed_warm", "speed_compiled", "speed_link_mode", "speed_latency"),
    "first_import_pays",
)
"""Claims whose measurements are times."""

# What the field calls fast, a small remainder, and a fraction of a second.
_TEN, _ABOUT_TWO, _FRACTION_S = 10.0, (1.25, 3.0), 1.0

SPEEDS = TableSchema(
    "installers_speeds",
    "One row per way to install, requirement set, cache and latency: its time against the newest uv's.",
    (
        Column("command_id", "text", "Installer and way."),
        Column("subject_id", "text", "Which installer."),
        Column("set", "text", "Requirement set."),
        Column("cache", "text", "`cold` or `warm`."),
        Column("latency_ms", "number", "Milliseconds before each answer of the index."),
        Column("bytecode", "flag", "Whether it compiles modules."),
        Column("link_mode", "text", "`default` or `copy`."),
        Column("measure", "text", "`wall_s` or `cpu_s`."),
        Column("blocks", "count", "Blocks that the ratio rests on."),
        Column("median_s", "number", "Median of its seconds."),
        Column("ratio", "number", "Times the newest uv's time, which does not compile; missing: unknown."),
        Column("ratio_low", "number", "Lower end of the 95 % interval."),
        Column("ratio_high", "number", "Upper end."),
        Column("noise_low", "number", "Lower end of the newest uv's own ratio to itself."),
        Column("noise_high", "number", "Upper end."),
        Column("distinguishable", "flag", "Whether it can be told from that noise; missing: unknown."),
        Column("is_reference", "flag", "Whether it is the one that the others are compared with."),
        Column("reason", "text", "Why the ratio is missing; else empty."),
    ),
)


@dataclass(frozen=True, slots=True)
class Times:
    """How many times one takes as long as another: typical, and the 95 % interval."""

    centre: float
    low: float
    high: float
    blocks: int

    def __str__(self) -> str:
        low, high = digits(self.low, 3), digits(self.high, 3)
        return f"{digits(self.centre, 3)} times ({low} to {high})"


def digits(number: float, significant: int = 2) -> str:
    """Return a number with so many significant digits, never with an exponent.

    >>> digits(139.2), digits(2.138), digits(0.04567)
    ('140', '2.1', '0.046')
    """
    rounded = float(f"{number:.{significant}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10**significant else f"{rounded:.{significant}g}"


def _measured(samples: pd.DataFrame) -> list[tuple[tuple[str, str, float], pd.DataFrame, str]]:
    """Return each measurement (set, cache, latency) with its samples and its reference."""
    found = []
    for (name, cache, latency), own in samples.groupby(["set", "cache", "latency_ms"], sort=False):
        entered = own.loc[own["entry"].isin(["reference", "control"]), "command_id"]
        if len(entered):
            found.append(((str(name), str(cache), float(str(latency))), own, str(entered.iloc[0])))
    return found


def speeds(tables: Mapping[str, pd.DataFrame], measure: Measure = "wall_s") -> pd.DataFrame:
    """Compare all ways to install: see :data:`SPEEDS`."""
    rows: list[dict[str, Any]] = []
    for (name, cache, latency), own, reference in _measured(tables["installer_samples"]):
        ways = own.drop_duplicates("command_id").set_index("command_id")
        for row in ratios(own, reference, measure).to_dict("records"):
            way = ways.loc[row["command_id"]]
            rows.append(
                {
                    **{column.name: row.get(column.name) for column in SPEEDS.columns if column.name in row},
                    "subject_id": way["subject_id"],
                    "set": name,
                    "cache": cache,
                    "latency_ms": latency,
                    "bytecode": way["bytecode"],
                    "link_mode": way["link_mode"],
                    "is_reference": row["command_id"] == reference,
                }
            )
    return SPEEDS.frame(rows)


def between(samples: pd.DataFrame, slow: str, fast: str, measure: Measure = "wall_s") -> Times | None:
    """Return how many times one command takes as long as another of the same blocks.

    None: fewer blocks hold both than support a statement. Two entries of one command in a block are averaged.
    """
    counted = samples[(samples["block"] > 0) & (samples[measure] > 0) & (samples["failure"] == "")]
    logs = counted.assign(log=counted[measure].astype(float).map(math.log))
    wide = logs.groupby(["block", "command_id"])["log"].mean().unstack()
    if slow not in wide or fast not in wide:
        return None
    differences = (wide[slow] - wide[fast]).dropna().to_numpy()
    if len(differences) < FEWEST_BLOCKS:
        return None
    found = trimmed_interval(differences)
    return Times(math.exp(found.centre), math.exp(found.low), math.exp(found.high), len(differences))


@dataclass(frozen=True, slots=True)
class _Ways:
    """The commands of one measurement by what they do."""

    samples: pd.DataFrame
    name: str
    uv: str
    uv_compiled: str
    uv_copied: str
    pip: str
    pip_bare: str

    @classmethod
    def of(cls, samples: pd.DataFrame, reference: str) -> _Ways:
        ways = samples.drop_duplicates("command_id")
        uv = str(ways.loc[ways["command_id"] == reference, "subject_id"].iloc[0])
        pips = [one for one in set(ways["subject_id"]) if one.startswith("pip-")]
        pip = max(pips, key=_version, default="")

        def find(subject: str, *, bytecode: bool, link_mode: str | None = None) -> str:
            own = ways[(ways["subject_id"] == subject) & (ways["bytecode"] == bytecode)]
            if link_mode is not None:
                own = own[own["link_mode"] == link_mode]
            return str(own["command_id"].iloc[0]) if len(own) else ""

        return cls(
            samples,
            str(samples["set"].iloc[0]),
            reference,
            find(uv, bytecode=True, link_mode="default"),
            find(uv, bytecode=False, link_mode="copy"),
            find(pip, bytecode=True),
            find(pip, bytecode=False),
        )

    def times(self, slow: str, fast: str, measure: Measure = "wall_s") -> Times | None:
        """Return how many times one takes as long as the other; None: unknown."""
        return between(self.samples, slow, fast, measure) if slow and fast else None

    def seconds(self, command: str) -> float:
        """Return the median of a command's wall seconds."""
        own = self.samples[(self.samples["command_id"] == command) & (self.samples["failure"] == "")]
        own = own[own["block"] > 0]
        return float(own["wall_s"].median()) if len(own) else math.nan


def _version(subject_id: str) -> Version:
    try:
        return Version(subject_id.split("-", 1)[1])
    except InvalidVersion:
        return Version("0")


def judged_set(tables: Mapping[str, pd.DataFrame], cache: str) -> str:
    """Return the set that statements are judged by; empty: none was timed with such a cache.

    The one that takes longest, of those of which enough blocks hold both uv and pip; where there is none,
    of all.
    """
    samples = tables["installer_samples"]
    by_length = samples.groupby("set")["wall_s"].median().sort_values(ascending=False)
    measured = _measured(samples)
    timed = {key[0] for key, _, _ in measured if key[1] == cache}
    enough = set()
    for key, own, reference in measured:
        ways = _Ways.of(own, reference)
        if key[1] == cache and ways.times(ways.pip, ways.uv) is not None:
            enough.add(key[0])
    for wanted in (enough, timed):
        for name in by_length.index:
            if name in wanted:
                return str(name)
    return ""


def _ways(
    tables: Mapping[str, pd.DataFrame], cache: str, *, latency: Callable[[list[float]], float] = min
) -> _Ways | None:
    name = judged_set(tables, cache)
    found = {key: (own, one) for key, own, one in _measured(tables["installer_samples"])}
    latencies = [key[2] for key in found if key[:2] == (name, cache)]
    if not latencies:
        return None
    return _Ways.of(*found[name, cache, latency(latencies)])


def parts(tables: Mapping[str, pd.DataFrame], measure: Measure = "wall_s") -> list[dict[str, Any]]:
    """Split pip's time over uv's into compilation and the rest, for the set that is judged by.

    Returns
    -------
    list of dict
        ``cache``, ``set``, ``what`` (``in all``, ``compiling``, ``the rest``, ``compiling on both sides``,
        ``links, not copies``), ``slow``, ``fast`` (command ids), ``times`` (Times or None).
        Compiling times the rest is all, within noise.
    """
    rows: list[dict[str, Any]] = []
    for cache in ("cold", "warm"):
        ways = _ways(tables, cache)
        if ways is None:
            continue
        pairs = {
            "in all": (ways.pip, ways.uv),
            "compiling": (ways.pip, ways.pip_bare),
            "the rest": (ways.pip_bare, ways.uv),
            "compiling on both sides": (ways.pip, ways.uv_compiled),
            "links, not copies": (ways.uv_copied, ways.uv),
        }
        rows += [
            {
                "cache": cache,
                "set": ways.name,
                "what": what,
                "slow": slow,
                "fast": fast,
                "times": ways.times(slow, fast, measure),
            }
            for what, (slow, fast) in pairs.items()
            if slow and fast
        ]
    return rows


def imports(tables: Mapping[str, pd.DataFrame], measure: Measure = "wall_s") -> pd.DataFrame:
    """Compare the starts of an application by who compiled its modules.

    Returns
    -------
    DataFrame
        As :data:`pyassay.verdicts.paired.RATIOS`, with ``set``, ``state``, ``subject_id``, ``compiled``.
        The reference is the start whose modules an earlier start had compiled.
    """
    import pandas as pd

    frames = []
    for name, own in tables["installer_imports"].groupby("set", sort=False):
        entered = own.loc[own["entry"].isin(["reference", "control"]), "command_id"]
        if not len(entered):
            continue
        ways = own.drop_duplicates("command_id").set_index("command_id")
        found = ratios(own, str(entered.iloc[0]), measure)
        joined = found.join(ways[["state", "subject_id", "compiled"]], on="command_id")
        frames.append(joined.assign(set=name))
    columns = ["command_id", "ratio", "median_s", "state", "subject_id", "compiled", "set"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def speed_claims(tables: Mapping[str, pd.DataFrame]) -> dict[str, tuple[str, str]]:
    """Return by claim whether it holds (yes, partly, no, not measured), and a sentence that says why."""
    cold, warm = _ways(tables, "cold"), _ways(tables, "warm")
    return {
        "speed_cold": _ten_times(cold, "cold"),
        "speed_warm": _ten_times(warm, "warm", _FRACTION_S),
        "speed_compiled": _both_compile(warm or cold),
        "speed_link_mode": _links(warm),
        "speed_latency": _latency(tables),
        "first_import_pays": _first_import(tables),
    }


_UNKNOWN = ("not measured", "too few blocks hold both")


def _ten_times(ways: _Ways | None, cache: str, fraction_s: float = math.inf) -> tuple[str, str]:
    times = ways.times(ways.pip, ways.uv) if ways else None
    if ways is None or times is None:
        return _UNKNOWN
    own = ways.seconds(ways.uv)
    why = f"pip takes {times} as long as uv ({own:.2f} s) with a {cache} cache, set {ways.name}"
    if times.low >= _TEN and own < fraction_s:
        return "yes", why
    return ("no" if times.high < _TEN else "partly"), why


def _both_compile(ways: _Ways | None) -> tuple[str, str]:
    all_in = ways.times(ways.pip, ways.uv) if ways else None
    both = ways.times(ways.pip, ways.uv_compiled) if ways else None
    if all_in is None or both is None:
        return _UNKNOWN
    why = f"pip takes {all_in} as long as uv by default, {both} when both compile"
    low, high = _ABOUT_TWO
    if both.high <= high and both.low >= low:
        return "yes", why
    return ("partly" if both.high < all_in.low else "no"), why


def _links(ways: _Ways | None) -> tuple[str, str]:
    copied = ways.times(ways.uv_copied, ways.uv) if ways else None
    against_pip = ways.times(ways.pip_bare, ways.uv_copied) if ways else None
    if copied is None:
        return _UNKNOWN
    why = f"uv takes {copied} as long when it copies"
    if against_pip is not None:
        why += f", and pip without compiling {against_pip} as long as that"
    if copied.low <= 1:
        return "no", why
    # It is one reason; where copying leaves most of the lead, it is not the reason.
    return ("partly" if against_pip is not None and against_pip.low > copied.high else "yes"), why


def _latency(tables: Mapping[str, pd.DataFrame]) -> tuple[str, str]:
    near, far = _ways(tables, "cold", latency=min), _ways(tables, "cold", latency=max)
    if near is None or far is None or len(set(tables["installer_samples"]["latency_ms"])) < 2:
        return "not measured", "one latency only was tried; --full tries more"
    first, second = near.times(near.pip, near.uv), far.times(far.pip, far.uv)
    if first is None or second is None:
        return _UNKNOWN
    why = f"pip takes {first} as long near by, {second} far away"
    if second.low > first.high:
        return "yes", why
    return ("no" if second.high < first.low else "partly"), why


def _first_import(tables: Mapping[str, pd.DataFrame]) -> tuple[str, str]:
    found = imports(tables)
    first = found[found["state"].str.startswith("first start").fillna(False)] if len(found) else found
    never = found[found["state"].str.startswith("nothing compiled").fillna(False)] if len(found) else found
    first = first.dropna(subset=["ratio"]) if len(first) else first
    if not len(first):
        return _UNKNOWN
    row = first.sort_values("median_s").iloc[-1]
    why = f"the first start takes {digits(row['ratio'], 3)} times as long ({row['median_s']:.2f} s)"
    own = never[never["set"] == row["set"]].dropna(subset=["ratio"]) if len(never) else never
    if len(own):
        why += f"; where nothing may be written, every start {digits(own['ratio'].iloc[0], 3)} times"
    return ("yes" if row["ratio_low"] > 1 else "no"), why
