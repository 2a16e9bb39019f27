"""What can go wrong with a container engine, each as one clear line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["EngineError", "EngineGoneError", "ImageAbsentError", "NoEngineError", "engine_errors", "one_line"]

_MAX_SHOWN = 400


class EngineError(Exception):
    """The container engine could not do what was asked: one line."""


class NoEngineError(EngineError):
    """There is no engine to be used: none runs, the SDK is not installed, or the socket is forbidden."""


class EngineGoneError(EngineError):
    """The engine answered before, and does no more."""


class ImageAbsentError(EngineError):
    """The engine has no such image."""


def one_line(text: object) -> str:
    """Return text on one line of bearable length, harmless to a terminal."""
    line = " ".join(str(text).split())
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."


@contextlib.contextmanager
def engine_errors(doing: str, image: str = "") -> Iterator[None]:
    """Turn what the SDK and its HTTP library raise into an :class:`EngineError` that says what was done.

    Parameters
    ----------
    doing : str
        ``debian:bookworm: cannot be run``.
    image : str
        What is absent if the engine answers "not found"; empty: nothing that has a name.
    """
    import requests
    import urllib3
    from docker import errors

    try:
        yield
    except errors.NotFound as error:
        if image and "image" in str(error.explanation).lower():
            name = one_line(image)
            raise ImageAbsentError(
                f"{name}: the engine has no such image: `docker pull {name}` fetches it, "
                f"`pyassay images build {name}` makes one without a registry"
            ) from error
        raise EngineError(one_line(f"{doing}: {error.explanation or error}")) from error
    except errors.APIError as error:
        raise EngineError(one_line(f"{doing}: {error.explanation or error}")) from error
    except (requests.exceptions.ReadTimeout, TimeoutError, urllib3.exceptions.ReadTimeoutError) as error:
        raise EngineError(one_line(f"{doing}: the engine does not answer in time")) from error
    except (
        requests.exceptions.RequestException,
        errors.DockerException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise EngineGoneError(one_line(f"{doing}: the Docker engine went away")) from error
