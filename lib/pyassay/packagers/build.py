"""Build one form of a project: from the cache if it was built before, failures too."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from pyassay.packagers import packager
from pyassay.packagers.cache import BusyError, cache_root, digest_of_words, locked, write_atomically
from pyassay.packagers.model import BuildError, Built, Delivery, Form, Inputs, Project
from pyassay.packagers.wheels import python_identity
from pyassay.packagers.workshop import ToolMissingError, Workshop
from pyassay.places.interruption import unwound_by_signals

if TYPE_CHECKING:
    from pyassay.packagers.model import Packager

__all__ = ["FailedBuildError", "UnavailableError", "build_form"]

# Raised when something else than the packagers' own modules would make another artifact.
_RECIPE = "1"
_RECORD = "build.json"
_IMPORT = re.compile(rb"^\s*from pyassay\.packagers\.(\w+) import", re.MULTILINE)
# What an artifact does not depend on: how a build is watched and kept.
_NEUTRAL = frozenset({"build", "cache", "environments", "last_words", "measured_child", "model", "workshop"})


class UnavailableError(BuildError):
    """The packager cannot build this form here: one line that says why, and what would help."""


class FailedBuildError(BuildError):
    """The packager failed; one line.

    Attributes
    ----------
    log : Path
        All that was said.
    """

    def __init__(self, message: str, log: Path) -> None:
        super().__init__(message)
        self.log = log


def build_form(
    form: Form,
    project: Project,
    inputs: Inputs,
    cache: Path | None = None,
    *,
    timeout_s: float,
    epoch: int | None = None,
    anew: bool = False,
    attempt: int = 1,
) -> Built:
    """Build one form, or take it from the cache, where a failure is kept like a success.

    It is known by its content: the project, the wheels, the form, the packager's requirements and the source
    of its module, the interpreter and `epoch`. Not kept is that a packager is not available, that its
    environment could not be made, and, for a longer time limit, that the time was up.

    Parameters
    ----------
    form : Form
    project : Project
    inputs : Inputs
    cache : Path, optional
        Root of the cache instead of the user's.
    timeout_s : float
        For all of its commands together, in seconds.
    epoch : int, optional
        ``SOURCE_DATE_EPOCH``, in seconds.
    anew : bool
        Build it even if the cache has it, or its failure.
    attempt : int
        Above 1: another build of the same in the same folder, to be compared with the first; it is kept
        beside it.

    Raises
    ------
    UnavailableError
        If it cannot be built here.
    FailedBuildError
        If it fails, or failed when it was tried last.
    """
    module = packager(form.packager)
    if not project.version:
        project = dataclasses.replace(project, version=_version(project.name, inputs.wheelhouse))
    root = cache_root(cache) / "packaging"
    words = [_RECIPE, project.digest, project.module, project.entry_point, project.script, inputs.digest]
    words += [inputs.kind, form.name, *module.TOOL.requirements, *_sources(cast("ModuleType", module))]
    words += [python_identity(inputs.python), str(epoch)]
    # Of those that put something of the user's, or no module, into the artifact.
    identity = getattr(module, "identity", None)
    words += identity(form, cache) if identity is not None else ()
    key = f"{form.name}-{digest_of_words(words)[:16]}"
    entry = root / "builds" / (key if attempt == 1 else f"{key}.{attempt}")
    found = None if anew else _kept(entry, form, timeout_s)
    if found is not None:
        return found
    try:
        with locked(root / "locks" / f"{entry.name}.entry.lock", timeout_s=timeout_s), unwound_by_signals():
            found = None if anew else _kept(entry, form, timeout_s)
            if found is not None:
                return found
            (entry / _RECORD).unlink(missing_ok=True)
            with Workshop.open(
                cache,
                build_key=key,
                timeout_s=timeout_s,
                source_date_epoch=epoch,
                python=inputs.python,
                attempt=attempt,
            ) as workshop:
                return _built(module, form, project, inputs, workshop, entry, timeout_s)
    except (FailedBuildError, UnavailableError):
        raise
    except (BuildError, BusyError) as error:
        raise FailedBuildError(str(error), entry / "build.log") from None
    except OSError as error:
        said = f"{form.name}: {error.filename or entry}: {error.strerror or error}"
        raise FailedBuildError(said, entry / "build.log") from error


def _built(
    module: Packager,
    form: Form,
    project: Project,
    inputs: Inputs,
    workshop: Workshop,
    entry: Path,
    timeout_s: float,
) -> Built:
    try:
        why_not = module.available(form, workshop)
        if why_not:
            workshop.say(f"not available: {why_not}")
            raise UnavailableError(why_not)
        built = module.build(form, project, inputs, workshop)
        path = built.path.absolute()
        if not path.is_relative_to(workshop.output) or not path.exists():
            raise BuildError(f"{form.name}: nothing lies at {path}, where its artifact should be")
    except UnavailableError:
        raise
    except ToolMissingError as error:
        raise FailedBuildError(str(error), workshop.log) from None
    except BuildError as error:
        workshop.say(str(error))
        record = {"failed": str(error), "timeout_s": timeout_s if workshop.timed_out else None}
        _write(entry, record)
        raise FailedBuildError(str(error), workshop.log) from None
    except Exception as error:
        # A packager's module is foreign ground: the others must go on.
        workshop.say(traceback.format_exc())
        line = " ".join(str(error).split())[:300]
        raise FailedBuildError(f"{form.name}: {type(error).__name__}: {line}", workshop.log) from error
    usage = workshop.usage
    built = dataclasses.replace(
        built,
        log=workshop.log,
        duration_s=built.duration_s or usage.duration_s,
        cpu_s=built.cpu_s or usage.cpu_s,
        peak_rss_bytes=built.peak_rss_bytes or usage.peak_rss_bytes,
        commands=built.commands or tuple(workshop.commands),
    )
    _write(entry, {"built": _as_record(built, entry)})
    return built


def _write(entry: Path, record: dict[str, Any]) -> None:
    write_atomically(entry / _RECORD, json.dumps(record, indent=1).encode())


def _as_record(built: Built, entry: Path) -> dict[str, Any]:
    found = {name: getattr(built, name) for name in _PLAIN}
    return found | {
        "delivery": str(built.delivery),
        "path": str(built.path.absolute().relative_to(entry)),
        "environment": dict(built.environment),
        "tool_versions": dict(built.tool_versions),
        "size_bytes": built.path.stat().st_size if built.path.is_file() else None,
    }


_PLAIN = (
    *("program", "arguments", "commands", "duration_s", "cpu_s", "peak_rss_bytes", "environment_bytes"),
)


def _kept(entry: Path, form: Form, timeout_s: float) -> Built | None:
    """Return what was built before; None: nothing, or it is damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        record: dict[str, Any] = json.loads((entry / _RECORD).read_bytes())
        if "failed" in record:
            limit = record["timeout_s"]
            if limit is None or timeout_s <= float(limit):
                raise FailedBuildError(str(record["failed"]), entry / "build.log")
            return None
        known = record["built"]
        path = entry / known["path"]
        if known["size_bytes"] is not None:
            is_whole = path.stat().st_size == known["size_bytes"]
        else:
            is_whole = path.is_dir() and any(path.iterdir())
        if is_whole:
            return Built(
                form=form,
                delivery=Delivery(known["delivery"]),
                path=path,
                program=known["program"],
                arguments=tuple(known["arguments"]),
                environment=dict(known["environment"]),
                commands=tuple(known["commands"]),
                tool_versions=dict(known["tool_versions"]),
                duration_s=float(known["duration_s"]),
                cpu_s=float(known["cpu_s"]),
                peak_rss_bytes=int(known["peak_rss_bytes"]),
                environment_bytes=int(known["environment_bytes"]),
                log=entry / "build.log",
                cached=True,
            )
    return None


def _version(name: str, wheelhouse: Path) -> str:
    """Return the version of a project whose backend finds it out, from its wheel; empty: it has none."""
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    for wheel in sorted(wheelhouse.glob("*.whl")):
        with contextlib.suppress(InvalidWheelFilename):
            found, version, _, _ = parse_wheel_filename(wheel.name)
            if found == canonicalize_name(name):
                return str(version)
    return ""


def _sources(module: ModuleType) -> Iterator[str]:
    """Give digests of a packager's module and of those beside it that it rests on."""
    folder = Path(__file__).parent
    # The module itself may lie elsewhere.
    waiting = [Path(module.__file__ or "")]
    seen: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        try:
            data = file.read_bytes()
        except OSError:
            continue
        yield f"{file.name} {digest_of_words([data.decode(errors='surrogateescape')])}"
        names = sorted({match[1].decode() for match in _IMPORT.finditer(data)} - _NEUTRAL)
        waiting += [folder / f"{name}.py" for name in names]
