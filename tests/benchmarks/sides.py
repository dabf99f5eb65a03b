"""Who is measured: mtl and what its users would take instead, each in a process of its own, started from the same weights."""

import contextlib
import importlib.metadata
import importlib.util

import numpy as np

from mtl import config as config_lib, tasks
from mtl.data import batches
from mtl.data.drawn import synthetic
from tests.benchmarks import mtl_trainer, turns

CHECKED = 20  # steps that all take on the same batches before the clock starts
EARLY = 5
# How far the logits may differ; the costs of the first EARLY steps, relative to their size where that exceeds 1; and those of all. Adam
# divides small gradients by their own size and so makes much of the last bit: Keras against itself, started from weights changed in that
# bit, differs by 1e-4 after 20 steps.
LIMITS = {"fp32": (1e-4, 1e-2, 2e-2), "bf16": (0.15, 0.15, 0.3)}


def peers(quick=False):
    """List the other sides as (name, module, argument, environment); `quick` leaves out JAX and what compiles, which take long to start."""
    keras = "tests.benchmarks.keras_trainer"
    torch = "tests.benchmarks.torch_trainer"
    found = [
        ("Keras, TensorFlow", keras, False, {"KERAS_BACKEND": "tensorflow"}),
        ("Keras, TensorFlow, jit_compile", keras, True, {"KERAS_BACKEND": "tensorflow"}),
        ("Keras, JAX", keras, False, {"KERAS_BACKEND": "jax"}),
        ("Keras, JAX, jit_compile", keras, True, {"KERAS_BACKEND": "jax"}),
        ("PyTorch, eager", torch, "eager", {}),
        ("PyTorch, channels_last, fused Adam", torch, "channels_last", {}),
        ("PyTorch, the same, torch.compile", torch, "compile", {}),
    ]
    missing = {name for name in ("keras", "jax", "torch") if importlib.util.find_spec(name) is None}
    if missing:
        raise SystemExit(
            f"benchmarks: {', '.join(sorted(missing))} not installed; pip install '.[bench]'"
        )
    return [
        side
        for side in found
        if not quick or (side[2] in (False, "eager", "channels_last") and "JAX" not in side[0])
    ]


def versions():
    """Write down what is compared; SystemExit where something is not installed."""
    peers()
    return ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("tensorflow", "keras", "jax", "torch", "numpy")
    )


def images_of(count):
    """Draw images for training, cut to what a network reads, so that mtl's random crops are the images themselves; Examples."""
    drawn = synthetic.load("", "train", count=count)
    return drawn._replace(images=np.ascontiguousarray(batches.centre_crop(drawn.images)))


@contextlib.contextmanager
def started(config, examples, listed):
    """Start mtl and the listed peers from the same weights and check that they compute the same.

    Args:
      config: config.Config; of it the threads are what all sides get.
      examples: Examples of at least two batches.
      listed: list as `peers` makes it.

    Yields:
      list of turns.Player, mtl first.

    Raises:
      SystemExit: one does not compute what mtl computes, so that its speed says nothing.
    """
    labels, size = tasks.encode_all(examples.numbers), config.batch_size
    batches = [
        np.arange(first, first + size) % len(examples.numbers)
        for first in range(0, CHECKED * size, size)
    ]

    def checked(player):
        logits = player.ask("logits", examples.images[batches[0]])
        costs = [
            player.ask(
                "step", examples.images[i], {name: classes[i] for name, classes in labels.items()}
            )
            for i in batches
        ]
        return logits, costs

    with contextlib.ExitStack() as stack:
        players = [stack.enter_context(turns.Player("mtl", mtl_trainer.opened, config))]
        weights = players[0].ask("weights")
        logits, costs = checked(players[0])
        far, early, late = LIMITS[config.precision]
        print("Same weights, same batches; largest difference from mtl:\n")
        print(
            f"| | logits | costs of {EARLY} steps | of {CHECKED} steps | cost of step {CHECKED} |\n|---|---:|---:|---:|---:|"
        )
        print(f"| mtl | | | | {costs[-1]:.4f} |")
        for name, module, argument, environment in listed:
            players.append(
                stack.enter_context(
                    turns.Player(
                        name, Opener(module), config, weights, argument, environment=environment
                    )
                )
            )
            others, theirs = checked(players[-1])
            apart = max(np.abs(logits[task] - others[task]).max() for task in logits)
            off = np.abs(np.subtract(costs, theirs)) / np.maximum(1.0, np.abs(costs))
            print(
                f"| {name} | {apart:.1e} | {off[:EARLY].max():.1e} | {off.max():.1e} | {theirs[-1]:.4f} |",
                flush=True,
            )
            if apart > far or off[:EARLY].max() > early or off.max() > late:
                raise SystemExit(
                    f"benchmarks: {name} differs by more than {far}, {early}, {late}: it does not compute what mtl computes"
                )
        print()
        yield players


class Opener:
    """Finds the function `opened` in the process that needs it: Keras fixes its backend when it is imported, so it is not imported here."""

    def __init__(self, module):
        self.module = module

    def __call__(self, *arguments):
        return importlib.import_module(self.module).opened(*arguments)


def default(bottom, precision, **fields):
    """Make the config.Config that sides are compared by: gentle, because last-bit differences grow with the rate, and with the depth."""
    rate = 1e-4 if bottom == "paper" else 1e-3
    return config_lib.Config(
        bottom=bottom,
        precision=precision,
        schedule="constant",
        learning_rate=rate,
        threads=2,
        **fields,
    )
