"""Layers of images and the archive that holds them: tar files, written in a fixed order."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from pyassay.elf import ElfError, NotElf, read
from pyassay.packagers.outer_needs import GLIBC_LIBRARIES

if TYPE_CHECKING:
    from pyassay.packagers.outer_needs import OuterNeeds

__all__ = ["LayerError", "link_target", "write_archive", "write_base", "write_folder", "write_libraries"]

# What the engine puts into every container's root by itself.
_ENGINES_OWN = frozenset({".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"})
_VIRTUAL = ("dev/", "proc/", "sys/")
_ALWAYS = ("libnss_files.so.2", "libnss_dns.so.2")
_CHUNK = 1 << 20


class LayerError(Exception):
    """A layer cannot be written: one line."""


def write_base(stream: BinaryIO, target: Path) -> None:
    """Copy an exported root file system without what the engine adds to it.

    Raises
    ------
    LayerError
        If the stream is no tar archive.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|") as source, tarfile.open(target, "w") as layer:
            for member in source:
                name = member.name.removeprefix("./").rstrip("/")
                if name in _ENGINES_OWN or name.startswith(_VIRTUAL):
                    continue
                layer.addfile(member, source.extractfile(member) if member.isreg() else None)
    except tarfile.TarError as error:
        raise LayerError(f"the engine's export cannot be read: {error}") from error


def write_folder(folder: Path, place: str, target: Path, epoch: int) -> None:
    """Write a folder as a layer: sorted, root's, readable for all, with one time."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        done = PurePosixPath()
        for part in PurePosixPath(place).parts[:-1]:
            done /= part
            layer.addfile(_folder_entry(str(done), epoch))
        _add(layer, folder, place, epoch)


def _add(layer: tarfile.TarFile, path: Path, name: str, epoch: int) -> None:
    entry = layer.gettarinfo(path, name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = epoch
    if entry.islnk():
        # A second name of a file that was written already: written again, so that the order cannot matter.
        entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
    if not entry.issym():
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    if entry.isreg():
        with path.open("rb") as content:
            layer.addfile(entry, content)
        return
    layer.addfile(entry)
    if entry.isdir():
        for one in sorted(path.iterdir()):
            _add(layer, one, f"{name}/{one.name}", epoch)


def _folder_entry(name: str, epoch: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, epoch
    return entry


def link_target(layer: Path, name: str) -> str:
    """Return what a symbolic link in a layer points to; empty if it is none or absent."""
    with tarfile.open(layer) as archive:
        for member in archive:
            if member.name.removeprefix("./") == name and member.issym():
                return member.linkname
    return ""


def write_libraries(base: Path, target: Path, needs: OuterNeeds, scratch: Path) -> list[str]:
    """Write a layer of the loader, glibc and some libraries out of a base's; return those that it lacks.

    What these need in turn is taken too.

    Raises
    ------
    LayerError
        If the base has no glibc of the kind that is needed.
    """
    wanted = [*needs.loaders, *sorted(GLIBC_LIBRARIES), *_ALWAYS, *needs.libraries]
    scratch.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    with tarfile.open(base) as archive:
        links, files = _shared_objects(archive)
        taken: dict[str, tuple[str, Path]] = {}
        while wanted:
            library = wanted.pop(0)
            if library in taken or library in missing:
                continue
            found = _find(library, links, files)
            if found is None:
                missing.append(library)
                continue
            path = scratch / library
            content = archive.extractfile(found[1])
            if content is None:
                missing.append(library)
                continue
            with path.open("wb") as stream:
                shutil.copyfileobj(content, stream)
            path.chmod(0o755)
            taken[library] = (found[0], path)
            try:
                wanted += [name for name in read(path).needed if name not in taken]
            except (NotElf, ElfError):
                continue
    lacking = [name for name in needs.loaders if name not in taken]
    if lacking or "libc.so.6" not in taken:
        raise LayerError(f"has no {', '.join(lacking) or 'libc.so.6'}")
    _write_libraries(target, taken, needs)
    optional = GLIBC_LIBRARIES | set(_ALWAYS)
    return [library for library in missing if library not in optional]


def _write_libraries(target: Path, taken: Mapping[str, tuple[str, Path]], needs: OuterNeeds) -> None:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        for name in ("etc", "lib", "lib64", "opt", "tmp", "usr", "usr/lib"):
            entry = _folder_entry(name, 0)
            entry.mode = 0o1777 if name == "tmp" else 0o755
            layer.addfile(entry)
        folders = {str(parent) for place, _ in taken.values() for parent in PurePosixPath(place).parents} - {
            ".",
            "lib",
            "lib64",
            "usr",
            "usr/lib",
        }
        for name in sorted(folders):
            layer.addfile(_folder_entry(name, 0))
        for library, (place, path) in sorted(taken.items()):
            # The loader is asked for by a path of its own, whatever folder it lies in.
            places = {place} | ({f"lib64/{library}", f"lib/{library}"} if library in needs.loaders else set())
            for one in sorted(places):
                _add(layer, path, one, 0)
        passwd = (
            b"root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
        )
        for name, text in (("etc/passwd", passwd), ("etc/group", b"root:x:0:\nnogroup:x:65534:\n")):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            layer.addfile(entry, io.BytesIO(text))


def _shared_objects(archive: tarfile.TarFile) -> tuple[dict[str, str], dict[str, tarfile.TarInfo]]:
    """Return links and files that look like shared libraries in folders that the loader looks into."""
    links: dict[str, str] = {}
    files: dict[str, tarfile.TarInfo] = {}
    for member in archive:
        name = member.name.removeprefix("./")
        path = PurePosixPath(name)
        if ".so" not in path.name or path.parts[0] not in {"lib", "lib64", "usr"} or len(path.parts) > 4:
            continue
        if member.issym():
            links[name] = os.path.normpath(path.parent / member.linkname).lstrip("/")
        elif member.isreg():
            files[name] = member
    return links, files


def _find(
    library: str, links: Mapping[str, str], files: Mapping[str, tarfile.TarInfo]
) -> tuple[str, tarfile.TarInfo] | None:
    for name in sorted({*links, *files}):
        if PurePosixPath(name).name == library:
            end = name
            for _ in range(8):
                if end in files:
                    return name, files[end]
                # Where /lib is a link to /usr/lib, links still name the former.
                end = links.get(end, f"usr/{end}" if end.startswith("lib") else "")
    return None


def write_archive(
    path: Path,
    layers: Sequence[Path],
    *,
    tag: str,
    architecture: str,
    entry_point: Sequence[str],
    environment: Mapping[str, str],
    epoch: int,
) -> None:
    """Write an archive as ``docker save`` does: layers, configuration, manifest.

    Parameters
    ----------
    path : Path
    layers : sequence of Path
        Tar archives, the base first.
    tag : str
        ``name:tag`` of the image.
    architecture : str
        As Docker names it: ``amd64``.
    entry_point : sequence of str
    environment : mapping
    epoch : int
        Seconds: when the image and its files were made.
    """
    digests = [_sha256(layer) for layer in layers]
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = json.dumps(
        {
            "architecture": architecture,
            "config": {
                "Entrypoint": list(entry_point),
                "Env": [f"{key}={value}" for key, value in environment.items()],
                "WorkingDir": "/",
            },
            "created": created,
            "history": [{"created": created, "created_by": "pyassay"} for _ in layers],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        },
        sort_keys=True,
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{digest}/layer.tar" for digest in digests]}]
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for layer, digest in zip(layers, digests, strict=True):
            entry = _folder_entry(digest, epoch)
            archive.addfile(entry)
            file = tarfile.TarInfo(f"{digest}/layer.tar")
            file.size, file.mtime, file.mode = layer.stat().st_size, epoch, 0o644
            with layer.open("rb") as content:
                archive.addfile(file, content)
        for text_name, text in ((name, config), ("manifest.json", json.dumps(manifest).encode())):
            file = tarfile.TarInfo(text_name)
            file.size, file.mtime, file.mode = len(text), epoch, 0o644
            archive.addfile(file, io.BytesIO(text))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
