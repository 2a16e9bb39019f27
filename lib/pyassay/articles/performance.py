"""The article on performance: who is faster, by how much, how sure that is, and why."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd

from pyassay import charts, tables
from pyassay.articles.question import QuestionArticle, first_few, said, strong
from pyassay.probes.performance.estimate import ESTIMATES
from pyassay.verdicts import performance as rules
from pyassay.verdicts.model import Verdict
from pyassay.verdicts.performance_causes import causes, is_unoptimised

__all__ = ["Article", "PerformanceArticle"]

_UNIT = "pystone-like"
_BARE = "startup:bare"
_STARTUP = "startup"
_GROUPS = {
    "core": "the language",
    "c": "modules in C",
    "library": "C libraries",
    "system": "files and processes",
}


class PerformanceArticle(QuestionArticle):
    """Everything that the notebook ``performance`` shows, from one evidence set and one policy."""

    question = "performance"
    references_used = ()

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict per interpreter."""
        compared = self.comparisons if self.reference else None
        return rules.judge(self.evidence.tables, self.policy, self.on, compared)

    @cached_property
    def reference(self) -> str:
        """The subject that the others are compared with."""
        return rules.reference_of(self.evidence.tables)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Every comparison: see :func:`pyassay.verdicts.performance.comparisons`."""
        if not self.reference:
            return ESTIMATES.frame([]).assign(**{name: [] for name in rules.COMPARISON_COLUMNS})
        return rules.comparisons(self.evidence.tables, self.policy)

    @cached_property
    def _unfit(self) -> tuple[str, ...]:
        return rules.unfit_workloads(self.evidence.tables, self.policy)

    @cached_property
    def _starts(self) -> set[str]:
        """The workloads that start an interpreter."""
        workloads = self.evidence.table("performance_workloads")
        return set(workloads.loc[workloads["group"] == _STARTUP, "workload"])

    def _compared(self, scope: str, *, metric: str = "cpu", entry: str = "subject") -> pd.DataFrame:
        found = self.comparisons
        chosen = (found["scope"] == scope) & (found["metric"] == metric) & (found["entry"] == entry)
        return found[chosen]

    @cached_property
    def _name(self) -> str:
        return str(self._labels.get(self.reference, ""))

    def answer(self) -> tables.Shown:
        """Say in a few sentences who is faster, and how sure that is."""
        suite = self._compared("suite")
        if not len(suite):
            return strong(["Nothing was compared: it takes two interpreters that can be run."])
        sentences = []
        for finding, words in (
            (rules.FASTER, "faster than"),
            (rules.SLOWER, "slower than"),
            (rules.SAME, "as fast as"),
        ):
            found = suite[suite["finding"] == finding].sort_values("ratio")
            if len(found):
                sizes = [self._sized(row) for row in found.to_dict("records")]
                rest = f" and {len(sizes) - 3} more" if len(sizes) > 3 else ""
                verb = "is" if len(sizes) == 1 else "are"
                sentences.append(f"{', '.join(sizes[:3])}{rest} {verb} {words} {self._name}.")
        undecided = suite[suite["finding"] == rules.UNDECIDED]
        if len(undecided):
            names = first_few(self._labels[subject] for subject in undecided["subject_id"])
            sentences.append(f"Not decided: {names}.")
        control = self._compared("suite", entry="control")
        if len(control):
            row = control.iloc[0]
            noise = row["control_bias_percent"] + row["half_width_percent"]
            sentences.append(
                f"{self._name} against itself, in the same blocks, came out at {row['ratio']:.3f}: "
                f"the noise of this comparison is {noise:.1f} %."
            )
        if self._unfit:
            sentences.append(
                f"Left out, because the reference differs from itself on them: {first_few(self._unfit)}."
            )
        facts = self.evidence.table("build_facts")
        plain = [subject for subject in self._labels.index if is_unoptimised(facts, str(subject))]
        if plain:
            names = first_few(self._labels[subject] for subject in plain)
            sentences.append(f"Built without profile-guided and link-time optimisation: {names}.")
        return strong(sentences)

    def _sized(self, row: dict[Any, Any]) -> str:
        size = abs(100 * (row["ratio"] - 1))
        low, high = sorted((abs(100 * (row["low"] - 1)), abs(100 * (row["high"] - 1))))
        label = self._labels[row["subject_id"]]
        if row["finding"] == rules.SAME:
            return f"{label} (within {row['margin_percent']:.1f} %)"
        return f"{label} ({size:.1f} %: {low:.1f} to {high:.1f} %)"

    def suite(self) -> tables.Shown:
        """Show every interpreter against the reference, over the whole suite and by group."""
        rows = []
        for subject in self._labels.index:
            row = self._suite_row(str(subject))
            if row:
                rows.append(row)
        return tables.table(
            pd.DataFrame(rows),
            caption=f"CPU time as times that of {self._name} (below 1: faster), the suite's geometric mean.",
            formats={
                **{name: ".3f" for name in ("times", "low", "high", "wall time") if rows},
                **({"minutes to decide": ".0f"} if rows else {}),
            },
        )

    def _suite_row(self, subject: str) -> dict[str, Any]:
        found = self._compared("suite", entry="control" if subject == self.reference else "subject")
        found = found[found["subject_id"] == subject]
        if not len(found):
            return {}
        row = found.iloc[0]
        wall = self._compared(
            "suite", metric="wall", entry="control" if subject == self.reference else "subject"
        )
        wall = wall[wall["subject_id"] == subject]
        is_control = subject == self.reference
        return {
            "Python": self._labels[subject] + (" (against itself: the noise)" if is_control else ""),
            "times": row["ratio"],
            "low": row["low"],
            "high": row["high"],
            "finding": "control" if is_control else row["finding"],
            "counts beyond (%)": round(row["margin_percent"], 2),
            "blocks": row["blocks"],
            "wall time": wall["ratio"].iloc[0] if len(wall) else math.nan,
            "minutes to decide": row["minutes_more"],
        }

    def groups(self) -> tables.Shown:
        """Show every interpreter against the reference, by kind of work."""
        rows = self._compared("group")
        rows = rows[rows["name"].isin(_GROUPS)]
        if not len(rows):
            return said("No kind of work has two workloads.")
        wide = rows.pivot(index="subject_id", columns="name", values="ratio")
        order = [name for name in _GROUPS if name in wide.columns]
        members = rows.drop_duplicates("name").set_index("name")["members"]
        frame = wide[order].rename(columns=_GROUPS).reset_index()
        told = "; ".join(f"{_GROUPS[name]}: {', '.join(members[name])}" for name in order)
        return tables.table(
            self._named(frame),
            caption=f"CPU time as times that of {self._name}, by kind of work. {told}.",
            formats={_GROUPS[name]: ".3f" for name in order},
        )

    def suite_chart(self) -> alt.LayerChart | alt.FacetChart:
        """Draw every interpreter's interval, and the band of noise."""
        suite = pd.concat([self._compared("suite"), self._compared("suite", entry="control")])
        frame = self._drawn(suite)
        finding = f"Nothing was compared with {self._name}"
        if len(suite):
            counts = self._compared("suite")["finding"].value_counts()
            said_ = [
                f"{counts[word]} {word}"
                for word in (rules.FASTER, rules.SAME, rules.SLOWER, rules.UNDECIDED)
                if word in counts
            ]
            finding = f"Against {self._name}: {', '.join(said_)}"
        return charts.forest(frame, finding=finding)

    def _drawn(self, rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "label": [
                    f"{self._labels[subject]}{' (control)' if entry == 'control' else ''}"
                    for subject, entry in zip(rows["subject_id"], rows["entry"], strict=True)
                ],
                "ratio": rows["ratio"],
                "low": rows["low"],
                "high": rows["high"],
                "margin_percent": rows["margin_percent"],
                "finding": rows["finding"].where(rows["entry"] != "control", "control"),
            }
        )

    def workloads_chart(self) -> alt.LayerChart | alt.FacetChart:
        """Draw every workload: a forest for one interpreter, a matrix for several."""
        rows = self._compared("workload")
        rows = rows[~rows["name"].isin(self._starts)]
        subjects = list(dict.fromkeys(rows["subject_id"]))
        apart = rows[rows["finding"].isin([rules.FASTER, rules.SLOWER])]
        undecided = int((rows["finding"] == rules.UNDECIDED).sum())
        finding = (
            f"{len(apart)} of {len(rows)} single comparisons show a difference, {undecided} are not decided"
        )
        if len(subjects) <= 1:
            frame = self._drawn(rows)
            return charts.forest(frame.assign(label=list(rows["name"])), finding=finding)
        cells = pd.DataFrame(
            {
                "label": [self._labels[subject] for subject in rows["subject_id"]],
                "workload": rows["name"],
                "times": [f"{ratio:.2f}" for ratio in rows["ratio"]],
                "finding": rows["finding"],
            }
        )
        return charts.speed_matrix(
            cells,
            columns=[self._labels[subject] for subject in self._labels.index if subject in subjects],
            rows=list(dict.fromkeys(rows["name"])),
            finding=finding,
        )

    def workloads(self) -> tables.Shown:
        """Show every single comparison."""
        rows = self._compared("workload")
        frame = rows[["subject_id", "name", "ratio", "low", "high", "finding", "subject_s", "minutes_more"]]
        frame = frame.assign(subject_s=1e6 * frame["subject_s"]).rename(
            columns={
                "name": "workload",
                "ratio": "times",
                "subject_s": "CPU per iteration",
                "minutes_more": "minutes to decide",
            }
        )
        return tables.table(
            self._named(frame),
            caption=f"Every workload, as times the CPU time of {self._name}.",
            formats=dict.fromkeys(("times", "low", "high"), ".3f"),
            units={"CPU per iteration": "µs"},
            limit=10,
        )

    def blocks_chart(self) -> alt.LayerChart | alt.FacetChart:
        """Draw the samples themselves: the suite's ratio in each block."""
        frame = self._block_ratios()
        spread = frame.groupby("label")["percent"].agg(lambda values: values.max() - values.min())
        widest = f"{spread.max():.1f} %" if len(spread) else "nothing"
        return charts.block_ratios(
            frame,
            rows=list(dict.fromkeys(frame["label"])),
            finding=f"Single blocks of one comparison lie up to {widest} apart: none of them is a result",
        )

    def _block_ratios(self) -> pd.DataFrame:
        samples = self.evidence.table("performance_samples")
        workloads = self.evidence.table("performance_workloads")
        suite = set(workloads.loc[workloads["in_suite"], "workload"]) - set(self._unfit)
        counted = samples[(samples["round"] > 0) & (samples["block"] > 0) & samples["workload"].isin(suite)]
        per = counted.assign(each=counted["cpu_s"] / counted["iterations"].astype(float))
        cells = per.groupby(["subject_id", "entry", "block", "workload"])["each"].median()
        logs = cells.map(lambda value: math.log(value) if value > 0 else math.nan)
        wide = logs.unstack(["subject_id", "entry"])
        if (self.reference, "subject") not in wide.columns:
            return pd.DataFrame({"label": [], "percent": [], "block": []})
        ratios = wide.sub(wide[self.reference, "subject"], axis=0).groupby(level="block").mean()
        rows = []
        for key in ratios.columns:
            subject, entry = str(key[0]), str(key[1])
            if (subject, entry) == (self.reference, "subject"):
                continue
            label = f"{self._labels[subject]}{' (control)' if entry == 'control' else ''}"
            values = ratios[key].dropna()
            rows += [
                {"label": label, "block": block, "percent": 100 * (math.exp(value) - 1)}
                for block, value in zip(values.index, values, strict=True)
            ]
        return pd.DataFrame(rows, columns=["label", "block", "percent"])

    def startup(self) -> tables.Shown:
        """Show how long each takes to start."""
        rows = pd.concat(
            [self._compared("workload"), self._compared("workload", entry="control")], ignore_index=True
        )
        rows = rows[rows["name"].isin(self._starts)]
        if not len(rows):
            return said("Start-up was not measured.")
        seconds = rows.assign(shown=1000 * rows["subject_s"])
        wide = seconds[seconds["entry"] == "subject"].pivot(
            index="subject_id", columns="name", values="shown"
        )
        own = seconds[seconds["entry"] == "control"].set_index("name")["shown"]
        if self.reference:
            wide.loc[self.reference] = own
        order = list(dict.fromkeys(rows["name"]))
        frame = wide.reindex(columns=order).reset_index()
        return tables.table(
            self._named(frame),
            caption="CPU time of one start, median over blocks, bytecode present.",
            units=dict.fromkeys(order, "ms"),
            formats=dict.fromkeys(order, ".1f"),
        )

    def memory(self) -> tables.Shown:
        """Show the high-water mark of memory."""
        memory = self.evidence.table("performance_memory")
        known = memory[memory["peak_bytes"].notna()]
        if not len(known):
            return said("Memory was not measured.")
        rows = []
        for subject, group in known.assign(mb=known["peak_bytes"].astype(float) / 1e6).groupby("subject_id"):
            bare = group.loc[group["workload"] == _BARE, "mb"]
            work = group[group["workload"] != _BARE].sort_values("mb")
            rows.append(
                {
                    "subject_id": subject,
                    "bare start": bare.iloc[0] if len(bare) else math.nan,
                    "median workload": work["mb"].median(),
                    "hungriest workload": work["mb"].max(),
                    "which": str(work["workload"].iloc[-1]) if len(work) else "",
                }
            )
        sizes = ["bare start", "median workload", "hungriest workload"]
        return tables.table(
            self._named(pd.DataFrame(rows)),
            caption="High-water mark of resident memory (VmHWM), each workload in a process of its own.",
            units=dict.fromkeys(sizes, "MB"),
            formats=dict.fromkeys(sizes, ".1f"),
        )

    def unit(self) -> tables.Shown:
        """Show the pystone-like unit: loops in a second, as benchmark articles print it."""
        samples = self.evidence.table("performance_samples")
        own = samples[(samples["workload"] == _UNIT) & (samples["round"] > 0) & (samples["block"] > 0)]
        own = own[own["entry"] == "subject"]
        if not len(own):
            return said("The pystone-like unit was not measured.")
        rate = own["iterations"].astype(float) / own["cpu_s"]
        found = own.assign(rate=rate).groupby("subject_id", sort=False)["rate"]
        frame = pd.DataFrame({"median": found.median(), "slowest": found.min(), "fastest": found.max()})
        frame["chunks"] = found.size()
        return tables.table(
            self._named(frame.reset_index()),
            caption="The pystone-like unit: loops in a second of CPU. Read the spread before the ranking.",
            formats=dict.fromkeys(("median", "slowest", "fastest"), ",.0f"),
        )

    def instructions(self) -> tables.Shown:
        """Show instructions counted, where they were: exact, but no speed."""
        counted = self.evidence.table("instructions")
        known = counted[counted["instructions"].notna()]
        if not len(counted):
            return said("Instructions were not counted: --instructions does.")
        if not len(known):
            return said(f"Instructions could not be counted: {counted['reason'].iloc[0]}.")
        each = known.assign(each=known["instructions"].astype(float) / known["iterations"].astype(float))
        wide = each.pivot(index="subject_id", columns="workload", values="each")
        order = list(dict.fromkeys(known["workload"]))
        return tables.table(
            self._named(wide[order].reset_index()),
            caption=f"Instructions of one iteration, counted by {known['tool'].iloc[0]}: exact, "
            "but not a speed, and no ranking.",
            formats=dict.fromkeys(order, ",.0f"),
        )

    def why(self) -> tables.Shown:
        """Show what sets each build apart from the reference: seen in the binary, or guessed."""
        rows = [
            {"subject_id": subject, "what": cause.sentence, "that is": "seen" if cause.seen else "a guess"}
            for subject in self._labels.index
            if subject != self.reference
            for cause in causes(self.evidence.tables, str(subject))
        ]
        if not rows:
            return said("Nothing was found that sets these builds apart.")
        return tables.table(
            self._named(pd.DataFrame(rows)),
            caption=f"What sets each build apart from {self._name}.",
            limit=15,
        )

    def build_facts(self) -> tables.Shown:
        """Show what each build declares of itself, and what its binary shows."""
        facts = self.evidence.table("build_facts")
        frame = facts[["subject_id", "fact", "declared", "observed", "evidence"]]
        return tables.table(
            self._named(frame),
            caption="What each build declares of itself (sysconfig), and what its binary shows.",
            code=["declared"],
            limit=0,
        )

    def hidden(self) -> tables.Shown:
        """Show how many differences are not shown as such, because the noise could have made them."""
        rows = self._compared("workload")
        rows = rows[~rows["name"].isin(self._starts)]
        undecided = rows[rows["finding"] == rules.UNDECIDED]
        if not len(undecided):
            return said("Every single comparison is decided.")
        biggest = undecided.assign(size=(undecided["ratio"].map(math.log)).abs()).nlargest(5, "size")
        named = first_few(
            (f"{row['name']} of {self._labels[row['subject_id']]}" for row in biggest.to_dict("records")), 5
        )
        return said(
            f"{len(undecided)} of {len(rows)} single comparisons are not decided, and so not called "
            f"differences, however large they look: {named}."
        )

    def environment(self) -> tables.Shown:
        """Show the machine while it measured: load, steal, clocks, settings."""
        facts = self.evidence.table("performance_environment")
        return tables.table(
            facts[["fact", "value", "warning"]][facts["subject_id"] == ""],
            caption="The machine and the settings of this measurement.",
            limit=10,
        )

    def failures(self) -> tables.Shown:
        """Show what was lost on the way."""
        failures = self.evidence.table("performance_failures")
        if not len(failures):
            return said("No cell was lost.")
        rows = [
            {
                "subject_id": subject,
                "workload": workload or "the worker",
                "kind": kind,
                "times": len(group),
                "reason": group["reason"].iloc[0],
            }
            for (subject, workload, kind), group in failures.groupby(
                ["subject_id", "workload", "kind"], sort=False
            )
        ]
        return tables.table(self._named(pd.DataFrame(rows)), caption="What was lost, and why.", limit=10)

    def result(self) -> dict[str, Any]:
        """Return the verdicts and key numbers for machines: the last output of the notebook."""
        suite = self._compared("suite")

        def column(name: str) -> dict[str, float]:
            return {
                str(subject): round(float(value), 4)
                for subject, value in zip(suite["subject_id"], suite[name], strict=True)
                if math.isfinite(value)
            }

        return self._result(ratio=column("ratio"), low=column("low"), high=column("high"))


Article = PerformanceArticle
