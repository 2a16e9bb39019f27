"""Containers as places: a Docker engine runs a command in an image, with nothing that could reach out.

A container of ours has no network, a read-only root, an unprivileged user without capabilities, and limits of
memory, processes, time and output. It is removed whatever happens; after a crash of ours, by the next run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pyassay.places.container_errors import (
    EngineError,
    EngineGoneError,
    ImageAbsentError,
    NoEngineError,
    engine_errors,
    one_line,
)
from pyassay.places.container_owners import RUN_LABEL, creator_is_gone, owner_labels
from pyassay.places.container_streams import Attached, HalfCloseError
from pyassay.places.host import Completed
from pyassay.places.interruption import unwound_by_signals

if TYPE_CHECKING:
    import docker
    import requests
    from typing_extensions import Buffer

__all__ = [
    "UNPRIVILEGED",
    "ContainerCompleted",
    "Engine",
    "EngineError",
    "EngineGoneError",
    "Image",
    "ImageAbsentError",
    "NoEngineError",
    "Session",
]

UNPRIVILEGED = "65534:65534"
"""User and group of every command: ``nobody`` nearly everywhere, and without rights everywhere."""

_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "{XDG_RUNTIME_DIR}/docker.sock")
_CONNECT_S = 20.0
_ANSWER_S = 60.0
_REMOVE_S = 30.0
_END_S = 10.0
_GIB = 1 << 30
_MEMORY, _PIDS, _OUTPUT = 2 * _GIB, 256, 16 << 20
_TMP_BYTES = 1 * _GIB
_SESSION_S = 24 * 3600
# What keeps a session's container alive; an image has at least one of them unless it has no programs at all.
_KEEPERS = (
    ("/bin/sleep", ("/bin/sleep", str(_SESSION_S))),
    ("/usr/bin/sleep", ("/usr/bin/sleep", str(_SESSION_S))),
    ("/bin/busybox", ("/bin/busybox", "sleep", str(_SESSION_S))),
)
_ENVIRONMENT = {"LANG": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent", "TMPDIR": "/tmp"}  # noqa: S108
_NOT_STARTED = frozenset({126, 127, 128})
_ENGINE_SAYS = re.compile(rb"[^\r\n]{1,2000}\r\n")
_NOWHERE = "/pyassay-never-started"
_READ_BYTES = 1 << 20
_MAX_VOLUMES = 100
_PRIVATE = "/root"

Mounts = Mapping[Path, str] | Mapping[str, str]
"""Folders or files of this host, and where a container sees them, read-only."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has.

    Attributes
    ----------
    id : str
        ``sha256:...`` of its configuration: the same for the same content and history.
    tags : tuple of str
        ``debian:bookworm``; empty for one without a name.
    os, architecture : str
        ``linux``, ``amd64``: as Docker names them.
    size_bytes : int
    created : datetime
        UTC.
    labels : tuple of (str, str)
    """

    id: str
    tags: tuple[str, ...]
    os: str
    architecture: str
    size_bytes: int
    created: datetime
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerCompleted(Completed):
    """What became of a command in a container.

    As :class:`pyassay.places.host.Completed`, but that the ``returncode`` of one ended by a signal is 128
    plus its number (137: killed), and that of one that could not be started 126 or 127.

    Attributes
    ----------
    out_of_memory : bool
        The kernel killed it, or some process of it, at the limit.
    """

    out_of_memory: bool = False


class Engine:
    """A Docker engine. Use it in a ``with`` statement: its end removes what may be left of its containers.

    One engine is used by one thread at a time; several threads connect each for themselves.
    """

    def __init__(self, client: docker.APIClient, address: str) -> None:
        self._client = client
        self.address = address
        self.run_id = secrets.token_hex(8)
        self._labels = owner_labels(self.run_id)
        self.swept = 0

    @classmethod
    def connect(cls, address: str | None = None, *, answer_s: float = _ANSWER_S) -> Engine:
        """Find the engine, and sweep up what crashed runs have left.

        Parameters
        ----------
        address : str, optional
            ``unix:///run/docker.sock``, ``tcp://...``; else ``DOCKER_HOST``, else the local socket.
        answer_s : float
            Seconds within which the engine has to answer each request.

        Raises
        ------
        NoEngineError
            If there is none to be used: says which of the reasons it is, and what to do.
        """
        try:
            import docker
            from docker import errors
        except ImportError as error:
            raise NoEngineError(
                "the Docker SDK for Python, which containers need, is not installed: "
                "pip install 'pyassay[docker]'"
            ) from error
        address = address or os.environ.get("DOCKER_HOST") or _local_address()
        shown = one_line(address)
        tls = _tls(docker, address)
        try:
            client = docker.APIClient(address, version="auto", timeout=min(answer_s, _CONNECT_S), tls=tls)
            client.timeout = answer_s
            engine = cls(client, address)
            # A server of another kind may have answered the question for its version.
            client.ping()
        except (errors.DockerException, OSError, ValueError, TypeError, KeyError) as error:
            raise NoEngineError(_why_none(error, address, shown)) from error
        engine.sweep()
        return engine

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what is left of this engine's containers, and the connection."""
        with contextlib.suppress(EngineError):
            for container in self._containers(f"{RUN_LABEL}={self.run_id}"):
                self._remove(container["Id"], _volumes_of(container))
        self._client.close()

    # Images ------------------------------------------------------------------------------------------------

    def images(self) -> list[Image]:
        """Return every image, sorted by tag; intermediate layers left out.

        Raises
        ------
        EngineError
            If the engine fails.
        """
        with engine_errors(f"{self._name}: its images cannot be listed"):
            listed = self._client.images()
            found = [self._described(one, self._client.inspect_image(one["Id"])) for one in listed]
        return sorted(found, key=lambda image: (not image.tags, image.tags, image.id))

    @staticmethod
    def _described(listed: dict[str, Any], inspected: dict[str, Any]) -> Image:
        tags = [tag for tag in listed.get("RepoTags") or () if tag != "<none>:<none>"]
        return Image(
            id=str(listed["Id"]),
            tags=tuple(sorted(tags)),
            os=str(inspected.get("Os", "")),
            architecture=str(inspected.get("Architecture", "")),
            size_bytes=int(listed.get("Size", 0)),
            created=datetime.fromtimestamp(int(listed.get("Created", 0)), UTC),
            labels=tuple(sorted((listed.get("Labels") or {}).items())),
        )

    def digest(self, image: str) -> str:
        """Return the id of an image, ``sha256:...``.

        Raises
        ------
        ImageAbsentError
            If the engine has no such image.
        EngineError
            If the engine fails.
        """
        return str(self._inspected(image)["Id"])

    def has_image(self, image: str) -> bool:
        """Tell whether the engine has an image.

        Raises
        ------
        EngineError
            If the engine fails, or this is no name of an image.
        """
        try:
            return bool(self.digest(image))
        except ImageAbsentError:
            return False

    def _inspected(self, image: str) -> dict[str, Any]:
        with engine_errors(f"{image}: cannot be looked at", image):
            if not image or any(character.isspace() for character in image):
                raise EngineError(one_line(f"{image!r}: not a name of an image"))
            return dict(self._client.inspect_image(image))

    @contextlib.contextmanager
    def export(self, image: str) -> Iterator[BinaryIO]:
        """Give the root file system of an image as a tar stream that cannot seek; nothing in it is run.

        The stream raises :class:`EngineError` when the engine fails before its end.

        Raises
        ------
        ImageAbsentError
            If the engine has no such image.
        EngineError
            If the engine fails.
        """
        doing = f"{image}: cannot be exported"
        with self._container(image, (_NOWHERE,), {}, {}) as name, engine_errors(doing):
            response = self._client.get(
                self._url(f"/containers/{name}/export"), stream=True, timeout=self._client.timeout
            )
            _raise_for_status(response)
            try:
                yield cast(BinaryIO, io.BufferedReader(_ExportStream(response, doing), _READ_BYTES))
            finally:
                response.close()

    def import_tar(self, stream: BinaryIO, image: str, labels: Mapping[str, str] | None = None) -> str:
        """Make an image of a tar archive of a root file system, and return its id.

        Parameters
        ----------
        stream : binary file
        image : str
            Its name and tag; an image that has it loses it.
        labels : mapping, optional
            Of the image; keys and values are text on one line.

        Raises
        ------
        EngineError
            If the engine refuses it.
        """
        import json

        repository, _, tag = image.partition(":")
        doing = f"{image}: cannot be imported"
        changes = [f"LABEL {_quoted(key)}={_quoted(value)}" for key, value in (labels or {}).items()]
        with engine_errors(doing):
            answer = self._client.import_image(stream, repository, tag or "latest", changes=changes)
        for line in str(answer).splitlines():
            with contextlib.suppress(ValueError):
                if "error" in (said := json.loads(line)):
                    raise EngineError(one_line(f"{doing}: {said['error']}"))
        return self.digest(image)

    def remove_image(self, image: str) -> None:
        """Remove an image; one that is absent is no error.

        Raises
        ------
        EngineError
            If the engine refuses.
        """
        with contextlib.suppress(ImageAbsentError), engine_errors(f"{image}: cannot be removed", image):
            self._client.remove_image(image, force=True)

    # Commands ----------------------------------------------------------------------------------------------

    def run(
        self,
        image: str,
        argv: Sequence[str],
        *,
        timeout_s: float,
        mounts: Mounts | None = None,
        input_bytes: bytes = b"",
        memory_bytes: int = _MEMORY,
        pids: int = _PIDS,
        extra_environment: Mapping[str, str] | None = None,
        platform: str | None = None,
        max_output_bytes: int = _OUTPUT,
        user: str = UNPRIVILEGED,
        cwd: str = "/",
    ) -> ContainerCompleted:
        """Run a command in a new container and wait for its end.

        The image's entry point is not used, its health check is off, its variables are set. ``/tmp`` is
        writable, in memory.

        Parameters
        ----------
        image : str
        argv : sequence of str
            The command; looked up in the image's PATH unless it holds a slash.
        timeout_s : float
            Wall seconds from its start (not: from the making of the container).
        mounts : mapping, optional
            Folders or files of this host -> where the container sees them, read-only.
        input_bytes : bytes
            What it reads from its standard input, then end of file.
        memory_bytes : int
            Limit of the container; there is no swap.
        pids : int
            Limit of processes and threads.
        extra_environment : mapping, optional
        platform : str, optional
            ``linux/arm64``; the engine's own unless given.
        max_output_bytes : int
            Limit of stdout and of stderr, each; over it, the container is killed.
        user : str
            ``uid:gid``.
        cwd : str

        Raises
        ------
        ImageAbsentError
            If the engine has no such image.
        EngineError
            If the container cannot be made, or the engine fails.
        """
        words = _words(argv)
        doing = f"{image}: {words[0]} cannot be run"
        limits = _limits(memory_bytes, pids)
        settings = _settings(user, cwd, extra_environment, bool(input_bytes))
        with (
            self._container(
                image, words, settings, {**limits, "Mounts": _mounts(mounts, user)}, platform
            ) as name,
            engine_errors(doing),
        ):
            question = "stream=1&stdout=1&stderr=1" + ("&stdin=1" if input_bytes else "")
            streams = self._attached(f"/containers/{name}/attach?{question}", None, max_output_bytes)
            with contextlib.closing(streams):
                self._client.start(name)
                started = time.monotonic()
                self._attend(streams, input_bytes, started + timeout_s, doing)
                duration = time.monotonic() - started
            return self._completed(name, words, streams, duration)

    def _completed(
        self, name: str, words: tuple[str, ...], streams: Attached, duration: float
    ) -> ContainerCompleted:
        if streams.timed_out or streams.framing.truncated:
            self._kill(name)
        returncode: int | None = None
        with contextlib.suppress(EngineError), engine_errors("waiting"):
            returncode = int(self._client.wait(name, timeout=_END_S)["StatusCode"])
        state = self._client.inspect_container(name)["State"]
        return ContainerCompleted(
            words,
            returncode,
            streams.stdout,
            streams.stderr,
            streams.timed_out,
            streams.framing.truncated,
            duration,
            bool(state.get("OOMKilled")),
        )

    @contextlib.contextmanager
    def session(
        self,
        image: str,
        mounts: Mounts | None = None,
        *,
        memory_bytes: int = _MEMORY,
        pids: int = _PIDS,
        platform: str | None = None,
        user: str = UNPRIVILEGED,
    ) -> Iterator[Session]:
        """Give a container for several commands: each costs a fifth of a container of its own.

        Raises
        ------
        ImageAbsentError
            If the engine has no such image.
        EngineError
            If the engine fails.
        """
        self.digest(image)
        session = Session(
            self, image, mounts, memory_bytes=memory_bytes, pids=pids, platform=platform, user=user
        )
        try:
            with unwound_by_signals():
                yield session
        finally:
            session.close()

    def sweep(self) -> int:
        """Remove the containers of runs of ours that have ended without doing so; return how many.

        Those of a run that goes on stay, and those of another machine, for a day. An engine that fails is no
        error here.
        """
        swept = 0
        with contextlib.suppress(EngineError):
            for container in self._containers(RUN_LABEL):
                labels = container.get("Labels") or {}
                if labels.get(RUN_LABEL) != self.run_id and creator_is_gone(labels, container["Created"]):
                    self._remove(container["Id"], _volumes_of(container))
                    swept += 1
        self.swept += swept
        return swept

    def _containers(self, label: str) -> list[dict[str, Any]]:
        with engine_errors(f"{self._name}: its containers cannot be listed"):
            return list(self._client.containers(all=True, filters={"label": label}))

    # The engine's interface --------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return one_line(self.address)

    def _url(self, path: str) -> str:
        return f"{self._client.base_url}/v{self._client.api_version}{path}"

    @contextlib.contextmanager
    def _container(
        self,
        image: str,
        words: tuple[str, ...],
        settings: Mapping[str, Any],
        host: Mapping[str, Any],
        platform: str | None = None,
    ) -> Iterator[str]:
        """Make a container, not started, and remove it in the end; give its name.

        We choose the name: an interruption may come before the engine's answer.
        """
        name = f"pyassay-{self.run_id}-{secrets.token_hex(4)}"
        configuration = self._inspected(image).get("Config") or {}
        body = {
            "Image": image,
            "Entrypoint": list(words),
            "Cmd": [],
            "Labels": self._labels,
            "NetworkDisabled": True,
            "Healthcheck": {"Test": ["NONE"]},
            **settings,
        }
        # A volume that the image declares would be writable, and without a limit.
        given = list(host.get("Mounts", ()))
        declared = [path for path in configuration.get("Volumes") or () if path not in map(_target, given)]
        hidden = [_PRIVATE] if any(_target(one).startswith(f"{_PRIVATE}/") for one in given) else []
        paths = [*hidden, *(path for path in declared[:_MAX_VOLUMES] if path not in hidden)]
        volumes = {f"{name}-{number}": path for number, path in enumerate(paths)}
        mounts = [*given, *(self._volume(*one, hides=one[1] in hidden) for one in volumes.items())]
        body["HostConfig"] = _confined({**host, "Mounts": mounts})
        with unwound_by_signals():
            try:
                with engine_errors(f"{image}: no container can be made of it", image):
                    response = self._client.post(
                        self._url("/containers/create"),
                        params={"name": name, **({"platform": platform} if platform else {})},
                        json=body,
                        timeout=self._client.timeout,
                    )
                    _raise_for_status(response)
                yield name
            finally:
                self._remove(name, volumes)

    def _volume(self, name: str, path: str, *, hides: bool) -> dict[str, Any]:
        # Images keep root's folder from others, and a Python that was built for a place in it works nowhere
        # else. So it is hidden: empty, still root's, but open. All else is as in the image, and only for
        # reading; that takes a volume with a name.
        options = {"Labels": self._labels, "NoCopy": hides}
        return {
            "Type": "volume",
            "Source": name,
            "Target": path,
            "ReadOnly": not hides,
            "VolumeOptions": options,
        }

    def _attached(self, path: str, body: Mapping[str, Any] | None, max_output_bytes: int) -> Attached:
        response = self._client.post(
            self._url(path),
            json=body,
            headers={"Connection": "Upgrade", "Upgrade": "tcp"},
            stream=True,
            timeout=self._client.timeout,
        )
        _raise_for_status(response)
        return Attached(response, max_output_bytes)

    @staticmethod
    def _attend(
        streams: Attached,
        input_bytes: bytes,
        deadline: float,
        doing: str,
        has_ended: Callable[[], bool] | None = None,
    ) -> None:
        try:
            streams.attend(input_bytes or None, deadline, has_ended)
        except HalfCloseError as error:
            raise EngineError(
                one_line(
                    f"{doing}: input cannot be given to an engine behind TLS; use a socket or ssh tunnel"
                )
            ) from error

    def _kill(self, name: str) -> None:
        with contextlib.suppress(EngineError), engine_errors("killing"):
            self._client.kill(name)

    def _remove(self, name: str, volumes: Iterable[str] = ()) -> None:
        """Remove a container, whatever its state; the engine's failure to do so is left to the next sweep."""
        with contextlib.suppress(EngineError), engine_errors("removing"):
            self._client.delete(
                self._url(f"/containers/{name}"), params={"force": "1", "v": "1"}, timeout=_REMOVE_S
            )
            for volume in volumes:
                self._client.delete(self._url(f"/volumes/{volume}"), params={"force": "1"}, timeout=_REMOVE_S)


class Session:
    """A container that runs one command after the other, each by ``exec``.

    What a command leaves in ``/tmp`` the next one finds. A command that hangs, floods or leaves processes
    that hold its output open ends its container, and the next one gets a new one. In an image that has
    nothing that would keep a container alive, each command gets one of its own.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        mounts: Mounts | None,
        *,
        memory_bytes: int,
        pids: int,
        platform: str | None,
        user: str,
    ) -> None:
        self._engine, self.image, self._mounts = engine, image, mounts
        self._memory_bytes, self._pids, self._platform, self._user = memory_bytes, pids, platform, user
        self._stack = contextlib.ExitStack()
        self._name: str | None = None
        # Whether images like this can keep a container alive; and whether this one has run a command yet.
        self._kept, self._is_fresh = True, True
        self.renewals = 0

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        input_bytes: bytes = b"",
        extra_environment: Mapping[str, str] | None = None,
        max_output_bytes: int = _OUTPUT,
        cwd: str = "/",
    ) -> ContainerCompleted:
        """Run a command; the parameters are those of :meth:`Engine.run`.

        Raises
        ------
        EngineError
            If it cannot be run, or the engine fails.
        """
        words = _words(argv)
        if self._name is None and self._kept:
            self._renew()
        if self._name is not None:
            settings = _exec_settings(words, self._user, cwd, extra_environment, bool(input_bytes))
            completed = self._exec(words, settings, timeout_s, input_bytes, max_output_bytes)
            if completed is not None:
                return completed
        return self._engine.run(
            self.image,
            words,
            timeout_s=timeout_s,
            mounts=self._mounts,
            input_bytes=input_bytes,
            memory_bytes=self._memory_bytes,
            pids=self._pids,
            extra_environment=extra_environment,
            platform=self._platform,
            max_output_bytes=max_output_bytes,
            user=self._user,
            cwd=cwd,
        )

    def _renew(self) -> None:
        self.close()
        engine, client = self._engine, self._engine._client
        host = {**_limits(self._memory_bytes, self._pids), "Mounts": _mounts(self._mounts, self._user)}
        for program, words in _KEEPERS:
            settings = _settings(self._user, "/", None, takes_input=False)
            with contextlib.ExitStack() as stack, engine_errors(f"{self.image}: no session can be had"):
                name = stack.enter_context(
                    engine._container(self.image, words, settings, host, self._platform)
                )
                there = client.head(
                    engine._url(f"/containers/{name}/archive"),
                    params={"path": program},
                    timeout=client.timeout,
                )
                if there.status_code != 200:
                    continue
                client.start(name)
                self._stack, self._name, self._is_fresh = stack.pop_all(), name, True
                return
        self._kept = False

    def _exec(
        self,
        words: tuple[str, ...],
        settings: Mapping[str, Any],
        timeout_s: float,
        input_bytes: bytes,
        max_output_bytes: int,
    ) -> ContainerCompleted | None:
        """Run a command in the container; None: the container does not live."""
        from docker import errors

        client = self._engine._client
        doing = f"{self.image}: {words[0]} cannot be run"
        with engine_errors(doing):
            try:
                made = client.post(
                    self._engine._url(f"/containers/{self._name}/exec"), json=settings, timeout=client.timeout
                )
                _raise_for_status(made)
                identifier = made.json()["Id"]
                streams = self._engine._attached(
                    f"/exec/{identifier}/start", {"Detach": False, "Tty": False}, max_output_bytes
                )
            except errors.APIError as error:
                # It was killed: by the command before, at the limit of memory, by somebody else; or its
                # keeper cannot run at all.
                if error.status_code not in {404, 409} and self._lives():
                    raise
                self._kept = not self._is_fresh
                self.renewals += 1
                self.close()
                return None
            started = time.monotonic()

            def has_ended() -> bool:
                return not self._state(identifier)["Running"]

            spoiled = True
            try:
                with contextlib.closing(streams):
                    self._engine._attend(streams, input_bytes, started + timeout_s, doing, has_ended)
                duration = time.monotonic() - started
                cut_off = streams.timed_out or streams.framing.truncated
                returncode = None if cut_off else self._status(identifier)
                state = client.inspect_container(self._name)["State"]
                lives = bool(state["Running"])
                spoiled = cut_off or streams.left_open or returncode is None or not lives
                # Among the output the engine may say that the command could not be started, because it is
                # none, or because the container is ending. A container of its own tells them apart.
                not_started = (
                    returncode in _NOT_STARTED and _ENGINE_SAYS.fullmatch(streams.stdout) is not None
                )
                if not cut_off and (not_started or (self._is_fresh and not lives)):
                    spoiled = spoiled or not streams.stdout.startswith(b"OCI")
                    self._kept = lives or not self._is_fresh
                    return None
                self._is_fresh = False
            finally:
                if spoiled:
                    self.renewals += 1
                    self.close()
        return ContainerCompleted(
            words,
            137 if cut_off or returncode is None else returncode,
            streams.stdout,
            streams.stderr,
            streams.timed_out,
            streams.framing.truncated,
            duration,
            returncode in {None, 137} and not cut_off and bool(state.get("OOMKilled")),
        )

    def attach(
        self,
        argv: Sequence[str],
        *,
        extra_environment: Mapping[str, str] | None = None,
        max_output_bytes: int = _OUTPUT,
        cwd: str = "/",
    ) -> Attached:
        """Start a command and return its open streams, for :mod:`pyassay.places.live`.

        It is ended by :meth:`close`, which removes the container; the next command gets a new one.

        Parameters
        ----------
        argv : sequence of str
        extra_environment : mapping, optional
        max_output_bytes : int
            How much may lie unread, of stdout and of stderr.
        cwd : str

        Raises
        ------
        EngineError
            If it cannot be started, or nothing in the image would keep a container alive.
        """
        words = _words(argv)
        client = self._engine._client
        settings = _exec_settings(words, self._user, cwd, extra_environment, takes_input=True)
        with engine_errors(f"{self.image}: {words[0]} cannot be run"):
            if self._name is not None and not self._lives():
                self.renewals += 1
                self.close()
            if self._name is None:
                self._renew()
            if self._name is None:
                raise EngineError(f"{self.image}: has no program that would keep a container alive")
            made = client.post(
                self._engine._url(f"/containers/{self._name}/exec"), json=settings, timeout=client.timeout
            )
            _raise_for_status(made)
            return self._engine._attached(
                f"/exec/{made.json()['Id']}/start", {"Detach": False, "Tty": False}, max_output_bytes
            )

    def _lives(self) -> bool:
        from docker import errors

        try:
            return bool(self._engine._client.inspect_container(self._name)["State"]["Running"])
        except errors.NotFound:
            return False

    def _state(self, identifier: str) -> dict[str, Any]:
        from docker import errors

        try:
            return dict(self._engine._client.exec_inspect(identifier))
        except errors.APIError as error:
            if error.status_code not in {404, 409} and self._lives():
                raise
            # The container ended, and the command with it: killed by that very command, as a rule.
            return {"Running": False, "ExitCode": None}

    def _status(self, identifier: str) -> int | None:
        """Return the exit status, which may come a moment after the end of the streams."""
        until = time.monotonic() + _END_S
        while time.monotonic() < until:
            state = self._state(identifier)
            if not state["Running"]:
                return None if state["ExitCode"] is None else int(state["ExitCode"])
            time.sleep(0.01)
        return None

    def close(self) -> None:
        """Remove the container; the next command gets a new one."""
        self._name = None
        self._stack.close()


class _ExportStream(io.RawIOBase):
    """What the engine sends, as a file that can be read once."""

    def __init__(self, response: requests.Response, doing: str) -> None:
        super().__init__()
        self._response, self._doing = response, doing

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        with engine_errors(self._doing):
            data: bytes = self._response.raw.read(len(view))
        view[: len(data)] = data
        return len(data)


# What a container is made of -------------------------------------------------------------------------------


def _words(argv: Sequence[str]) -> tuple[str, ...]:
    words = tuple(os.fspath(word) for word in argv)
    if not words or not words[0]:
        raise EngineError("no command given")
    if any("\0" in word for word in words):
        raise EngineError(one_line(f"{words[0]!r}: a command cannot hold a NUL"))
    return words


def _limits(memory_bytes: int, pids: int) -> dict[str, Any]:
    # Swap included, so none: and what lies in /tmp counts, too.
    return {"Memory": memory_bytes, "MemorySwap": memory_bytes, "PidsLimit": pids}


def _settings(
    user: str,
    cwd: str,
    extra: Mapping[str, str] | None,
    takes_input: bool,
) -> dict[str, Any]:
    return {
        "User": user,
        "WorkingDir": cwd,
        "Env": [f"{key}={value}" for key, value in (_ENVIRONMENT | dict(extra or {})).items()],
        "Hostname": "pyassay",
        "OpenStdin": takes_input,
        "StdinOnce": takes_input,
        "AttachStdin": takes_input,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
    }


def _exec_settings(
    words: tuple[str, ...], user: str, cwd: str, extra: Mapping[str, str] | None, takes_input: bool
) -> dict[str, Any]:
    return {
        "Cmd": list(words),
        "User": user,
        "WorkingDir": cwd,
        "Env": [f"{key}={value}" for key, value in dict(extra or {}).items()],
        "AttachStdin": takes_input,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
    }


def _target(mount: Mapping[str, Any]) -> str:
    return str(mount["Target"])


def _volumes_of(container: Mapping[str, Any]) -> list[str]:
    """Return the volumes that were made for a container: they bear its name."""
    own = tuple(f"{name.lstrip('/')}-" for name in container.get("Names") or ())
    found = [str(mount.get("Name") or "") for mount in container.get("Mounts") or ()]
    return [name for name in found if name.startswith(own)] if own else []


def _confined(host: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,size={_TMP_BYTES},mode=1777"},  # noqa: S108
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,
        # A flood would otherwise fill the engine's disk.
        "LogConfig": {"Type": "none"},
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        "RestartPolicy": {"Name": "no"},
        **host,
    }


def _mounts(mounts: Mounts | None, user: str) -> list[dict[str, Any]]:
    found = []
    for here, there in (mounts or {}).items():
        source = Path(here).absolute()
        if not there.startswith("/") or "\0" in there or ".." in there.split("/") or there.rstrip("/") == "":
            raise EngineError(one_line(f"{there!r}: not a place for a mount: an absolute path below / is"))
        _check_readable(source, user)
        found.append({"Type": "bind", "Source": str(source), "Target": there, "ReadOnly": True})
    return found


def _check_readable(source: Path, user: str) -> None:
    """Say at once what would otherwise look like a refusal of the subject's: its files may not be read."""
    shown = one_line(source)
    try:
        status = source.stat()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{shown}: cannot be mounted: {getattr(error, 'strerror', None) or error}"
        ) from error
    owner = user.partition(":")[0]
    if not owner.isdecimal() or int(owner) in {0, status.st_uid}:
        return
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    if status.st_mode & wanted != wanted:
        raise EngineError(
            f"{shown}: the container's user {owner} may not read it (mode {stat.S_IMODE(status.st_mode):o}): "
            "let others read it"
        )


def _quoted(text: str) -> str:
    """Quote for the engine's LABEL instruction, which expands variables."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{" ".join(escaped.splitlines())}"'


# Connecting and parting ------------------------------------------------------------------------------------


def _local_address() -> str:
    for pattern in _SOCKETS:
        path = Path(pattern.format(XDG_RUNTIME_DIR=os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent"))
        with contextlib.suppress(OSError):
            if path.is_socket():
                return f"unix://{path}"
    return f"unix://{_SOCKETS[0]}"


def _tls(docker: Any, address: str) -> Any:
    """Return the settings of the variables that Docker's own client obeys."""
    if not os.environ.get("DOCKER_TLS_VERIFY") or not address.startswith("tcp://"):
        return False
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        return docker.tls.TLSConfig(
            client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
            ca_cert=str(folder / "ca.pem"),
            verify=True,
        )
    except docker.errors.TLSParameterError as error:
        raise NoEngineError(one_line(f"{address}: {error}")) from error


def _why_none(error: BaseException, address: str, shown: str) -> str:
    causes: list[BaseException] = []
    seen: BaseException | None = error
    while seen is not None and len(causes) < 10:
        causes.append(seen)
        inner = [one for one in seen.args if isinstance(one, BaseException)]
        seen = seen.__cause__ or seen.__context__ or (inner[0] if inner else None)
    if any(isinstance(cause, PermissionError) for cause in causes):
        return (
            f"no permission on the Docker engine's socket {shown}: add this user to the group docker and log "
            "in again, or name another engine in DOCKER_HOST"
        )
    get = "install one (on Debian: apt install docker.io), start it, or name another one in DOCKER_HOST"
    missing = (FileNotFoundError, ConnectionRefusedError)
    if any(isinstance(cause, missing) for cause in causes):
        return f"no Docker engine runs at {shown}: {get}"
    return one_line(f"no Docker engine answers at {shown} ({causes[-1]}): {get}")


def _raise_for_status(response: requests.Response) -> None:
    from docker.errors import create_api_error_from_http_exception
    from requests.exceptions import HTTPError

    try:
        response.raise_for_status()
    except HTTPError as error:
        create_api_error_from_http_exception(error)
