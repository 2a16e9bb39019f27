"""Places: where a command of a subject runs, with a clean environment, limits and a timeout."""

from pyassay.places.host import Completed, StartError, clean_environment, run

__all__ = ["Completed", "StartError", "clean_environment", "run"]
