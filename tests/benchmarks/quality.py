"""The time to an accuracy: log_sum.flags in mtl, Keras and PyTorch, on the same batches."""

import numpy as np

from mtl import config as config_lib
from mtl.data import batches
from mtl.data.drawn import synthetic
from mtl.evaluation import metrics
from mtl.inference import decoding
from tests.benchmarks import mtl_trainer, sides, tables, turns

SEEDS = 3
# As in flags/log_sum.flags. The competitors have no warm-up.
STEPS = 5500
SETTINGS = {
    "bottom": "small",
    "reuse": 8,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "warmup_steps": 0,
    "schedule": "cosine",
}
TITLE = f"Time to accuracy: log_sum, {STEPS} steps, {SEEDS} seeds"
CHUNK = 250  # steps between two evaluations
READ = 250  # images that a side predicts at a time
AIMS = (0.90, 0.95)
SIDES = ("Keras, TensorFlow", "PyTorch, channels_last, fused Adam")  # the fastest of each


def run(arguments):
    """Train each side from the same weights on the same batches; print when it reached each aim."""
    print(
        "The clock runs while a side trains. It stops for drawing, for cropping and for the "
        f"evaluation of 1,000 validation images every {CHUNK} steps.\n"
    )
    print(f"{sides.versions()}\n")
    aims = [f"to {aim:.0%}" for aim in AIMS]
    tables.table(["", "seconds in all", *aims, "at the end"], _rows())


def _rows():
    validation = synthetic.load("", "validation", count=1000)
    crops = np.ascontiguousarray(batches.centre_crop(validation.inputs))
    validation = validation._replace(inputs=crops)
    for seed in range(SEEDS):
        config = config_lib.Config(seed=seed, steps=STEPS, threads=2, **SETTINGS)
        count = STEPS * config.batch_size // config.reuse
        drawn = synthetic.load("", "train", count=count, seed=seed)
        with turns.Player("mtl", mtl_trainer.opened, config) as player:
            weights = player.ask("weights")
            yield _train(player, config, drawn, validation)
        for peer in sides.peers():
            if peer.name in SIDES:
                with peer.player(config, weights) as player:
                    yield _train(player, config, drawn, validation)


def _train(player, config, drawn, validation):
    """Train one side; return its row."""
    source = batches.from_arrays(drawn, config.batch_size, config.seed)(0)
    seconds = 0.0
    reached = {}
    for step in range(CHUNK, STEPS + 1, CHUNK):
        seconds += player.ask("chunk", [next(source) for _ in range(CHUNK)])
        accuracy = _accuracy(player, validation)
        for aim in AIMS:
            if accuracy >= aim:
                reached.setdefault(aim, seconds)
        case = f"seed {config.seed}, step {step}"
        tables.record("quality", case, player.name, [accuracy], "accuracy")
        tables.record("quality", case, player.name, [seconds], "s")
    shown = [f"{reached[aim]:.0f}" if aim in reached else "-" for aim in AIMS]
    return [f"{player.name}, seed {config.seed}", f"{seconds:.0f}", *shown, f"{accuracy:.1%}"]


def _accuracy(player, examples):
    """Return the sequence accuracy of a side on Examples."""
    parts = []
    for first in range(0, len(examples.numbers), READ):
        parts.append(player.ask("logits", examples.inputs[first : first + READ]))
    log_probs = {}
    for name in parts[0]:
        rows = np.concatenate([part[name] for part in parts])
        log_probs[name] = rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
    return metrics.sequence_accuracy(decoding.joint(log_probs)[0], examples.numbers)
