"""The sides that are compared: mtl and its competitors, started from the same weights."""

import contextlib
import importlib
import importlib.metadata
import importlib.util
from typing import Any, NamedTuple

import numpy as np

from mtl import config as config_lib, tasks
from mtl.data import batches
from mtl.data.drawn import synthetic
from tests.benchmarks import mtl_trainer, turns

CHECKED = 20  # steps that all sides train on the same batches before the clock starts
EARLY = 5
KERAS, TORCH = "tests.benchmarks.keras_trainer", "tests.benchmarks.torch_trainer"
PACKAGES = ("keras", "jax", "torch")  # of the competitors


class Limits(NamedTuple):
    """How far a side may differ from mtl; costs relative to max(1, |cost|)."""

    logits: float
    early: float  # costs of the first EARLY steps
    all: float  # costs of all CHECKED steps


# Adam divides a small gradient by its own size, which magnifies the last bit. Keras differs from
# itself by 1e-4 after 20 steps if its weights change in that bit.
LIMITS = {"fp32": Limits(1e-4, 1e-2, 2e-2), "bf16": Limits(0.15, 0.15, 0.3)}


class Peer(NamedTuple):
    """A competitor: a module with a function `opened`, and what it is opened with."""

    name: str
    module: str
    argument: Any
    environment: dict = {}
    slow: bool = False  # takes long to start

    @property
    def packages(self):
        """The set of packages that it needs."""
        if self.module == TORCH:
            return {"torch"}
        return {"keras", self.environment["KERAS_BACKEND"]}

    def player(self, config, weights):
        """Start it in a process of its own."""
        opener = Opener(self.module)
        given = (config, weights, self.argument)
        return turns.Player(self.name, opener, *given, environment=self.environment)


class Opener:
    """Imports a module where it is called: Keras fixes its backend when it is imported."""

    def __init__(self, module):
        self._module = module

    def __call__(self, *arguments):
        return importlib.import_module(self._module).opened(*arguments)


def peers(quick=False, skip_missing=False, limit=None):
    """List the competitors, with the best settings of each.

    Args:
      quick: bool, whether to skip those that take long to start.
      limit: str, a key of isa.LIMITS, or None. With a limit JAX is skipped, because the limit
        does not apply to its products and convolutions.
      skip_missing: bool, whether to skip those that are not installed.

    Raises:
      SystemExit: one is not installed.
    """
    missing = set(PACKAGES) - set(_installed())
    if missing and not skip_missing:
        cure = "pip install '.[bench]'"
        raise SystemExit(f"benchmarks: {', '.join(sorted(missing))} not installed; {cure}")
    on_tensorflow = {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "1"}
    on_jax = {"KERAS_BACKEND": "jax"}
    found = [
        Peer("Keras, TensorFlow", KERAS, False, on_tensorflow),
        Peer("Keras, TensorFlow, jit_compile", KERAS, True, on_tensorflow, slow=True),
        Peer("Keras, JAX", KERAS, False, on_jax, slow=True),
        Peer("Keras, JAX, jit_compile", KERAS, True, on_jax, slow=True),
        Peer("PyTorch, eager", TORCH, "eager"),
        Peer("PyTorch, channels_last, fused Adam", TORCH, "channels_last"),
        Peer("PyTorch, the same, torch.compile", TORCH, "compile", slow=True),
    ]
    skipped = missing | {"jax"} if limit else missing
    found = [peer for peer in found if not peer.packages & skipped]
    return [peer for peer in found if not (quick and peer.slow)]


def _installed():
    """List the PACKAGES that are installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name)]


def versions():
    """Return the versions of the competitors, as a sentence."""
    return ", ".join(f"{name} {version(name)}" for name in _installed()) + "."


def version(package):
    """Return the version of an installed package, such as "tensorflow".

    The distribution can have another name: tensorflow-cpu also installs the package tensorflow.
    """
    return importlib.metadata.version(importlib.metadata.packages_distributions()[package][0])


def cropped(count):
    """Draw training images that are already cropped, so that mtl's random crops change nothing."""
    drawn = synthetic.load("", "train", count=count)
    return drawn._replace(inputs=np.ascontiguousarray(batches.centre_crop(drawn.inputs)))


def default(bottom, precision, threads=2, batch_size=32, **fields):
    """Return the Config that sides are compared by.

    Its learning rate is low: differences in the last bit grow with the rate and the depth.
    """
    return config_lib.Config(
        bottom=bottom,
        precision=precision,
        batch_size=batch_size,
        schedule="constant",
        warmup_steps=0,  # the competitors have none
        learning_rate=1e-4 if bottom == "paper" else 1e-3,
        threads=threads,
        **fields,
    )


@contextlib.contextmanager
def started(config, examples, listed):
    """Start mtl and competitors from the same weights and check that they compute the same.

    Args:
      config: Config; its threads apply to all sides.
      examples: Examples of at least two batches.
      listed: list of Peer.

    Yields:
      list of turns.Player, mtl first.

    Raises:
      SystemExit: a side computes something else, so its speed means nothing.
    """
    with contextlib.ExitStack() as stack:
        players = [stack.enter_context(turns.Player("mtl", mtl_trainer.opened, config))]
        weights = players[0].ask("weights")
        reference = _outputs(players[0], config, examples)
        print("Same weights, same batches; largest difference from mtl:\n")
        head = f"costs of {EARLY} steps | of {CHECKED} steps | cost of step {CHECKED}"
        print(f"| | logits | {head} |\n|---|---:|---:|---:|---:|")
        print(f"| mtl | | | | {reference[1][-1]:.4f} |")
        for peer in listed:
            players.append(stack.enter_context(peer.player(config, weights)))
            found = _outputs(players[-1], config, examples)
            _compare(peer.name, reference, found, LIMITS[config.precision])
        print()
        yield players


def _outputs(player, config, examples):
    """Return the logits of a side on the first batch, and its costs over CHECKED steps."""
    size = config.batch_size
    labels = tasks.encode_all(examples.numbers)
    logits = player.ask("logits", examples.inputs[:size])
    costs = []
    for first in range(0, CHECKED * size, size):
        indices = np.arange(first, first + size) % len(examples.numbers)
        classes = {name: values[indices] for name, values in labels.items()}
        costs.append(player.ask("step", examples.inputs[indices], classes))
    return logits, costs


def _compare(name, reference, found, limits):
    """Print how far a side is from mtl; raise SystemExit beyond the limits."""
    logits, costs = reference
    apart = max(np.abs(logits[task] - found[0][task]).max() for task in logits)
    off = np.abs(np.subtract(costs, found[1])) / np.maximum(1.0, np.abs(costs))
    early, late = off[:EARLY].max(), off.max()
    print(f"| {name} | {apart:.1e} | {early:.1e} | {late:.1e} | {found[1][-1]:.4f} |", flush=True)
    if apart > limits.logits or early > limits.early or late > limits.all:
        allowed = f"{limits.logits}, {limits.early}, {limits.all}"
        raise SystemExit(f"benchmarks: {name} does not compute what mtl does (allowed: {allowed})")
