"""How long it takes to read well: quickstart's network, loss, data and schedule in mtl, Keras and PyTorch, on the same batches."""

import numpy as np

from mtl import config as config_lib
from mtl.data import batches
from mtl.data.drawn import synthetic
from mtl.evaluation import metrics
from mtl.inference import decoding
from tests.benchmarks import mtl_trainer, sides, tables, turns

CHUNK = 250  # steps between two looks at the validation set
AIMS = (0.90, 0.95)
SIDES = ("Keras, TensorFlow", "PyTorch, channels_last, fused Adam")  # the fastest of each


def accuracy(player, examples):
    """Return the sequence accuracy of what a side says of Examples."""
    parts = [
        player.ask("logits", examples.images[first : first + 250])
        for first in range(0, len(examples.numbers), 250)
    ]
    logits = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    log_probs = {
        name: rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
        for name, rows in logits.items()
    }
    return metrics.sequence_accuracy(decoding.joint(log_probs)[0], examples.numbers)


def run(seeds=3, steps=config_lib.Config.steps):
    """Train each side from the same weights on the same batches and print when it first reached each aim.

    Args:
      seeds: int, runs of each side.
      steps: int, of a run.
    """
    print(f"### Time to accuracy: quickstart, {steps} steps, {seeds} seeds\n")
    print(
        "The clock runs while a side trains. Drawing, cropping and a look at 1,000 validation images every"
    )
    print(f"{CHUNK} steps are outside of it.\n")
    tables.table(
        ["", "seconds in all", *[f"to {aim:.0%}" for aim in AIMS], "at the end"],
        _rows(seeds, steps),
    )


def _rows(seeds, steps):
    held = synthetic.load("", "validation", count=1000)
    held = held._replace(images=np.ascontiguousarray(batches.centre_crop(held.images)))
    for seed in range(seeds):
        config = config_lib.Config(seed=seed, steps=steps, threads=2)
        count = steps * config.batch_size // config.reuse
        drawn = synthetic.load("", "train", count=count, seed=seed)
        weights = None
        for name, module, argument, environment in [("mtl", None, None, {})] + [
            side for side in sides.peers() if side[0] in SIDES
        ]:
            work = mtl_trainer.opened if name == "mtl" else sides.Opener(module)
            given = (config,) if name == "mtl" else (config, weights, argument)
            with turns.Player(name, work, *given, environment=environment) as player:
                weights = player.ask("weights") if name == "mtl" else weights
                source, seconds, reached, last = (
                    batches.from_arrays(drawn, config.batch_size, seed)(0),
                    0.0,
                    {},
                    0.0,
                )
                for step in range(CHUNK, steps + 1, CHUNK):
                    seconds += player.ask("chunk", [next(source) for _ in range(CHUNK)])
                    last = accuracy(player, held)
                    reached |= {aim: seconds for aim in AIMS if last >= aim and aim not in reached}
                    tables.record("quality", f"seed {seed}, step {step}", name, [last], "accuracy")
                    tables.record("quality", f"seed {seed}, step {step}", name, [seconds], "s")
            shown = [f"{reached[aim]:.0f}" if aim in reached else "-" for aim in AIMS]
            yield [f"{name}, seed {seed}", f"{seconds:.0f}", *shown, f"{last:.1%}"]
