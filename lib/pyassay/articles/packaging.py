"""The article on packaging: which form for which purpose, and what each costs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd

from pyassay import tables
from pyassay.articles import packaging_figures as figures
from pyassay.articles import packaging_lessons as lessons
from pyassay.articles.question import QuestionArticle, first_few, said, strong
from pyassay.probes.packaging.tables import ASKED_OF
from pyassay.verdicts import packaging as rules
from pyassay.verdicts.model import Level, Verdict
from pyassay.verdicts.packaging_builds import shown_names
from pyassay.verdicts.packaging_criteria import CRITERIA, GROUPS, SLIDES, Mark
from pyassay.verdicts.packaging_slides import AGREES, DEPENDS, DIFFERS, NOT_MEASURED
from pyassay.verdicts.packaging_starts import starts

__all__ = ["Article", "PackagingArticle"]

Chart = alt.LayerChart | alt.FacetChart | tables.Shown


class PackagingArticle(QuestionArticle):
    """Everything that the notebook ``packaging`` shows, from one evidence set and one policy."""

    question = "packaging"
    references_used = (
        *("packaging_slides", "packaging_claims", "packagers"),
        *("wheel_tags", "manylinux_wheels", "openssl_branches"),
    )

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict per build."""
        return rules.judge(self.evidence.tables, self.policy, self.on, self.marked)

    @cached_property
    def marked(self) -> pd.DataFrame:
        """Every mark: see :func:`pyassay.verdicts.packaging.marks`."""
        return rules.marks(self.evidence.tables, self.policy, self.on)

    @cached_property
    def compared(self) -> pd.DataFrame:
        """Every cell of the slides' table: see :func:`pyassay.verdicts.packaging.slides_comparison`."""
        return rules.slides_comparison(self.evidence.tables, self.policy, self.on, self.marked)

    @cached_property
    def by_use(self) -> pd.DataFrame:
        """The form for each purpose: see :func:`pyassay.verdicts.packaging.by_use`."""
        return rules.by_use(self.evidence.tables, self.policy, self.on, self.marked)

    @cached_property
    def started(self) -> pd.DataFrame:
        """Every start against ``python -m``: see :func:`pyassay.verdicts.packaging_starts.starts`."""
        return starts(self.evidence.tables)

    @cached_property
    def _noun(self) -> str:
        return "artifact"

    @cached_property
    def _names(self) -> dict[str, str]:
        return shown_names(self.evidence.tables)

    @cached_property
    def _labels(self) -> pd.Series[str]:
        return pd.Series(self._names, dtype="str")

    @cached_property
    def _builds(self) -> pd.DataFrame:
        builds = self.evidence.table("packaging_builds")
        return builds[builds["subject_id"].isin(self._names)]

    @cached_property
    def _runs(self) -> pd.DataFrame:
        runs = self.evidence.table("packaging_runs")
        return runs[runs["subject_id"].isin(set(self._built["subject_id"]))]

    @cached_property
    def _built(self) -> pd.DataFrame:
        return self._builds[self._builds["status"] == "built"]

    def answer(self) -> tables.Shown:
        """Say in a few sentences what was found."""
        if not len(self._built):
            return strong(["Nothing was built, so nothing can be said."])
        ran = self._runs[self._runs["outcome"] == "ran"]
        tried = self._runs[self._runs["outcome"].isin(["ran", "failed"])]
        sentences = [f"{len(self._built)} artifacts of {self._built['form'].nunique()} forms were built."]
        if len(tried):
            sentences.append(
                f"They were started in {tried['environment'].nunique()} environments: {len(ran)} of "
                f"{len(tried)} runs did what they should."
            )
        decided = lessons.reach(self.marked, self._built)
        if told := lessons.wheels_decide(decided):
            sentences.append(told)
        winners = self.by_use[self.by_use["winners"].map(len) > 0]
        if len(winners):
            first = winners.iloc[0]
            sentences.append(f"{first['title']}: {first['headline']}.")
        given = self.compared[self.compared["finding"].isin([AGREES, DIFFERS, DEPENDS])]
        if len(given):
            agreeing = int((given["finding"] == AGREES).sum())
            sentences.append(
                f"Of {len(given)} marks of the slides that could be measured, {agreeing} hold for every "
                "build of their tool."
            )
        dead = self.marked[(self.marked["criterion"] == "openssl") & (self.marked["mark"] == Mark.NO)]
        if len(dead):
            sentences.append(
                f"{len(dead)} of {len(self._built)} artifacts carry an OpenSSL whose branch has ended: "
                "who carries a library has to update it."
            )
        return strong(sentences)

    def uses(self) -> tables.Shown:
        """Show the form for each purpose, with the evidence for it and what comes next."""
        items = []
        for row in self.by_use.to_dict("records"):
            found = bool(row["winners"])
            after = [f"{self._names.get(one['subject_id'], '')}: {one['why']}" for one in row["runners_up"]]
            facts = [
                ("take" if found else "answer", row["headline"], False),
                ("because", " ".join(row["reasons"]), False),
                ("but", " ".join(row["but"]), False),
                *(("next" if found else "lacks", sentence, False) for sentence in after[:_AFTER]),
            ]
            level = Level.CAUTION if row["but"] else Level.GOOD
            items.append(tables.Finding(level if found else Level.UNKNOWN, row["title"], tuple(facts)))
        counted = int((self.by_use["winners"].map(len) > 0).sum())
        return tables.findings(items, caption=f"{counted} of {len(items)} purposes have a form that will do")

    def use_rules(self) -> tables.Shown:
        """Show what each purpose asks for, and how many artifacts fail what."""
        frame = pd.DataFrame(
            {
                "purpose": self.by_use["title"],
                "rule": self.by_use["rule"],
                "what most artifacts lack": [
                    first_few(f"{lessons.title(one['criterion'])} ({one['count']})" for one in left_out)
                    for left_out in self.by_use["left_out"]
                ],
            }
        )
        return tables.table(frame, caption="The rule of each purpose.", limit=0)

    def slides(self) -> tables.Shown:
        """Show the slides' table, with what was measured behind each of their marks."""
        rows = []
        for tool, group in self.compared.groupby("tool", sort=False):
            cells = {row["criterion"]: row for row in group.to_dict("records")}
            row = {"tool": tool}
            for one in SLIDES:
                row[_SHORT_TITLES[one.key]] = _cell(cells[one.key])
            rows.append(row)
        return tables.table(
            pd.DataFrame(rows),
            caption="The slides' mark → what was measured, over all builds of the tool. "
            "·: no mark was handed down; ?: not measured; more than one mark: it depends.",
        )

    def disagreements(self) -> tables.Shown:
        """Show every mark of the slides that does not hold, or not always, with the evidence."""
        found = self.compared[self.compared["finding"].isin([DIFFERS, DEPENDS])]
        if not len(found):
            return said("No mark of the slides that could be measured differs.")
        frame = pd.DataFrame(
            {
                "tool": found["tool"],
                "criterion": found["criterion"].map(lambda key: CRITERIA[key].title),
                "slides": found["slides"],
                "measured": found["measured"].map(" / ".join),
                "why": found["why"],
                "for instance": found["subject_id"].map(lambda subject: self._names.get(subject, "")),
                "it said": found["error_line"],
                "found by hand": found["hand_check"],
            }
        )
        return tables.table(
            frame, caption=f"The {len(frame)} marks of the slides that differ, and why.", code=["it said"]
        )

    def marks(self, group: str) -> tables.Shown:
        """Show the marks of every build by the criteria of one group.

        Parameters
        ----------
        group : str
            One of :data:`pyassay.verdicts.packaging_criteria.GROUPS`.

        Raises
        ------
        KeyError
            If there is no such group; the message lists those there are.
        """
        if group not in GROUPS:
            raise KeyError(f"{group}: no such group of criteria; there are: {', '.join(GROUPS)}")
        chosen = self.marked[self.marked["group"] == group]
        shown = chosen["mark"].map(_WORDS)
        shown = shown.where(chosen["value"] == "", chosen["value"] + " " + shown)
        shown = shown.where(~chosen["theirs"].astype(bool), chosen["mark"] + " (slides)")
        wide = chosen.assign(shown=shown).pivot(index="subject_id", columns="criterion", values="shown")
        keys = [key for key in CRITERIA if key in wide.columns]
        keys += [key for key in wide.columns if key not in keys]
        frame = wide[keys].fillna("").reset_index()
        frame.columns = ["subject_id", *(CRITERIA[key].title if key in CRITERIA else key for key in keys)]
        return tables.table(
            self._named(frame),
            caption=f"Marks: {GROUPS[group]}. ✓ yes, ▲ partly, ◆ by hand, ✕ no, ? not measured.",
            limit=None if group == "slides" else 0,
        )

    def why_marked(self) -> tables.Shown:
        """Show the evidence behind every mark by the slides' criteria that is not "yes"."""
        chosen = self.marked[
            ~self.marked["mark"].isin([Mark.YES, Mark.NOT_MEASURED]) & (self.marked["group"] == "slides")
        ]
        rows = [
            {
                "criterion": CRITERIA[criterion].title if criterion in CRITERIA else criterion,
                "mark": mark,
                "why": why,
                "in": first_few((self._names.get(subject, "") for subject in group["subject_id"]), 2),
                "it said": group["error_line"].iloc[0],
            }
            for (criterion, mark, why), group in _groups(chosen, "criterion", "mark", "why")
        ]
        return tables.table(
            pd.DataFrame(rows, columns=["criterion", "mark", "why", "in", "it said"]),
            caption="The evidence behind every mark by the slides' criteria that is not yes.",
            code=["it said"],
            limit=0,
        )

    def portability_chart(self, kind: str) -> Chart:
        """Draw the artifacts made of one kind of wheels by environments.

        Parameters
        ----------
        kind : str
            ``raw``, ``repaired`` or ``oldest``.

        Raises
        ------
        KeyError
            If there is no such kind; the message lists those there are.
        """
        if kind not in figures.INPUT_KINDS:
            raise KeyError(
                f"{kind}: no such wheels; there are: {', '.join(filter(None, figures.INPUT_KINDS))}"
            )
        # What makes no difference belongs beside the best.
        kinds = [kind, ""] if kind == "oldest" else [kind]
        chosen = self._built.loc[self._built["inputs_kind"].isin(kinds), "subject_id"]
        runs = self._runs[self._runs["subject_id"].isin(chosen)]
        return figures.portability(runs, self._short(chosen), figures.INPUT_KINDS[kind])

    def _short(self, subjects: Any) -> dict[str, str]:
        """Return names without what all of these subjects share: the wheels, the Python."""
        chosen = self._builds[self._builds["subject_id"].isin(set(subjects))]
        names = [self._names[str(subject)] for subject in chosen["subject_id"]]
        rests = [
            set(name.removeprefix(f"{form} (").removesuffix(")").split(", "))
            for name, form in zip(names, chosen["label"], strict=True)
        ]
        shared = set.intersection(*rests) if len(rests) > 1 else set()
        short = [_without(name, str(form), shared) for name, form in zip(names, chosen["label"], strict=True)]
        if len(set(short)) < len(short):
            short = names
        return dict(zip(chosen["subject_id"].map(str), short, strict=True))

    def refusals(self) -> tables.Shown:
        """Show what artifacts said where they did not run."""
        failed = self._runs[(self._runs["outcome"] == "failed") & (self._runs["distribution"] != "")]
        if not len(failed):
            return said("No artifact failed in a distribution.")
        # The artifact's own folder stands in what it says; without it the same words are the same.
        said_ = [
            str(error).replace(str(subject), "…")
            for error, subject in zip(failed["error_line"], failed["subject_id"], strict=True)
        ]
        rows = [
            {
                "it said": error or "nothing",
                "runs": len(group),
                "artifacts": first_few(self._names.get(subject, "") for subject in group["subject_id"]),
                "in": first_few((figures.short_name(run) for run in group.to_dict("records")), 3),
                "command": group["command"].iloc[0],
            }
            for (error,), group in _groups(failed.assign(said=said_), "said")
        ]
        rows.sort(key=lambda row: (-int(row["runs"]), str(row["it said"])))
        return tables.table(
            pd.DataFrame(rows),
            caption=f"What was said in the {len(failed)} runs in distributions that failed.",
            code=["it said", "command"],
            limit=10,
        )

    def inputs_chart(self) -> Chart:
        """Draw how far each form reaches, by the wheels that it was given."""
        return figures.reach(
            lessons.reach(self.marked, self._built), rows=list(dict.fromkeys(self._built["label"]))
        )

    def inputs(self) -> tables.Shown:
        """Show the wheels that packagers were given."""
        return lessons.inputs(self.evidence.table("packaging_inputs"))

    def start_chart(self) -> Chart:
        """Draw warm starts as times of ``python -m``."""
        warm = self.started[(self.started["state"] == "warm") & (self.started["what"] == "help")]
        labels = self._short(warm["command_id"])
        known = warm[warm["command_id"].isin([*labels, *warm["reference"]])]
        return figures.start(known, labels, limit=self.policy.packaging.max_start_ratio)

    def starts(self) -> tables.Shown:
        """Show every start that was timed: warm, cold and first."""
        timed = self.started[~self.started["reason"].map(str).str.startswith(ASKED_OF)]
        return lessons.starts(timed, self._short(timed["command_id"]))

    def size_chart(self) -> Chart:
        """Draw sizes against starts."""
        warm = self.started[(self.started["state"] == "warm") & (self.started["what"] == "help")]
        known = warm[warm["ratio"].notna() & warm["command_id"].isin(self._names)]
        ratios = dict(zip(known["command_id"].map(str), known["ratio"].map(float), strict=True))
        return figures.sizes(self._built, ratios, self._short(ratios))

    def footprints(self) -> tables.Shown:
        """Show what each start writes, and what stays."""
        found = self.evidence.table("packaging_footprints")
        return lessons.footprints(found, self._short(found["subject_id"]))

    def old_toolchain(self) -> tables.Shown:
        """Show what it costs to build on the oldest base rather than on this host."""
        return lessons.old_toolchain(self._built, self.started, self.marked)

    def wheel_tags(self) -> tables.Shown:
        """Show what the platform tags of wheels promise, and since when."""
        return lessons.wheel_tags(self.evidence.table("packaging_inputs"))

    def without_manylinux(self) -> tables.Shown:
        """Show which projects the slides name as having no manylinux wheels, and which still have none."""
        return lessons.without_manylinux(self.on)

    def foretold(self) -> tables.Shown:
        """Show how often the static check was right, and where it was not."""
        return lessons.foretold(self._runs, self._named)

    def outer_floors(self) -> tables.Shown:
        """Show where the outer file needs less than what is packed inside."""
        return lessons.outer_floors(self._built, self._names)

    def circumstances_chart(self) -> Chart:
        """Draw how artifacts behave on other people's machines."""
        chosen = self.marked[self.marked["group"] == "circumstances"]
        chosen = chosen[chosen["subject_id"].isin(set(self._built["subject_id"]))]
        seen = chosen.loc[chosen["mark"] != Mark.NOT_MEASURED, "subject_id"]
        return figures.behaviour(chosen, {**self._names, **self._short(seen)})

    def circumstances(self) -> tables.Shown:
        """Show what was seen where artifacts do not behave as they should."""
        return lessons.circumstances(self.marked, self._names)

    def inside(self) -> tables.Shown:
        """Show which libraries are inside, who brought them and who can replace them."""
        return lessons.inside(self.evidence.table("packaging_contents"), self._names)

    def reproducible(self) -> tables.Shown:
        """Show which builds give the same bytes twice."""
        found = self.evidence.table("packaging_repeats")
        return lessons.reproducible(found, self._short(found["subject_id"]))

    def builds(self) -> tables.Shown:
        """Show what each build took, and what came out."""
        return lessons.builds(self._built, self._named)

    def reproduce(self) -> tables.Shown:
        """Show how to build each artifact again."""
        return lessons.reproduce(self._built, self._names)

    def tools(self) -> tables.Shown:
        """Show each packager's licence, its last release, and what it cannot do."""
        return lessons.tools(self.on)

    def claims(self) -> tables.Shown:
        """Show what the slides claim, and what a check by hand found."""
        return lessons.claims()

    def not_measured(self) -> tables.Shown:
        """Show what could not be built or measured, and why."""
        missing = self._builds[self._builds["status"] != "built"]
        rows = [
            {
                "what": self._names[str(row["subject_id"])],
                "artifacts": 1,
                "why": f"{row['status']}: {row['reason']}",
            }
            for row in missing.to_dict("records")
        ]
        inputs = self.evidence.table("packaging_inputs")
        rows += [
            {
                "what": f"wheels {figures.INPUT_KINDS.get(row['kind'], row['kind'])}",
                "artifacts": 0,
                "why": row["reason"],
            }
            for row in inputs[inputs["status"] != "built"].to_dict("records")
        ]
        built = set(self._built["subject_id"])
        unseen = self.marked[
            (self.marked["mark"] == Mark.NOT_MEASURED) & self.marked["subject_id"].isin(built)
        ]
        rows += [
            {
                "what": CRITERIA[criterion].title if criterion in CRITERIA else criterion,
                "artifacts": group["subject_id"].nunique(),
                "why": why,
            }
            for (criterion, why), group in _groups(
                unseen.assign(why=unseen["why"].map(_of_another)), "criterion", "why"
            )
        ]
        if not rows:
            return said("Every form was built, and every criterion measured.")
        return tables.table(
            pd.DataFrame(rows), caption="What was not built or not measured, and why.", limit=12
        )

    def result(self) -> dict[str, Any]:
        """Return the verdicts and key numbers for machines: the last output of the notebook."""
        by: dict[str, dict[str, str]] = {}
        for row in self.marked.to_dict("records"):
            by.setdefault(str(row["subject_id"]), {})[str(row["criterion"])] = str(row["mark"])
        warm = self.started[(self.started["state"] == "warm") & (self.started["what"] == "help")]
        warm = warm[warm["ratio"].notna()]
        ratios = {
            str(name): round(float(ratio), 3)
            for name, ratio in zip(warm["command_id"], warm["ratio"], strict=True)
        }
        reached = self.marked[self.marked["criterion"] == "environments"]
        found = self._result(
            marks=by,
            environments=dict(zip(reached["subject_id"].map(str), reached["value"].map(str), strict=True)),
            start_ratio=ratios,
        )
        found["by_use"] = {str(row["use"]): row["winners"] for row in self.by_use.to_dict("records")}
        found["slides"] = {
            f"{row['tool']}: {row['criterion']}": {
                "slides": row["slides"],
                "measured": row["measured"],
                "finding": row["finding"],
            }
            for row in self.compared.to_dict("records")
        }
        return found


_AFTER = 2
_SHORT_TITLES = {
    "system-libraries": "system libraries",
    "python-dependencies": "Python packages",
    "plain-container": "container",
    "python": "Python",
    "no-installer": "no installer",
    "start-up": "start-up",
}
_WORDS = {"yes": "✓", "partly": "▲", "by hand": "◆", "no": "✕", "not measured": "?"}

Article = PackagingArticle


def _without(name: str, form: str, shared: set[str]) -> str:
    if not name.startswith(f"{form} ("):
        return name
    rest = [
        part for part in name.removeprefix(f"{form} (").removesuffix(")").split(", ") if part not in shared
    ]
    return f"{form} ({', '.join(rest)})" if rest else form


def _of_another(why: str) -> str:
    """Return why something was not measured, without the name of the artifact that was asked instead."""
    return f"{ASKED_OF}the same form with other wheels" if why.startswith(ASKED_OF) else why


def _cell(row: dict[Any, Any]) -> str:
    theirs = row["slides"] or "·"
    if row["finding"] == NOT_MEASURED:
        return f"{theirs} → ?"
    return f"{theirs} → {' / '.join(row['measured'])}"


def _groups(frame: pd.DataFrame, *by: str) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    for key, group in frame.groupby(list(by), sort=False):
        yield tuple(map(str, key if isinstance(key, tuple) else (key,))), group
