"""Make the report: run the notebook of each question on recorded evidence and write the pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay import __version__
from pyassay.reports.execution import ExecutedNotebook, Execution, Status, execute_all
from pyassay.reports.html import Asset, Download, Provenance, article, asset_of, csv_gz, data_href, write
from pyassay.reports.index import ArticleLink, Change, front_page
from pyassay.reports.notebooks import notebook_name
from pyassay.reports.parameters import ParameterError, Parameters
from pyassay.resources import share

if TYPE_CHECKING:
    import pandas as pd

    from pyassay.evidence import Evidence
    from pyassay.reference import ReferenceTable
    from pyassay.verdicts import Policy, Verdict

__all__ = ["ArticleStatus", "ReportResult", "build"]

_EMBEDDED_BYTES = 12_000
_EMBEDDED_BYTES_IN_ALL = 20_000
"""Larger tables of evidence become files beside the page, so that the page can be mailed."""

_GIVEN = ("evidence", "policy")


@dataclass(frozen=True, slots=True)
class ArticleStatus:
    """How one article came out.

    Attributes
    ----------
    question : str
        What it answers.
    page : Path
        The file, written even when the article is incomplete.
    status : Status
        Only ``done`` means that it is complete.
    message : str
        One line that says why it is not.
    duration_s : float
        Of the notebook.
    peak_memory_bytes : int or None
        Of its kernel.
    """

    question: str
    page: Path
    status: Status
    message: str
    duration_s: float
    peak_memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What :func:`build` wrote.

    Attributes
    ----------
    index : Path
        The front page.
    pages : tuple of Path
        The articles, in the order of the questions.
    statuses : tuple of ArticleStatus
        How each came out.
    verdicts : tuple of Verdict
        The judgements that the report shows.
    """

    index: Path
    pages: tuple[Path, ...]
    statuses: tuple[ArticleStatus, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def complete(self) -> bool:
        """Return whether every article is complete."""
        return all(status.status is Status.DONE for status in self.statuses)


def build(
    questions: Sequence[str],
    evidence_folder: Path,
    output: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    policy: Policy | str | Path = "default",
    interactive: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    timeout_s: float = 600.0,
    notebooks: Path | None = None,
    changes: Sequence[Change] = (),
) -> ReportResult:
    """Write ``index.html`` and one article for each question.

    Parameters
    ----------
    questions : sequence of str
        Each has a notebook, see :mod:`pyassay.reports.notebooks`.
    evidence_folder : Path
        A recorded evidence set.
    output : Path
        The folder of the pages; made if need be. Each file is replaced whole or not at all.
    parameters : dict, optional
        Further notebook parameters; text is read as the declared type. Checked before anything runs.
    policy : Policy, str or Path
        What to judge by. A Policy must be a shipped one: notebooks are told its name.
    interactive : bool
        Charts answer to the mouse; a script is written beside the pages for that.
    progress : callable, optional
        Called as ``progress(done, total, name)``.
    timeout_s : float
        For each notebook.
    notebooks : Path, optional
        Their folder; the shipped one by default.
    changes : sequence of Change
        Shown on the front page.

    Raises
    ------
    ParameterError
        If a parameter is unknown to every notebook, or a value does not fit.
    EvidenceError, PolicyError
        If the evidence or the policy cannot be read.
    FileNotFoundError
        If a question has no notebook.
    """
    from pyassay.evidence import load
    from pyassay.verdicts import judge

    files = {question: _notebook(question, notebooks) for question in questions}
    name, loaded = _policy(policy)
    settings = _settings(files, parameters or {})
    evidence = load(evidence_folder)
    output.mkdir(parents=True, exist_ok=True)
    own = {"evidence": str(evidence_folder.absolute()), "policy": name}
    executions = []
    for question, file in files.items():
        declared = Parameters.load(file).declared
        given = {key: value for key, value in own.items() if key in declared} | settings[question]
        executions.append(Execution(file, given))
    executed = execute_all(executions, timeout_s=timeout_s, progress=progress)
    verdicts = tuple(judge(evidence, loaded, list(files)))
    asset = _write_asset(output) if interactive else None
    provenance = _provenance(evidence, questions, loaded.name)
    embedded, beside = _downloads(evidence, output)
    statuses, links = [], []
    for question, notebook in zip(files, executed, strict=True):
        subjects = _counted(evidence.about(question)["subjects"])
        facts = [
            *(
                ("Subjects", subjects) if name == "Subjects" else (name, value)
                for name, value in provenance.facts
            ),
            *_parameters_fact(settings[question]),
        ]
        about = Provenance(provenance.recorded_at, facts, _references([question]), embedded)
        statuses.append(_write_article(question, notebook, about, asset, output))
        title = _title(notebook)
        links.append(ArticleLink(question, title, f"{notebook_name(question)}.html", notebook.message))
    front = Provenance(provenance.recorded_at, provenance.facts, provenance.references, beside)
    index = output / "index.html"
    write(index, front_page(_labelled(verdicts, evidence), links, front, changes=changes))
    return ReportResult(index, tuple(status.page for status in statuses), tuple(statuses), verdicts)


def _notebook(question: str, folder: Path | None) -> Path:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", question):
        raise FileNotFoundError(f"{question}: not the name of a question")
    if folder is None:
        return share("notebooks", f"{notebook_name(question)}.ipynb")
    path = folder / f"{notebook_name(question)}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no notebook")
    return path


def _policy(policy: Policy | str | Path) -> tuple[str, Policy]:
    """Return how a notebook finds the policy, and the policy."""
    from pyassay.verdicts import Policy, PolicyError

    if not isinstance(policy, Policy):
        text = str(policy)
        is_path = "/" in text or text.endswith(".toml")
        return (str(Path(text).absolute()) if is_path else text), Policy.load(text)
    if Policy.load(policy.name) != policy:
        raise PolicyError(f"{policy.name}: not the shipped policy of that name; give its path instead")
    return policy.name, policy


def _settings(files: Mapping[str, Path], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the checked parameters of each notebook; each must be known to one at least."""
    declared = {question: Parameters.load(file) for question, file in files.items()}
    settings: dict[str, dict[str, Any]] = {question: {} for question in files}
    for name, value in given.items():
        if name in _GIVEN:
            raise ParameterError(f"{name}: not set as a parameter here; use the option --{name}")
        takers = {question: known for question, known in declared.items() if name in known.declared}
        for question, known in (takers or declared).items():
            read = known.parse if isinstance(value, str) else known.check
            settings[question] |= read({name: value})
    return settings


def _write_asset(output: Path) -> Asset:
    from pyassay.reports.rendering import bundle

    asset, script = asset_of(bundle(), "vega")
    if not (output / asset.name).exists():
        write(output / asset.name, script)
    return asset


def _write_article(
    question: str, executed: ExecutedNotebook, about: Provenance, asset: Asset | None, output: Path
) -> ArticleStatus:
    page = output / f"{notebook_name(question)}.html"
    write(page, article(executed, about, question=question, asset=asset))
    return ArticleStatus(
        question, page, executed.status, executed.message, executed.duration_s, executed.peak_memory_bytes
    )


def _downloads(evidence: Evidence, output: Path) -> tuple[list[Download], list[Download]]:
    """Write every table as a file; return them for an article (small ones inside) and for the front page."""
    contents = {name: csv_gz(frame) for name, frame in evidence.tables.items()}
    inside, total = set(), 0
    for name, content in sorted(contents.items(), key=lambda item: (len(item[1]), item[0])):
        if len(content) <= _EMBEDDED_BYTES and total + len(content) <= _EMBEDDED_BYTES_IN_ALL:
            inside.add(name)
            total += len(content)
    embedded, beside = [], []
    for name, content in contents.items():
        href = f"data/{name}.csv.gz"
        write(output / "data" / f"{name}.csv.gz", content)
        rows = len(evidence.tables[name])
        beside.append(Download(name, href, rows, len(content)))
        embedded.append(Download(name, data_href(content) if name in inside else href, rows, len(content)))
    return embedded, beside


def _counted(subjects: pd.DataFrame) -> str:
    """Return how many subjects there are of each kind: ``2 interpreters, 1 artifact``."""
    kinds = subjects["kind"].replace({"environment": "interpreter"})
    return ", ".join(
        f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.value_counts(sort=False).items()
    )


def _provenance(evidence: Evidence, questions: Sequence[str], policy: str) -> Provenance:
    manifest = evidence.manifest
    host = manifest.host
    machine = [host.get("distribution", ""), host.get("machine", ""), host.get("libc", "")]
    tools = ", ".join(f"{name} {version}" for name, version in manifest.tools.items())
    references = _references(questions)
    facts = [
        ("Subjects", _counted(evidence.table("subjects"))),
        ("Machine", ", ".join(filter(None, machine))),
        ("Kernel", host.get("kernel", "")),
        ("Recorded", manifest.recorded_at),
        ("Evidence (SHA-256)", evidence.digest),
        ("Recorded with", tools),
        ("Policy", policy),
        ("Facts as of", "; ".join(f"{table.title}: {table.as_of}" for table in references)),
        ("Written by", f"pyassay {__version__}"),
    ]
    return Provenance(manifest.recorded_at, [fact for fact in facts if fact[1]], references)


def _references(questions: Sequence[str]) -> list[ReferenceTable]:
    from pyassay.reference import load

    classes = [import_module(f"pyassay.articles.{question}").Article for question in questions]
    return [load(name) for name in dict.fromkeys(name for one in classes for name in one.references_used)]


def _parameters_fact(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the parameters in words; of a path only its last part, for the folder is nobody's business."""
    words = [
        f"{name}={Path(value).name if isinstance(value, str) and '/' in value else value}"
        for name, value in sorted(settings.items())
    ]
    return [("Parameters", ", ".join(words))] if words else []


def _labelled(verdicts: Sequence[Verdict], evidence: Evidence) -> Any:
    from pyassay.verdicts import to_frame

    subjects = evidence.table("subjects")
    labels = dict(zip(subjects["subject_id"], subjects["label"], strict=True))
    frame = to_frame(verdicts)
    frame["label"] = [labels.get(subject, subject) for subject in frame["subject_id"]]
    frame["kind"] = frame["subject_id"].map(dict(zip(subjects["subject_id"], subjects["kind"], strict=True)))
    frame["_place"] = frame["subject_id"].map({subject: place for place, subject in enumerate(labels)})
    return frame.sort_values("_place", kind="stable").drop(columns="_place")


def _title(executed: ExecutedNotebook) -> str:
    for cell in executed.nb.cells:
        if cell.cell_type == "markdown" and (found := re.search(r"^# +(.+)$", cell.source, re.MULTILINE)):
            return found[1].strip()
    return executed.name
