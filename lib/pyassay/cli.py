"""The command ``pyassay``.

Nothing heavy is imported here: each command imports what it needs when it runs, so that ``--help`` is quick.
Data goes to standard output, everything else to standard error.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pyassay import __version__, images_command, refresh_command
from pyassay.probes import ABOUT_PYTHONS, ABOUT_TOOLS, QUESTIONS, probe_module
from pyassay.subjects.model import Interpreter
from pyassay.terminal import json_document, progress_bar, table, tell, write
from pyassay.verdicts.model import Level

if TYPE_CHECKING:
    from pyassay.evidence import Evidence
    from pyassay.probes.trials import TrialPlace
    from pyassay.reports.index import Change
    from pyassay.subjects import Subject, Subjects
    from pyassay.verdicts import Policy, Verdict

__all__ = ["app", "main"]

_MINUTES, _MINUTES_EACH, _FEW = 4.0, 0.25, 5
_COUNTED = ("pystone-like", "calls", "json", "zlib")
FINDING, USAGE, NOT_ASSAYED, FAILED, INTERRUPTED = 1, 2, 3, 4, 130

_EPILOG = (
    "Exit codes: 0 all is well, 1 a finding at or above --fail-on, 2 usage, "
    "3 some subject could not be assayed, 4 pyassay itself failed, 130 interrupted."
)

app = typer.Typer(
    name="pyassay",
    help="Measure the Pythons that you ship, judge them, and write the article about them.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    # Without rich: importing it would double the time to the first line of help.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


app.add_typer(images_command.app)


@dataclass(slots=True)
class _Run:
    """What holds for the whole run."""

    debug: bool = False


class UsageError(Exception):
    """What the user asked for cannot be done: one line that says why."""


def _level(word: str) -> Level:
    """Return the level that a word names; typer's own refusal of a wrong one does not read well."""
    try:
        return Level(word)
    except ValueError as error:
        raise typer.BadParameter(f"{word!r} is not one of {', '.join(Level)}") from error


Selectors = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SELECTOR",
        help="A path or glob (Pythons, wheels, pex, deb, binaries ...), python3.12, uv:3.12, "
        "pyenv:3.12.1 ...; none: every Python found.",
        show_default=False,
    ),
]
Search = Annotated[
    list[Path] | None,
    typer.Option("--search", metavar="DIR", help="Look for Pythons in this folder, too.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PolicyName = Annotated[str, typer.Option(metavar="NAME|FILE", help="What to judge by.")]
Run = Annotated[
    bool,
    typer.Option(
        "--run", help="Try it, too: in every image of the Docker engine, and on an older processor."
    ),
]
In = Annotated[
    list[str] | None,
    typer.Option(
        "--in", metavar="IMAGE", help="Try it in this image only (several: these).", show_default=False
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES",
        min=0.1,
        help="How long to measure speed (default: of Pythons 4, and more for many; of tools less).",
        show_default=False,
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="The Python that others are compared with: an id as find shows.",
        show_default=False,
    ),
]
Workloads = Annotated[
    list[str] | None,
    typer.Option(
        "--workload",
        metavar="MODULE:FUNCTION|FILE.py",
        help="Measure the speed of this besides (several: each).",
        show_default=False,
    ),
]
OwnTests = Annotated[
    bool,
    typer.Option("--own-tests", help="Run a part of CPython's own tests, where a Python carries them."),
]
Instructions = Annotated[
    bool,
    typer.Option("--instructions", help="Count instructions, too (perf or valgrind): exact, but no speed."),
]
Online = Annotated[
    bool, typer.Option("--online", help="Ask the package index for advisories of installed packages.")
]
Full = Annotated[
    bool, typer.Option("--full", help="Tools: everything that can be measured, however long it takes.")
]
Packagers = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME", help="Packaging: these packagers only: pex,nuitka.", show_default=False
    ),
]
Patient = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Packaging: pack this project of yours.", show_default=False),
]
Installers = Annotated[
    str | None,
    typer.Option(
        metavar="NAME==VERSION,...",
        help="Installers: these, instead of two uv and a pip.",
        show_default=False,
    ),
]
Project = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Backends: build this project of yours, too.", show_default=False),
]
FailOn = Annotated[
    Level | None,
    typer.Option(
        "--fail-on",
        parser=_level,
        metavar="LEVEL",
        help="Exit with 1 when a verdict is this or worse: good, caution, unknown, bad.",
        show_default=False,
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        write(f"pyassay {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="PYASSAY_DEBUG", help="Show tracebacks instead of one-line errors."),
    ] = False,
) -> None:
    context.obj.debug = debug


@app.command()
def find(selectors: Selectors = None, search: Search = None, as_json: Json = False) -> None:
    """List the Pythons of this machine and who built them."""
    subjects = _subjects(selectors, search)
    if as_json:
        interpreters = [one for one in subjects if isinstance(one, Interpreter)]
        artifacts = [one for one in subjects if not isinstance(one, Interpreter)]
        write(json_document(interpreters=interpreters, artifacts=artifacts, remarks=subjects.remarks))
        return
    write(
        table(
            ("ID", "VERSION", "ARCH", "LIBC", "BUILDER", "PATH", "REMARK"),
            map(_found_cells, subjects),
        )
    )


def _found_cells(subject: Subject) -> tuple[str, ...]:
    if not isinstance(subject, Interpreter):
        kind = subject.format or str(subject.kind)
        return (subject.id, kind, "", "", "", os.fspath(subject.path), subject.error or "")
    return (
        subject.id,
        f"{subject.implementation} {subject.version}".strip(),
        subject.architecture,
        subject.libc,
        f"{subject.provenance.label} ({subject.provenance.confidence})",
        os.fspath(subject.environment or subject.executable),
        subject.error or "; ".join(subject.provenance.clues[:1]),
    )


@app.command()
def probe(
    context: typer.Context,
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help=f"What to find out: {', '.join(QUESTIONS)}.")
    ],
    selectors: Selectors = None,
    search: Search = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="The new folder of the evidence set.")] = Path(
        "evidence"
    ),
    run: Run = False,
    images: In = None,
    minutes: Minutes = None,
    reference: Reference = None,
    workloads: Workloads = None,
    own_tests: OwnTests = False,
    instructions: Instructions = False,
    online: Online = False,
    full: Full = False,
    packagers: Packagers = None,
    patient: Patient = None,
    installers: Installers = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Record an evidence set: facts, no verdicts."""
    _known(question)
    if output.exists():
        raise UsageError(f"{output}: exists already; name another folder with --output")
    _writable(output.absolute().parent)
    wishes = _Wishes.of(context, [question], selectors or ())
    evidence = _gather(wishes, _subjects(selectors, search))
    folder = _save(evidence, output)
    failures = _not_assayed(evidence)
    if as_json:
        rows = {name: len(frame) for name, frame in evidence.tables.items()}
        write(json_document(evidence=folder, question=question, tables=rows, not_assayed=failures))
    else:
        write(f"{folder}\n")
    _finish([], None, failures)


@app.command()
def judge(
    evidence_folder: Annotated[
        Path, typer.Argument(metavar="EVIDENCE", help="The folder of an evidence set.")
    ],
    policy: PolicyName = "default",
    fail_on: FailOn = None,
    as_json: Json = False,
) -> None:
    """Give verdicts on a recorded evidence set.

    They are given as of the day on which it was recorded.
    """
    from pyassay.verdicts import judge as judge_evidence

    evidence = _load(evidence_folder)
    verdicts = judge_evidence(evidence, _policy(policy))
    failures = _not_assayed(evidence)
    if as_json:
        write(json_document(verdicts=verdicts, not_assayed=failures))
    else:
        write(_verdict_table(verdicts))
    _finish([verdict.level for verdict in verdicts], fail_on, failures)


@app.command()
def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Wheels, wheelhouses, pex, deb, binaries.")
    ],
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG",
            help="Nothing may need more than this platform tag (several: one of them).",
            show_default=False,
        ),
    ] = None,
    distro: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:VERSION", help="Everything must run on this release: debian:11.", show_default=False
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Judge by this policy, too.", show_default=False),
    ] = None,
    security: Annotated[
        bool,
        typer.Option("--security", help="Nothing inside may have an open advisory (offline, by the tables)."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that what is shipped keeps what it claims.

    One line for each finding, and exit code 1 when there is one. Nothing is run.
    """
    from pyassay.gate import GateError
    from pyassay.gate import check as check_subjects

    judged_by = None if policy is None else _policy(policy)
    subjects = _subjects(paths, None)
    with progress_bar(f"Checking {len(subjects)}") as progress, _users_fault(GateError):
        checked = check_subjects(
            subjects, allow=allow or (), distros=distro or (), policy=judged_by, progress=progress
        )
    if security:
        from pyassay.security_gate import check_security

        with progress_bar(f"Checking {len(subjects)} for advisories") as progress:
            opened, unknown = check_security(subjects, judged_by or _policy("default"), progress=progress)
        checked = replace(
            checked,
            findings=(*checked.findings, *opened),
            unreadable=(*checked.unreadable, *unknown),
        )
    if as_json:
        write(json_document(**asdict(checked)))
    else:
        for finding in checked.findings:
            write(f"{finding.line}\n")
        count = f"{checked.subjects} checked: {checked.wheels} wheels, {checked.elf_files} ELF files"
        tell(f"{count}, {len(checked.findings)} findings")
    for finding in checked.unreadable:
        lacking = "not known" if finding.wanted == "to be known" else "not read"
        tell(f"{finding.file}: {lacking}: {finding.found}")
    if checked.findings or checked.unreadable:
        raise typer.Exit(FINDING if checked.findings else NOT_ASSAYED)


@app.command()
def report(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUESTION|SELECTOR",
            help="Questions to answer (none: those about Pythons; all), then the Pythons to ask about (none: "
            "every one found).",
            show_default=False,
        ),
    ] = None,
    search: Search = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Report on this recorded evidence set instead of probing.", show_default=False
        ),
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the HTML goes.")] = Path("reports"),
    record: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the evidence set in this new folder.", show_default=False),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Show what changed since this evidence set (else: since the last run that asked the same).",
            show_default=False,
        ),
    ] = None,
    run: Run = False,
    images: In = None,
    minutes: Minutes = None,
    reference: Reference = None,
    workloads: Workloads = None,
    own_tests: OwnTests = False,
    instructions: Instructions = False,
    online: Online = False,
    full: Full = False,
    packagers: Packagers = None,
    patient: Patient = None,
    installers: Installers = None,
    project: Project = None,
    policy: PolicyName = "default",
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--parameter", metavar="NAME=VALUE", help="Set a notebook parameter.", show_default=False
        ),
    ] = None,
    fail_on: FailOn = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Charts that answer to the mouse.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Probe, judge and write the HTML article.

    Writes OUTPUT/index.html and one article for each question. Without --record, the evidence set is kept in
    OUTPUT/evidence, in place of the last one that answers the same questions.
    """
    questions, selectors = _split(words or ())
    if evidence is not None and (selectors or record is not None or _Wishes.of(context, (), ()).parameters):
        raise UsageError("--evidence is a recorded set: nothing about what is to be probed goes with it")
    if record is not None and record.exists():
        raise UsageError(f"{record}: exists already; name another folder with --record")
    judged_by = _policy(policy)
    values = _parameters(questions, parameters or ())
    _writable(output.absolute())
    before = None if baseline is None else _load(baseline)

    from pyassay.reports import build

    with contextlib.ExitStack() as stack:
        if evidence is not None:
            folder = kept = evidence
            observed = _load(evidence)
            questions = _answered(questions, observed, evidence, asked_for=bool(words))
        else:
            wishes = _Wishes.of(context, questions, selectors)
            observed = _gather(wishes, _subjects_of_report(selectors, search))
            kept = output / "evidence" / _set_name(questions)
            before = before or _last_run(kept, observed)
            if record is not None:
                folder = kept = _save(observed, record)
            else:
                # The last run's is replaced when the pages are: an interrupted run leaves both as they were.
                kept = kept.absolute()
                folder = stack.enter_context(_staged(observed, kept))
        changed = _changes(before, observed, judged_by)
        with progress_bar("Writing the report") as progress:
            result = build(
                questions,
                folder,
                output,
                values,
                policy=policy,
                interactive=interactive,
                progress=progress,
                changes=changed,
            )
    failures = _not_assayed(observed)
    if as_json:
        write(
            json_document(
                index=result.index,
                articles=result.statuses,
                evidence=kept,
                verdicts=result.verdicts,
                changes=changed,
                not_assayed=failures,
            )
        )
    else:
        write(f"{_verdict_table(result.verdicts)}\n{result.index}\n")
    for status in result.statuses:
        if status.message:
            tell(f"{status.page}: incomplete: {status.message}")
    if not result.complete:
        raise typer.Exit(FAILED)
    _finish([verdict.level for verdict in result.verdicts], fail_on, failures)


@app.command()
def sbom(
    evidence_folder: Annotated[
        Path, typer.Argument(metavar="EVIDENCE", help="The folder of an evidence set on security.")
    ],
    subject: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Of which subject, if there are several.", show_default=False),
    ] = None,
) -> None:
    """Print what was found in a subject as a CycloneDX bill of materials, with its evidence."""
    from pyassay.sbom import SbomError, cyclonedx

    evidence = _load(evidence_folder)
    with _users_fault(SbomError):
        write(f"{cyclonedx(evidence, subject)}\n")


@app.command()
def lab() -> None:
    """Open the notebooks in JupyterLab."""
    from importlib.util import find_spec

    if find_spec("jupyterlab") is None:
        raise UsageError(
            "JupyterLab is not installed here: pip install 'pyassay[lab]', or `make lab` in a checkout"
        )
    folder = _notebooks_to_edit()
    tell(f"Opening {folder}")
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", os.fspath(folder)])  # noqa: S606 - no shell


app.command()(refresh_command.refresh)


def _split(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the questions that words begin with and the selectors after them.

    With no question: those about Pythons. The others fetch tools and put them to work, so one asks for them.
    """
    if words and words[0] == "all":
        return QUESTIONS, tuple(words[1:])
    count = next((number for number, word in enumerate(words) if word not in QUESTIONS), len(words))
    return tuple(dict.fromkeys(words[:count])) or ABOUT_PYTHONS, tuple(words[count:])


def _known(question: str) -> None:
    from difflib import get_close_matches

    if question not in QUESTIONS:
        near = "".join(f"; did you mean {one}?" for one in get_close_matches(question, QUESTIONS, 1, 0.7))
        raise UsageError(f"{question}: no such question; there are: {', '.join(QUESTIONS)}{near}")


def _subjects(selectors: Sequence[str] | None, search: Sequence[Path] | None) -> Subjects:
    from pyassay.subjects import SelectorError
    from pyassay.subjects import find as find_subjects

    for folder in search or ():
        # For find() a remark: here it is a typing error, and a report on another set than was meant.
        if not Path(os.path.expanduser(folder)).is_dir():  # noqa: PTH111 - a home that is not there is no error
            raise UsageError(f"--search {folder}: no such folder")
    with progress_bar("Looking"), _users_fault(SelectorError):
        subjects = find_subjects(*(selectors or ()), search=tuple(search or ()))
    for remark in subjects.remarks:
        tell(remark)
    return subjects


def _subjects_of_report(selectors: Sequence[str], search: Sequence[Path] | None) -> Subjects:
    """Return the same; a word that is no selector may be a question that was mistyped."""
    from difflib import get_close_matches

    try:
        return _subjects(selectors, search)
    except UsageError as error:
        near = get_close_matches(selectors[0], QUESTIONS, 1, 0.7) if selectors else []
        if near and str(error).startswith(f"{selectors[0]}: "):
            raise UsageError(f"{error}; did you mean the question {near[0]}?") from error
        raise


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What the user asked to be probed, and how: the options that `probe` and `report` share."""

    questions: Sequence[str]
    selectors: Sequence[str]
    search: Sequence[Path] | None
    run: bool
    images: Sequence[str] | None
    minutes: float | None
    reference: str | None
    workloads: Sequence[str] | None
    own_tests: bool
    instructions: bool
    online: bool
    full: bool
    packagers: str | None
    patient: Path | None
    installers: str | None
    project: Path | None

    @classmethod
    def of(cls, context: typer.Context, questions: Sequence[str], selectors: Sequence[str]) -> _Wishes:
        """Return what a command's options ask for."""
        options: dict[str, Any] = {field.name: context.params.get(field.name) for field in fields(cls)}
        return cls(**options | {"questions": questions, "selectors": selectors})

    @property
    def parameters(self) -> dict[str, str]:
        """Return them as they are kept with the evidence: runs that asked the same are comparable."""
        asked = {
            "selectors": " ".join(self.selectors),
            "search": " ".join(map(os.fspath, self.search or ())),
            "run": "yes" if self.run or self.images else "",
            "in": " ".join(self.images or ()),
            "minutes": "" if self.minutes is None else f"{self.minutes:g}",
            "reference": self.reference or "",
            "workload": " ".join(self.workloads or ()),
            "own tests": "yes" if self.own_tests else "",
            "instructions": "yes" if self.instructions else "",
            "online": "yes" if self.online else "",
            "full": "yes" if self.full else "",
            "packagers": self.packagers or "",
            "patient": "" if self.patient is None else os.fspath(self.patient),
            "installers": self.installers or "",
            "project": "" if self.project is None else os.fspath(self.project),
        }
        return {name: text for name, text in asked.items() if text}

    def settings(self, subjects: Sequence[Subject]) -> dict[str, object]:
        """Return what the probes are told, by question."""
        settings: dict[str, object] = {}
        if self.own_tests:
            if "compatibility" not in self.questions:
                raise UsageError("--own-tests is for the question compatibility")
            from pyassay.probes.compatibility import Settings as Compatibility

            settings["compatibility"] = Compatibility(own_tests=True)
        if self.online:
            if "security" not in self.questions:
                raise UsageError("--online is for the question security")
            from pyassay.probes.package_advisories import Settings as Advisories

            settings["security"] = Advisories(online=True)
        if "performance" in self.questions:
            settings["performance"] = self._speed(subjects)
        elif self.reference or self.workloads or self.instructions:
            raise UsageError("--reference, --workload and --instructions are for the question performance")
        settings |= self._tools()
        if self.minutes is not None and not {"performance", *ABOUT_TOOLS} & set(self.questions):
            raise UsageError(f"--minutes is for the questions performance, {', '.join(ABOUT_TOOLS)}")
        return settings

    def _tools(self) -> dict[str, object]:
        """Return what the questions about tools are told; of each only what was asked for."""
        given = {
            "--packagers": (self.packagers, "packaging"),
            "--patient": (self.patient, "packaging"),
            "--installers": (self.installers, "installers"),
            "--project": (self.project, "backends"),
        }
        for option, (value, question) in given.items():
            if value is not None and question not in self.questions:
                raise UsageError(f"{option} is for the question {question}")
        if self.full and not set(ABOUT_TOOLS) & set(self.questions):
            raise UsageError(f"--full is for the questions {', '.join(ABOUT_TOOLS)}")
        # Who names packagers wants these, also one that takes minutes.
        full = {"packaging": self.full or self.packagers is not None}
        told: dict[str, dict[str, object]] = {
            question: {"profile": "full" if full.get(question, self.full) else "quick"}
            for question in ABOUT_TOOLS
        }
        if self.packagers is not None:
            told["packaging"]["packagers"] = _words(self.packagers)
        if self.patient is not None:
            told["packaging"]["patient"] = os.fspath(self.patient)
        if self.installers is not None:
            told["installers"]["installers"] = _words(self.installers)
        if self.project is not None:
            told["backends"]["project"] = self.project
        if self.minutes is not None:
            told["packaging"]["start_minutes"] = self.minutes
            told["installers"]["budget_min"] = told["backends"]["minutes"] = self.minutes
        settings: dict[str, object] = {}
        for question in self.questions:
            if question in ABOUT_TOOLS:
                module = probe_module(question)
                with _users_fault(module.SettingsError):
                    settings[question] = module.Settings(**told[question])
        return settings

    def _speed(self, subjects: Sequence[Subject]) -> object:
        from pyassay.probes.performance.reference import default_reference
        from pyassay.probes.performance.settings import OwnWorkload, Settings

        ids = [one.id for one in subjects if isinstance(one, Interpreter)]
        workloads = self.workloads or ()
        for workload in workloads:
            if workload.endswith(".py") and not Path(workload).is_file():
                raise UsageError(f"--workload {workload}: no such file")
        if self.reference and self.reference not in ids:
            raise UsageError(
                f"--reference {self.reference}: none of the Pythons; there are: {', '.join(ids)}"
            )
        # All take turns, so more of them need more time for as many blocks.
        many = max(len(ids) - _FEW, 0)
        return Settings(
            budget_s=60 * (self.minutes or _MINUTES + _MINUTES_EACH * many),
            reference=self.reference or default_reference(subjects),
            own=tuple(map(OwnWorkload, workloads)),
            instructions=_COUNTED if self.instructions else (),
        )


def _words(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written before anything is measured for it."""
    from tempfile import TemporaryDirectory

    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise UsageError(f"{folder}: {there} is no folder")
    try:
        TemporaryDirectory(prefix=".pyassay-", dir=there).cleanup()
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _set_name(questions: Sequence[str]) -> str:
    """Return the folder's name of the evidence on some questions."""
    sets = {QUESTIONS: "all", ABOUT_PYTHONS: "pythons"}
    return sets.get(tuple(questions)) or "+".join(questions)


def _answered(
    questions: tuple[str, ...], evidence: Evidence, folder: Path, *, asked_for: bool
) -> tuple[str, ...]:
    """Return the questions that recorded evidence answers; one that was asked for must be among them."""
    held = evidence.manifest.questions
    if asked_for and (absent := [question for question in questions if question not in held]):
        raise UsageError(f"{folder}: holds nothing on {absent[0]}, only on {', '.join(held)}")
    return tuple(question for question in questions if question in held)


def _gather(wishes: _Wishes, subjects: Sequence[Subject]) -> Evidence:
    from pyassay.gathering import gather
    from pyassay.places.interruption import unwound_by_signals

    if not subjects:
        raise UsageError("no Python found to ask about")
    settings = wishes.settings(subjects)

    with contextlib.ExitStack() as stack:
        stack.enter_context(unwound_by_signals())
        places: Sequence[TrialPlace] = ()
        if wishes.run or wishes.images:
            from pyassay.probes.trials import NoPlace, places_at_hand

            with progress_bar("Reading the images"):
                places = stack.enter_context(places_at_hand(wishes.images or ()))
            for place in places:
                if isinstance(place, NoPlace):
                    tell(f"{place.name}: nothing is tried there: {place.reason}")
        for_what = ", ".join(wishes.questions)
        progress = stack.enter_context(progress_bar(f"Probing {len(subjects)} for {for_what}"))
        return gather(
            wishes.questions,
            subjects,
            places=places,
            settings=settings,
            parameters=wishes.parameters,
            progress=progress,
        )


def _load(folder: Path) -> Evidence:
    from pyassay.evidence import EvidenceError, load

    with _users_fault(EvidenceError):
        return load(folder)


def _save(evidence: Evidence, folder: Path) -> Path:
    from pyassay.evidence import EvidenceError

    with _users_fault(EvidenceError):
        return evidence.save(folder)


@contextlib.contextmanager
def _staged(evidence: Evidence, folder: Path) -> Iterator[Path]:
    """Yield where the evidence lies until it takes the place of the last run's."""
    from pyassay.evidence import EvidenceError
    from pyassay.places.interruption import unwound_by_signals

    with (
        unwound_by_signals(),
        _users_fault(EvidenceError),
        evidence.staged(folder, replace_existing=True) as staged,
    ):
        yield staged


def _last_run(kept: Path, observed: Evidence) -> Evidence | None:
    """Return the evidence of the last run if it asked the same; a damaged or foreign one is no baseline."""
    from pyassay.evidence import EvidenceError, load

    try:
        last = load(kept)
    except EvidenceError:
        return None
    return last if last.manifest.parameters == observed.manifest.parameters else None


def _changes(before: Evidence | None, now: Evidence, policy: Policy) -> list[Change]:
    if before is None:
        return []
    from pyassay.reports.index import Change
    from pyassay.verdicts.changes import changes

    return [
        Change(row["label"], row["what"], row["before"], row["after"])
        for row in changes(before, now, policy).to_dict("records")
    ]


def _verdict_table(verdicts: Iterable[Verdict]) -> str:
    return table(
        ("LEVEL", "SUBJECT", "HEADLINE"),
        ((str(verdict.level), verdict.subject_id, verdict.headline) for verdict in verdicts),
    )


def _parameters(questions: Iterable[str], words: Sequence[str]) -> dict[str, str]:
    """Return ``name=value`` words as a mapping, once every notebook has agreed to it.

    That is before the probing, which takes longer than a user waits for a complaint about a typing error.
    """
    from pyassay.reports.notebooks import notebook_name
    from pyassay.reports.parameters import ParameterError, Parameters, assignments
    from pyassay.resources import share

    with _users_fault(ParameterError):
        values = assignments(words)
        for question in questions:
            Parameters.load(share("notebooks", f"{notebook_name(question)}.ipynb")).parse(values)
    return values


def _policy(name: str) -> Policy:
    from pyassay.verdicts import Policy, PolicyError

    with _users_fault(PolicyError):
        return Policy.load(name)


def _not_assayed(evidence: Evidence) -> list[dict[str, str]]:
    """Return the subjects that could not be asked or probed, with the reason."""
    subjects = evidence.table("subjects")
    asked = zip(subjects["subject_id"], subjects["error"], strict=True)
    reasons = {str(subject): str(error) for subject, error in asked if error}
    reasons |= {run.subject_id: run.reason for run in evidence.manifest.runs if run.status == "failed"}
    return [{"subject_id": subject, "reason": reason} for subject, reason in reasons.items()]


def _finish(levels: Sequence[Level], fail_on: Level | None, failures: Sequence[dict[str, str]]) -> None:
    """Name what could not be assayed and end with the exit code that the outcome asks for."""
    for failure in failures:
        tell(f"{failure['subject_id']}: not assayed: {failure['reason']}")
    if code := _exit_code(levels, fail_on, len(failures)):
        raise typer.Exit(code)


def _exit_code(levels: Iterable[Level], fail_on: Level | None, failures: int) -> int:
    """Return the exit code; a finding outweighs a subject that could not be assayed."""
    if fail_on is not None and any(level.severity >= fail_on.severity for level in levels):
        return FINDING
    return NOT_ASSAYED if failures else 0


def _notebooks_to_edit() -> Path:
    """Return the notebooks of the checkout, or copies of installed ones with the evidence they read."""
    import shutil

    from pyassay.resources import share

    shipped = share("notebooks")
    if not shipped.is_relative_to(Path(__file__).resolve().parent):
        return shipped
    folder = Path.cwd() / "pyassay-lab"
    for part in ("notebooks", "data/evidence/recorded"):
        try:
            source = share(part)
        except FileNotFoundError:
            continue
        for file in sorted(source.iterdir()):
            copy = folder / part / file.name
            if file.is_file() and not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
    return folder / "notebooks"


@contextlib.contextmanager
def _users_fault(*errors: type[Exception]) -> Iterator[None]:
    """Turn errors about something that the user named into usage errors."""
    try:
        yield
    except errors as error:
        raise UsageError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 1000 else text[:999] + "…"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command; every failure is one line on standard error, unless tracebacks were asked for."""
    run = _Run()
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped, not a crash.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = 0
    try:
        app(arguments, prog_name="pyassay", obj=run)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the promise of this command: no traceback unasked
        code = USAGE if isinstance(error, UsageError) else FAILED
        if run.debug:
            import traceback

            traceback.print_exc()
        else:
            tell(f"pyassay: {_one_line(error)}")
    sys.exit(code)
