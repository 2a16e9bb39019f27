"""The article on installers: how fast, why, and what it costs to take uv for pip."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pandas as pd

from pyassay import tables
from pyassay.articles import installers_figures as figures
from pyassay.articles.installers_figures import Chart
from pyassay.articles.question import QuestionArticle, first_few, groups, said, strong
from pyassay.probes.installers import GROUPS
from pyassay.reference import load
from pyassay.verdicts import installers as rules
from pyassay.verdicts.installers_claims import Held, answers, claims, family_of, newest
from pyassay.verdicts.installers_speed import digits, imports, judged_set, parts, speeds
from pyassay.verdicts.model import Verdict
from pyassay.verdicts.paired import Measure

__all__ = ["Article", "InstallersArticle"]

_NO_ANSWER = ("not measured", "not applicable")
_WAYS = {
    "in all": "pip as it comes, against uv as it comes",
    "compiling": "pip, against pip that does not compile",
    "the rest": "pip that does not compile, against uv",
    "compiling on both sides": "pip, against uv that compiles",
    "links, not copies": "uv that copies, against uv that links",
}


class _Labels(dict[str, str]):
    """Labels of subjects; one that has none is called by its id."""

    def __missing__(self, subject: str) -> str:
        return subject


class InstallersArticle(QuestionArticle):
    """Everything that the notebook ``installers`` shows, from one evidence set and one policy."""

    question = "installers"
    references_used = ("installer_claims", "uv_releases")

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict per installer."""
        return rules.judge(self.evidence.tables, self.policy, self.on)

    @cached_property
    def claimed(self) -> pd.DataFrame:
        """Every claim: see :func:`pyassay.verdicts.installers_claims.claims`."""
        return claims(self.evidence.tables)

    @cached_property
    def answered(self) -> pd.DataFrame:
        """Every answer: see :func:`pyassay.verdicts.installers_claims.answers`."""
        return answers(self.evidence.tables)

    @cached_property
    def timed(self) -> pd.DataFrame:
        """Every way to install: see :func:`pyassay.verdicts.installers_speed.speeds`."""
        return speeds(self.evidence.tables)

    @cached_property
    def started(self) -> pd.DataFrame:
        """Every start: see :func:`pyassay.verdicts.installers_speed.imports`."""
        return imports(self.evidence.tables)

    @cached_property
    def _noun(self) -> str:
        return "installer"

    @cached_property
    def _names(self) -> dict[str, str]:
        return _Labels({str(subject): str(label) for subject, label in self._labels.items()})

    def answer(self) -> tables.Shown:
        """Say in a few sentences what was found."""
        measured = set(self.answered["subject_id"]) | set(self.timed["subject_id"])
        if not measured:
            return strong(["No installer was put to the test."])
        best = newest(measured, "uv") or newest(measured, "pip")
        verdict = next((one for one in self.verdicts if one.subject_id == best), None)
        # The parts of a headline are sentences here: together they are longer than what is shown of one.
        parts = verdict.headline.split("; ") if verdict is not None else []
        sentences = [
            f"{self._names[best]}: {part}." if not number else f"{part[:1].upper()}{part[1:]}."
            for number, part in enumerate(parts)
        ]
        tried = self.claimed[self.claimed["still_true"] != Held.NOT_MEASURED]
        counts = tried["still_true"].value_counts()
        told = [
            f"{counts[word]} {one if counts[word] == 1 else many}"
            for word, (one, many) in _HELD.items()
            if word in counts
        ]
        sentences.append(f"Of {len(tried)} claims that were put to the test {', '.join(told)}.")
        if changed := list(tried.loc[tried["changed"].fillna(value=False), "title"]):
            sentences.append(f"The versions of uv differ in {len(changed)}: {first_few(changed, 4)}.")
        wrong = list(tried.loc[tried["still_true"] == Held.NO, "title"])
        if wrong:
            sentences.append(f"No longer, or never, true: {first_few(wrong, 4)}.")
        return strong(sentences)

    def groups(self) -> tables.Shown:
        """Show how many claims of each part hold."""
        rows = []
        for (group,), own in groups(self.claimed, "group"):
            counts = own["still_true"].value_counts()
            rows.append(
                {
                    "part": _TITLES.get(group, group),
                    "claims": len(own),
                    **{str(word): int(counts.get(word, 0)) for word in Held},
                    "changed between versions": int(own["changed"].fillna(value=False).sum()),
                }
            )
        rows.sort(key=lambda row: list(_TITLES.values()).index(str(row["part"])))
        return tables.table(
            pd.DataFrame(rows), caption="How many claims of each part hold, partly hold, or do not."
        )

    def claims(self, group: str) -> tables.Shown:
        """Show the claims of one part: what each installer does, whether it is as claimed, and the proof.

        Parameters
        ----------
        group : str
            One of :data:`pyassay.probes.installers.GROUPS`.

        Raises
        ------
        KeyError
            If there is no such part; the message lists those there are.
        """
        if group not in GROUPS:
            raise KeyError(f"{group}: no such part; there are: {', '.join(GROUPS)}")
        chosen = self.claimed[self.claimed["group"] == group]
        columns = self._columns(group)
        rows = []
        for row in chosen.to_dict("records"):
            own = self.answered[self.answered["claim"] == row["claim"]]
            found = {str(one["subject_id"]): one for one in own.to_dict("records")}
            rows.append(
                {
                    "claim": row["statement"],
                    **{
                        self._names[subject]: _said(found.get(subject))
                        or self._seconds(str(row["claim"]), subject)
                        for subject in columns
                    },
                    "still true?": row["still_true"] + (" (it changed)" if row["changed"] is True else ""),
                    "because": row["why"] if not len(own) else "",
                    "what proves it": self._proof(found),
                }
            )
        frame = pd.DataFrame(rows)
        if len(frame) and not frame["because"].any():
            frame = frame.drop(columns="because")
        return tables.table(
            frame, caption=_TITLES[group] + ".", code=["what proves it"] if len(frame) else ()
        )

    def _columns(self, group: str) -> list[str]:
        own = self.answered[self.answered["group"] == group]
        told = own[own["answer"] != "not applicable"]
        there = set(told["subject_id"])
        return [subject for subject in self._labels.index if subject in there]

    def _seconds(self, claim: str, subject: str) -> str:
        """Return what an installation takes that a claim on speed is about; empty: none was timed."""
        cache, compiles = _TIMED.get(claim, ("", None))
        wanted = (family_of(subject) == "pip") if compiles is None else compiles
        rows = self.timed[
            (self.timed["subject_id"] == subject)
            & (self.timed["cache"] == cache)
            & (self.timed["set"] == judged_set(self.evidence.tables, cache))
            & (self.timed["bytecode"] == wanted)
        ]
        plain = rows[(rows["link_mode"] == "default") | (family_of(subject) == "pip")]
        nearest = plain.sort_values("latency_ms")["median_s"].dropna()
        return f"{digits(float(nearest.iloc[0]))} s" if len(nearest) else ""

    def _proof(self, found: dict[str, dict[str, Any]]) -> str:
        """Return what the newest of each family said; one line."""
        lines = []
        for family in ("uv", "pip"):
            row = found.get(newest(found, family))
            if row is not None and row["answer"] not in _NO_ANSWER and row["seen"]:
                lines.append(f"{family}: {row['seen']}")
        return " | ".join(line[:_SHOWN] for line in lines)

    def proofs(self) -> tables.Shown:
        """Show the command, its status and what was seen, for every claim and installer."""
        told = self.answered[~self.answered["answer"].isin(_NO_ANSWER)]
        frame = told[["subject_id", "claim", "answer", "exit_code", "duration_s", "seen", "command"]]
        frame = frame.assign(seen=frame["seen"].str[:_SHOWN], command=frame["command"].str[:_SHOWN])
        return tables.table(
            self._named(frame.rename(columns={"exit_code": "status", "duration_s": "took"})),
            caption="Every answer with the command that gave it.",
            units={"took": "s"},
            formats={"took": ".2g"},
            code=["seen", "command"],
            limit=0,
        )

    def speed_chart(self, cache: str) -> Chart:
        """Draw the ways to install the set that statements are judged by.

        Parameters
        ----------
        cache : str
            ``cold`` or ``warm``.
        """
        name = judged_set(self.evidence.tables, cache)
        rows = self.timed[(self.timed["set"] == name) & (self.timed["cache"] == cache)]
        latency = float(rows["latency_ms"].min()) if len(rows) else 0.0
        rows = rows[rows["latency_ms"] == latency]
        return figures.speed(rows, self._names, name=name, cache=cache, latency_ms=latency)

    def speeds(self) -> tables.Shown:
        """Show every installation that was timed."""
        frame = self.timed[
            [
                *("command_id", "set", "cache", "latency_ms", "blocks", "median_s"),
                *("ratio", "ratio_low", "ratio_high", "reason"),
            ]
        ]
        return tables.table(
            frame.rename(
                columns={
                    "command_id": "way",
                    "median_s": "median",
                    "latency_ms": "latency",
                    "ratio": "times the newest uv",
                    "ratio_low": "from",
                    "ratio_high": "to",
                    "reason": "why not",
                }
            ),
            caption="Every way to install, timed in turns: wall time, and as times the newest uv's.",
            units={"median": "s", "latency": "ms"},
            formats={"times the newest uv": ".3g", "from": ".3g", "to": ".3g", "median": ".3g"},
            limit=0,
        )

    def split(self) -> tables.Shown:
        """Show what uv's lead consists of: compiling, links, and the rest."""
        rows = []
        measures: tuple[Measure, ...] = ("wall_s", "cpu_s")
        for measure in measures:
            for part in parts(self.evidence.tables, measure):
                times = part["times"]
                rows.append(
                    {
                        "cache": part["cache"],
                        "what": _WAYS[part["what"]],
                        "set": part["set"],
                        "of": {"wall_s": "wall time", "cpu_s": "CPU time"}[measure],
                        "times": times.centre if times else None,
                        "from": times.low if times else None,
                        "to": times.high if times else None,
                        "blocks": times.blocks if times else 0,
                    }
                )
            rows += [
                {"of": {"wall_s": "wall time", "cpu_s": "CPU time"}[measure], **row}
                for row in self._of_the_cache(measure)
            ]
        columns = ["cache", "what", "set", "of", "times", "from", "to", "blocks"]
        frame = pd.DataFrame(rows, columns=columns).astype(
            {"times": "Float64", "from": "Float64", "to": "Float64", "blocks": "Int64"}
        )
        return tables.table(
            frame.sort_values(["of", "cache"], ascending=[False, True], kind="stable"),
            caption="What the lead consists of: how many times one takes as long as the other. Cold and warm "
            "are measured one after the other, so what the cache saves has no interval.",
            formats={"times": ".3g", "from": ".3g", "to": ".3g"},
        )

    def _of_the_cache(self, measure: Measure) -> list[dict[str, Any]]:
        """Return what a warm cache saves: medians of two measurements, so without an interval."""
        found = speeds(self.evidence.tables, measure)
        found = found[(found["latency_ms"] == found["latency_ms"].min()) & found["median_s"].notna()]
        name = judged_set(self.evidence.tables, "cold")
        wide = found[found["set"] == name].pivot(index="command_id", columns="cache", values="median_s")
        if not {"cold", "warm"} <= set(wide.columns):
            return []
        return [
            {"cache": "both", "what": f"{way}: cold, against warm", "set": name, "times": times}
            for way, times in (wide["cold"] / wide["warm"]).dropna().items()
        ]

    def imports_chart(self) -> Chart:
        """Draw starts of an application by who compiled its modules."""
        known = self.started.dropna(subset=["ratio"])
        if not len(known):
            return said("No start of an installed application was timed often enough.")
        name = str(known.groupby("set")["median_s"].max().idxmax())
        return figures.first_starts(self.started[self.started["set"] == name], self._names, name=name)

    def imports(self) -> tables.Shown:
        """Show every start that was timed."""
        if not len(self.started):
            return said("No start of an installed application was timed.")
        frame = self.started[["set", "state", "subject_id", "compiled", "blocks", "median_s", "ratio"]]
        return tables.table(
            self._named(frame.rename(columns={"median_s": "median", "compiled": "compiled modules"})),
            caption="The start of an application, by who compiled its modules, and when.",
            units={"median": "s"},
            formats={"median": ".3g", "ratio": ".3g"},
        )

    def traffic(self) -> tables.Shown:
        """Show what one installation asks of the index."""
        found = self.evidence.table("installer_traffic")
        frame = found.assign(megabytes=found["body_bytes"].astype("Float64") / 1e6)[
            [
                *("subject_id", "set", "index", "cache", "page_requests", "metadata_requests"),
                *("file_requests", "range_requests", "unchanged", "megabytes"),
            ]
        ]
        words = {
            "page_requests": "pages",
            "metadata_requests": "metadata",
            "file_requests": "files",
            "range_requests": "of these, parts",
            "megabytes": "sent",
        }
        return tables.table(
            self._named(frame.rename(columns=words)),
            caption="What one installation asks of the index, and how much it is sent.",
            units={"sent": "MB"},
            formats={"sent": ".1f"},
            limit=12,
        )

    def index_chart(self) -> Chart:
        """Draw which of two packages of one name is installed."""
        return figures.index_order(self.answered, self._names)

    def races_chart(self) -> Chart:
        """Draw how races ended at their worst."""
        return figures.races(self.evidence.table("installer_races"), self._names)

    def races(self) -> tables.Shown:
        """Show the races, with what was left of them."""
        rows = []
        for (race, subject), own in groups(self.evidence.table("installer_races"), "race", "subject_id"):
            failed = own[own["failed"] > 0]
            whole = own["consistent"].dropna()
            rows.append(
                {
                    "subject_id": subject,
                    "race": race,
                    "trials": len(own),
                    "at once": int(own["at_once"].max()),
                    "trials in which one failed": len(failed),
                    "trials that left a mixture": int((~whole.astype(bool)).sum()) if len(whole) else None,
                    "builds": own["builds"].max(),
                    "wall": float(own["duration_s"].median()),
                    "what it said": str(failed["seen"].iloc[0])[:_SHOWN] if len(failed) else "",
                }
            )
        columns = [
            *("subject_id", "race", "trials", "at once", "trials in which one failed"),
            *("trials that left a mixture", "builds", "wall", "what it said"),
        ]
        frame = pd.DataFrame(rows, columns=columns).astype({"trials that left a mixture": "Int64"})
        return tables.table(
            self._named(frame),
            caption="Several installers at work at once: how it ended.",
            units={"wall": "s"},
            formats={"wall": ".1f"},
            code=["what it said"],
        )

    def costs(self) -> tables.Shown:
        """Show what it costs to take one installer for the other."""
        found = rules.costs(self.evidence.tables, self.policy)
        titles = self.claimed.set_index("claim")["title"]
        frame = found.assign(about=found["claim"].map(titles))[["subject_id", "level", "about", "means"]]
        return tables.table(
            self._named(frame.rename(columns={"means": "what happens"})),
            caption="What has to be known of each installer, and what goes wrong.",
            badges=["level"],
            limit=12,
        )

    def field_report(self) -> tables.Shown:
        """Show the field report's statements, and what became of the claims behind each."""
        held = self.claimed.set_index("claim")
        rows = []
        for row in load("installer_claims").frame.to_dict("records"):
            own = held.loc[held.index.intersection(str(row["claims"]).split())]
            counts = own["still_true"].value_counts()
            rows.append(
                {
                    "part": row["part"],
                    "it is said": row["says"],
                    "claims": ", ".join(f"{int(counts[word])} {word}" for word in Held if word in counts),
                    "what does not hold": first_few(
                        own.loc[own["still_true"].isin([Held.NO, Held.PARTLY]), "title"], 4
                    ),
                }
            )
        return tables.table(
            pd.DataFrame(rows), caption="The statements of the field, and how many of their claims hold."
        )

    def sets(self) -> tables.Shown:
        """Show what was installed."""
        found = self.evidence.table("installer_sets")
        frame = pd.DataFrame(
            {
                "set": found["set"],
                "stands for": found["meaning"],
                "distributions": found["distributions"].map(len),
                "with extensions": found["with_extensions"],
                "wheels": found["wheels_bytes"].astype("Float64") / 1e6,
                "into": found["python"],
            }
        )
        return tables.table(
            frame, caption="What was installed.", units={"wheels": "MB"}, formats={"wheels": ".1f"}
        )

    def releases(self) -> tables.Shown:
        """Show how old each uv is, and how many releases came after it."""
        table = load("uv_releases").frame.drop_duplicates("uv")[["uv", "released"]]
        rows = []
        for subject in self._labels.index:
            if family_of(str(subject)) != "uv":
                continue
            version = str(subject).split("-", 1)[1]
            own = table[table["uv"] == version]
            day = own["released"].iloc[0] if len(own) else None
            rows.append(
                {
                    "installer": self._names[str(subject)],
                    "released": day,
                    "age": (self.on - pd.Timestamp(day).date()).days if day is not None else None,
                    "later releases": int((table["released"] > day).sum()) if day is not None else None,
                }
            )
        columns = ["installer", "released", "age", "later releases"]
        frame = pd.DataFrame(rows, columns=columns).astype({"age": "Int64", "later releases": "Int64"})
        return tables.table(frame, caption="The versions of uv that took part.", units={"age": "days"})

    def not_measured(self) -> tables.Shown:
        """Show which claims could not be tried, and why."""
        missing = self.answered[self.answered["answer"] == "not measured"]
        rows = [
            {
                "what": claim,
                "installers": first_few(self._names[one] for one in own["subject_id"]),
                "why": why,
            }
            for (claim, why), own in groups(missing, "claim", "means")
        ]
        silent = self.claimed[self.claimed["still_true"] == Held.NOT_MEASURED]
        told = {row["what"] for row in rows}
        rows += [
            {"what": row["claim"], "installers": "all", "why": row["why"]}
            for row in silent.to_dict("records")
            if row["claim"] not in told
        ]
        if not rows:
            return said("Every claim of the catalogue was put to the test.")
        return tables.table(
            pd.DataFrame(rows), caption="Claims that could not be put to the test, and why.", limit=12
        )

    def result(self) -> dict[str, Any]:
        """Return the verdicts and key numbers for machines: the last output of the notebook."""
        found = rules.costs(self.evidence.tables, self.policy)
        result = self._result(
            faults={str(key): int(value) for key, value in _counted(found, bad=True).items()},
            to_know={str(key): int(value) for key, value in _counted(found, bad=False).items()},
        )
        result["claims"] = {
            str(row["claim"]): {
                "still_true": str(row["still_true"]),
                "changed": row["changed"] is True,
                "answers": {
                    str(one["subject_id"]): str(one["answer"])
                    for one in self.answered[self.answered["claim"] == row["claim"]].to_dict("records")
                },
            }
            for row in self.claimed.to_dict("records")
        }
        result["speed"] = [
            {
                "cache": part["cache"],
                "what": part["what"],
                "set": part["set"],
                "times": part["times"].centre,
                "low": part["times"].low,
                "high": part["times"].high,
                "blocks": part["times"].blocks,
            }
            for part in parts(self.evidence.tables)
            if part["times"] is not None
        ]
        return result


Article = InstallersArticle

_SHOWN = 160
# The cache that a claim on speed is about, and whether modules are compiled; None: as the installer comes.
_TIMED: dict[str, tuple[str, bool | None]] = {
    "speed_cold": ("cold", None),
    "speed_warm": ("warm", None),
    "speed_compiled": ("warm", True),
}
_HELD = {
    Held.YES: ("holds", "hold"),
    Held.PARTLY: ("holds in part", "hold in part"),
    Held.NO: ("does not hold", "do not hold"),
}
_TITLES = {
    "speed": "Speed and caches",
    "first_import": "The first start",
    "environments": "No environment is active",
    "pythons": "Pythons behind a firewall",
    "locks": "Locks and races",
    "indexes": "The order of indexes",
    "differences": "Other differences",
}


def _said(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["answer"] == "not applicable":
        return "·"
    if row["answer"] == "not measured":
        return "not measured"
    return str(row["means"])


def _counted(found: pd.DataFrame, *, bad: bool) -> dict[Any, int]:
    chosen = found[(found["level"] == "bad") == bad]
    return {key: int(value) for key, value in chosen.groupby("subject_id").size().items()}
