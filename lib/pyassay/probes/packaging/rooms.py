"""Containers furnished for a purpose: with or without a writable /tmp, for installing, with a device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyassay.places.container import Engine, EngineError, Mounts, Session
from pyassay.places.container_errors import engine_errors
from pyassay.places.container_owners import creator_is_gone

__all__ = ["BASE", "INSTALLED", "Furniture", "Rooms"]

INSTALLED = "pyassay-installed-"
"""What the names of images begin with into which a package was installed; they do not stay."""

_TMP_BYTES = 1 << 30
_MEMORY_BYTES = 3 << 30


@dataclass(frozen=True)
class Furniture:
    """How a container differs from the ordinary one: root read-only, /tmp writable, no capability, no device.

    Attributes
    ----------
    tmp : {"exec", "noexec", "none"}
        Whether /tmp is writable, and whether programs may be started from it.
    writable : bool
        Whether the root is writable and the user may install: the engine's own default.
    devices : tuple of str
        Of the host: ``/dev/fuse``.
    capabilities : tuple of str
        ``SYS_ADMIN``.
    user : str
        ``uid:gid``; empty: the user who measures, to whom the artifacts belong.
    """

    tmp: str = "exec"
    writable: bool = False
    devices: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    user: str = ""

    @property
    def host_configuration(self) -> dict[str, Any]:
        """Return what it changes of the engine's settings."""
        options = f"rw,nosuid,nodev,size={_TMP_BYTES},mode=1777"
        changed: dict[str, Any] = {}
        if self.tmp == "noexec":
            changed["Tmpfs"] = {"/tmp": f"noexec,{options}"}  # noqa: S108
        elif self.tmp == "none":
            changed["Tmpfs"] = {}
        if self.writable:
            changed |= {"ReadonlyRootfs": False, "CapDrop": [], "Tmpfs": {}}
        if self.devices:
            changed["Devices"] = [
                {"PathOnHost": one, "PathInContainer": one, "CgroupPermissions": "rwm"}
                for one in self.devices
            ]
            changed["SecurityOpt"] = ["apparmor=unconfined"]
        if self.capabilities:
            changed["CapAdd"] = list(self.capabilities)
        return changed


BASE = Furniture()


@dataclass
class _State:
    furniture: Furniture = field(default=BASE)
    container: str = ""


class Rooms(Engine):
    """An engine whose sessions may be furnished; one session at a time."""

    def __init__(self, client: Any, address: str) -> None:
        super().__init__(client, address)
        self._now = _State()

    @contextlib.contextmanager
    def room(
        self, image: str, mounts: Mounts | None, furniture: Furniture = BASE, *, owner: str = "0:0"
    ) -> Iterator[Session]:
        """Give a session in a furnished container.

        Parameters
        ----------
        image : str
        mounts : mapping, optional
            Read-only.
        furniture : Furniture
        owner : str
            The user, unless the furniture names one.

        Raises
        ------
        EngineError
            If the engine fails, or has no such image.
        """
        before, self._now = self._now, _State(furniture)
        try:
            with self.session(
                image, mounts, memory_bytes=_MEMORY_BYTES, user=furniture.user or owner
            ) as session:
                yield session
        finally:
            self._now = before

    @contextlib.contextmanager
    def _container(
        self,
        image: str,
        words: tuple[str, ...],
        settings: Mapping[str, Any],
        host: Mapping[str, Any],
        platform: str | None = None,
    ) -> Iterator[str]:
        furnished = {**host, **self._now.furniture.host_configuration}
        with super()._container(image, words, settings, furnished, platform) as name:
            self._now.container = name
            yield name

    def commit(self, image: str) -> str:
        """Make an image of the present session's container, as it is now; return its id.

        Raises
        ------
        EngineError
            If the engine refuses.
        """
        repository, _, tag = image.partition(":")
        with engine_errors(f"{image}: cannot be made of the container"):
            self._client.commit(self._now.container, repository=repository, tag=tag or "latest")
        return self.digest(image)

    def sweep_images(self) -> int:
        """Remove images that runs of ours have made and, crashed, left; return how many."""
        swept = 0
        with contextlib.suppress(EngineError):
            for image in self.images():
                names = [tag for tag in image.tags if tag.startswith(INSTALLED)]
                if names and creator_is_gone(dict(image.labels), image.created.timestamp()):
                    self.remove_image(names[0])
                    swept += 1
        return swept

    def load(self, archive: Any) -> list[str]:
        """Load an archive as ``docker save`` writes it, and return the ids of its images.

        Raises
        ------
        EngineError
            If the engine refuses it.
        """
        import re

        with engine_errors("an image archive cannot be loaded"):
            said = "".join(str(one.get("stream", "")) for one in self._client.load_image(archive) or ())
        names = re.findall(r"Loaded image(?: ID)?: (\S+)", said)
        return [self.digest(name) for name in names]
