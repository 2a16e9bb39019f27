"""Predictions for artifacts and environments: what they rest on is read once, what was foretold is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pyassay.filetree import FileTreeError
from pyassay.places.container import EngineError
from pyassay.places.container_errors import one_line
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.dependencies import QUERY, installed_packages
from pyassay.probes.packaging.environments import Environment, Places
from pyassay.probes.packaging.prediction import Ground, Prediction, predict
from pyassay.probes.packaging.reading import ReadArtifact, read_tree
from pyassay.probes.packaging.store import Store
from pyassay.probes.tree import is_shared_prefix
from pyassay.subjects.contents import Contents
from pyassay.subjects.images import image_index
from pyassay.subjects.model import Interpreter

__all__ = ["Foreteller"]

_RUN_S = 60.0


@dataclass
class Foreteller:
    """Foretells where artifacts run, nothing of them being run.

    Attributes
    ----------
    places : Places
    store : Store
    reads : callable
        Returns what was read of a candidate; raises FileTreeError.
    """

    places: Places
    store: Store
    reads: Callable[[Candidate], ReadArtifact]
    _builders: dict[str, Contents] = field(default_factory=dict)
    _grounds: dict[str, Ground] = field(default_factory=dict)

    def foretell(self, candidate: Candidate, environment: Environment) -> Prediction:
        """Return what can be said before it is run."""
        built = candidate.built
        if built is None:
            return Prediction(None, "not built")
        if not environment.suite and environment.name != "empty":
            return Prediction(None, "an image brings its own system along")
        prefix = candidate.python.prefix
        if environment.has_builder and (prefix is None or is_shared_prefix(prefix)):
            return Prediction(None, "the system's own Python cannot be brought along")
        image = self.places.digests.get(environment.image, "")
        python = (candidate.python.executable, candidate.python.version) if environment.has_builder else ()
        started = (built.program, sorted(built.environment.items()), built.delivery)
        key = (candidate.digest, started, environment, image, python)
        if (kept := self.store.get("predictions", key)) is not None:
            return Prediction(kept[0]["runs"], kept[0]["why"])
        try:
            found = predict(self.reads(candidate), self._ground(environment, candidate.python))
        except (FileTreeError, EngineError, OSError) as error:
            return Prediction(None, one_line(error))
        self.store.put("predictions", key, [{"runs": found.runs, "why": found.why}])
        return found

    def _ground(self, environment: Environment, python: Interpreter) -> Ground:
        engine = self.places.engine
        if engine is None:
            raise EngineError("no engine")
        if environment.image not in self._grounds:
            index = image_index(engine, environment.image)
            packages: dict[str, str] = {}
            if environment.suite:
                done = engine.run(environment.image, QUERY, timeout_s=_RUN_S)
                packages = installed_packages(done.stdout.decode("utf-8", "replace"))
            self._grounds[environment.image] = Ground(index.root, packages)
        ground = self._grounds[environment.image]
        if not environment.has_builder or python.prefix is None:
            return ground
        if python.id not in self._builders:
            self._builders[python.id] = read_tree(python.prefix)
        return Ground(ground.root, ground.packages, python, self._builders[python.id])
