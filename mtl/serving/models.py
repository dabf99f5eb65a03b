"""The models that a server can serve: a run, or a folder that `mtl export` wrote."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from mtl.inference import reading
from mtl.inference.network import Network
from mtl.inference.views import views
from mtl.inputs import Inputs
from mtl.runs import find
from mtl.serving import outputs, saved
from mtl.serving.batching import Run
from mtl.tasks import Task, is_numbers


class Model(Protocol):
    """A network of one version."""

    tasks: tuple[Task, ...]
    inputs: Inputs
    views: int  # of each image
    version: int

    def run(self, inputs: np.ndarray) -> dict[str, Any]:
        """Return the outputs of signatures.outputs_of; inputs: [n, *self.inputs.shape]."""

    def lanes(self) -> list[Run]:
        """Return functions like `run` that can run concurrently, but not with `run`."""

    def close(self) -> None:
        """Free the memory."""


class Trained:
    """The network of a run. Its version is its step."""

    def __init__(self, network: Network, views: int, temperature: float):
        """Take an open network; see reading.read and calibration.calibrate."""
        self._network = network
        self._temperature = temperature
        self.tasks = network.tasks
        self.inputs = network.inputs
        self.views = views
        self.version = network.step

    def run(self, inputs: np.ndarray) -> dict[str, Any]:
        """See Model."""
        return self._run(self._network, inputs)

    def lanes(self) -> list[Run]:
        """See Model."""
        return [functools.partial(self._run, lane) for lane in self._network.lanes()]

    def _run(self, network, inputs):
        found = reading.read(network, inputs, count=self.views)
        return outputs.arrays(found, self.tasks, self._temperature)

    def close(self) -> None:
        """Close the session."""
        self._network.close()


class Settings(NamedTuple):
    """Settings that replace those of a run; None follows the run."""

    views: int | None = None
    temperature: float | None = None
    precision: str = "fp32"


class Source(NamedTuple):
    """Where versions of a model come from."""

    newest: Callable[[], Any]  # () -> what the newest version is made from; it compares with ==
    load: Callable[[Any], Model]  # raises DataError


def source(model_dir: str, which: str = "best", settings: Settings | None = None) -> Source:
    """Return the source of a run directory, or of a folder of exports.

    Args:
      model_dir: a run directory, "pretrained", or a folder of `mtl export`.
      which: the checkpoint of a run, see find.checkpoint.
      settings: of a run. An export has its own.
    """
    if saved.versions(model_dir):
        return Source(lambda: saved.newest(model_dir), saved.Exported)
    settings = settings or Settings()
    return Source(
        lambda: find.checkpoint(model_dir, which),
        lambda path: trained(model_dir, path, settings),
    )


def trained(model_dir: str, path: str, settings: Settings) -> Trained:
    """Open the network of a run at a checkpoint.

    Raises:
      DataError: the run or the checkpoint cannot be read.
    """
    network = Network.open(model_dir, path, settings.precision)
    count = settings.views or (network.config.views if is_numbers(network.tasks) else 1)
    return Trained(network, count, settings.temperature or network.temperature)


def seen(model: Model, window: np.ndarray) -> list[np.ndarray]:
    """Return the views of a window that a network sees, list of uint8 [height, width, 3]."""
    if model.inputs.dtype != "uint8":
        window = np.rint(255 * window).astype(np.uint8)
    found = [window[None]]
    if model.inputs.crop or model.views > 1:
        found = views(window[None], model.views, model.inputs.crop or model.inputs.shape[0])
    return [np.repeat(each[0], 3, axis=2) if each.shape[3] == 1 else each[0] for each in found]
