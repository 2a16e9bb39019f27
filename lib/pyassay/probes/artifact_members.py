"""The ELF files of an artifact, and the wheels in it: read in one pass, nothing unpacked, nothing run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from pyassay.elf import ElfFile
from pyassay.elf.archived import ArchivedRoot
from pyassay.elf.closure import Root
from pyassay.elf.platform_tags import libc_of
from pyassay.elf.symbols import UndefinedSymbol
from pyassay.filetree import open_tree
from pyassay.probes.elf_rows import Observed, Rows, Whereabouts, add_all, made_of
from pyassay.probes.stable_abi import is_for_stable_abi, outside_stable_abi
from pyassay.subjects.contents import Contents, read_contents
from pyassay.subjects.model import Artifact

__all__ = ["Laid", "lay", "observe_artifact", "scope_of"]

# A wheel as a file of its own, or unpacked in a folder of its name, as pex does.
_WHEEL = re.compile(r"(?:.*?/)?[^/]+\.whl(?=!?/|$)")
_WHEEL_METADATA = re.compile(r"[^/]+\.dist-info/WHEEL$")


def observe_artifact(artifact: Artifact, *, root: Path = Path("/")) -> Rows:
    """Observe the portability of an artifact: see :func:`pyassay.probes.portability.observe`.

    Parameters
    ----------
    artifact : Artifact
    root : Path
        Root file system on which it is to be loaded: says which of the libraries that it lacks are there.

    Raises
    ------
    FileTreeError
        If the artifact cannot be read at all.
    """
    rows = Rows(artifact.id)

    def note_python_symbols(path: str, symbols: list[UndefinedSymbol]) -> None:
        whole = f"{artifact.path.name}/{path}"
        if is_for_stable_abi(whole if artifact.format == "wheel" else path):
            for symbol, added in outside_stable_abi(symbol.name for symbol in symbols):
                rows.add("python_symbols", file=path, symbol=symbol, added=added)

    with open_tree(artifact.path.resolve(), name=artifact.label) as tree:
        is_wheel = tree.format == "wheel"
        single = tree.format == "file"
        contents = read_contents(
            tree,
            text_wanted=lambda path: _WHEEL_METADATA.search(path) is not None,
            path_wanted=lambda path: path.endswith(".whl"),
            on_symbols=note_python_symbols,
        )
    for path, reason in contents.skipped:
        rows.add("skipped", file=path, reason=reason)
    laid = lay(artifact, contents, Root(root), single=single)
    where = Whereabouts(
        laid.root,
        inside=lambda path: laid.root.holds(str(path)),
        shown=laid.shown,
        carried=laid.carried,
        newest_of_each=True,
    )
    observed = laid.observed
    add_all(rows, observed, where)
    _add_wheels(rows, artifact.path.name if is_wheel else "", contents, observed)
    return rows


@dataclass(frozen=True, slots=True)
class Laid:
    """An artifact as it would lie in a root file system.

    Attributes
    ----------
    observed : list of Observed
    root : ArchivedRoot
        The artifact over the root.
    point : str
        Where its members begin.
    carried : callable
        See :class:`pyassay.probes.elf_rows.Whereabouts`.
    """

    observed: list[Observed]
    root: ArchivedRoot
    point: str
    carried: Callable[[str, Path], Path | None]

    def shown(self, path: Path) -> str:
        """Return a path as the evidence names it."""
        return str(path).removeprefix(f"{self.point}/")


def lay(artifact: Artifact, contents: Contents, base: Root, *, single: bool) -> Laid:
    """Lay what was read of an artifact over a root file system."""
    source = artifact.path.resolve()
    # A file beside its neighbours, the members of an archive below its name.
    point = str(source.parent if single else source) + ("" if source.is_dir() or single else "!")
    files, links = contents.rooted(point)
    observed = [
        Observed(
            Path(f"{point}/{one.path}"),
            one.path,
            scope_of(one.elf),
            one.size_bytes,
            one.elf,
            one.symbols,
            one.forbidden,
        )
        for one in contents.elf
    ]
    return Laid(observed, ArchivedRoot(files, links, base=base), point, _Carried(observed).find)


def scope_of(elf: ElfFile) -> str:
    """Tell a program from a library; a library may name a loader, too, and then prints its version."""
    starts = elf.type == "exec" or elf.pie or (elf.interpreter is not None and not elf.soname)
    return "program" if starts else "library"


class _Carried:
    """The libraries of an artifact by name, each for the files of the same wheel only."""

    def __init__(self, observed: Iterable[Observed]) -> None:
        self._libraries: dict[tuple[str, str], Path] = {}
        for item in observed:
            if item.scope == "library":
                for name in {item.path.name, item.elf.soname or item.path.name}:
                    self._libraries.setdefault((_wheel_of(str(item.path)), name), item.path)

    def find(self, soname: str, needed_by: Path) -> Path | None:
        return self._libraries.get((_wheel_of(str(needed_by)), PurePosixPath(soname).name))


def _wheel_of(path: str) -> str:
    """Return the innermost wheel that a path lies in; empty: in none."""
    found, start = "", 0
    while match := _WHEEL.match(path, start):
        if match.end() == len(path):
            break
        found, start = path[: match.end()], match.end() + 1
    return found


def _recorded(contents: Contents) -> dict[str, list[str]]:
    """Return the platform tags that each wheel's own WHEEL file records, by the wheel's path."""
    found: dict[str, list[str]] = {}
    for path, content in contents.texts.items():
        wheel = path.rpartition("/")[0].rpartition("/")[0].removesuffix("!")
        if wheel == "" or wheel.endswith(".whl"):
            lines = content.decode("utf-8", "replace").splitlines()
            tags = [line.partition(":")[2].strip() for line in lines if line.startswith("Tag:")]
            found[wheel] = sorted({tag.rpartition("-")[2] for tag in tags if tag})
    return found


def _add_wheels(rows: Rows, own_name: str, contents: Contents, observed: Iterable[Observed]) -> None:
    outside: dict[str, set[str]] = {}
    for row in rows.tables["libraries"]:
        if not row["inside"]:
            outside.setdefault(str(row["file"]), set()).add(PurePosixPath(str(row["soname"])).name)
    members: dict[str, list[Observed]] = {}
    for item in observed:
        members.setdefault(_wheel_of(item.shown), []).append(item)
    recorded = _recorded(contents)
    archives = set(contents.paths)
    known = {*archives, *filter(None, members), *filter(None, recorded), *([""] if own_name else [])}
    for wheel in sorted(known):
        own = members.get(wheel, [])
        name = PurePosixPath(wheel).name or own_name
        try:
            _, _, _, tags = parse_wheel_filename(name)
        except InvalidWheelFilename as error:
            rows.add("skipped", file=wheel or name, reason=" ".join(str(error).split()))
            continue
        machines = sorted({item.elf.machine for item in own})
        made = made_of(own, machines[0], outside) if len(machines) == 1 else None
        rows.add(
            "wheels",
            wheel=wheel or name,
            prefix=f"{wheel}{'!' if wheel in archives else ''}/" if wheel else "",
            pythons=sorted({tag.interpreter for tag in tags}),
            abis=sorted({tag.abi for tag in tags}),
            claimed=sorted({tag.platform for tag in tags}),
            recorded=recorded.get(wheel, []),
            elf_files=len(own),
            machines=machines,
            libcs=sorted({libc for item in own if (libc := libc_of(item.elf))}),
            tag=made.tag if made else "",
            policy=made.policy if made else "",
            reason=made.reason if made else ("of several machines" if machines else ""),
        )
