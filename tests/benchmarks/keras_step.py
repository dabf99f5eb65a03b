"""The training step of `small`: mtl against the same network, cost and optimiser in Keras, on the same images in memory."""

import importlib.metadata

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import config as config_lib, tasks
from mtl.data import pipeline, synthetic
from tests.benchmarks import keras_trainer, mtl_trainer, turns as turns_lib

CHECKED = 20  # steps both take on the same batches before the clock starts
LOGITS = 1e-4  # how far the logits may differ
# How far the costs may, relative to their size where that exceeds 1. Adam divides small gradients by their own size and so makes
# much of the last bit: Keras against itself, started from weights changed in that bit, differs by 1e-4 after 20 steps.
EARLY, COST_EARLY, COST = 5, 1e-4, 5e-3


def mtl_work(connection, config, examples, checked, turns, steps):
    """Answer by (weights, logits, costs), then train `steps` steps whenever a message comes; arguments as keras_trainer.work."""
    labels = tasks.encode_all(examples.numbers)
    with mtl_trainer.training(config) as (session, reading, step):
        weights = session.run({variable.op.name: variable for variable in tf.trainable_variables()})
        # The logits are what the log softmax of the evaluation graph reads; it shares the variables.
        logits = {name: tensor.op.inputs[0] for name, tensor in reading.log_probs.items()}
        logits = session.run(logits, {reading.images: examples.images[checked[0]]})
        costs = [
            float(step(examples.images[indices], {name: classes[indices] for name, classes in labels.items()})) for indices in checked
        ]
        connection.send((weights, logits, costs))
        source = pipeline.from_arrays(examples, config.batch_size, config.seed)
        mtl_trainer.take_turns(connection, step, source, turns=turns, steps=steps)


def run(rounds=7, steps=60):
    """Check that the two compute the same, then time them in turns and print the table.

    Args:
      rounds: int.
      steps: int, of a round; the images are steps * batch_size, so that a round is an epoch.
    """
    config = config_lib.Config(schedule="constant", learning_rate=1e-3)  # gentle: last-bit differences grow with the rate
    count = steps * config.batch_size
    drawn = synthetic.examples("train", count)
    # Cut to what the network reads, so that mtl's random crops are the images themselves: Keras has no crops to make either.
    examples = drawn._replace(images=np.ascontiguousarray(pipeline.centre_crop(drawn.images)))
    checked = [np.arange(first, first + config.batch_size) % count for first in range(0, CHECKED * config.batch_size, config.batch_size)]
    print("## Training step of `small`: mtl against Keras\n")
    print(f"{steps} steps of {config.batch_size} images a round, {rounds} rounds, in turns after one round of warm-up.")
    print("Threads: mtl one a core within an operation, one operation at a time; Keras TensorFlow's default pools.")
    print(f"Keras {importlib.metadata.version('keras')}, backend TensorFlow, jit_compile and steps_per_execution as they come.\n")
    with (
        turns_lib.Player("mtl", mtl_work, config, examples, checked, rounds + 1, steps) as mtl,
        turns_lib.Player(
            "Keras", keras_trainer.work, config, examples.images, tasks.encode_all(examples.numbers), checked, rounds + 1
        ) as keras,
    ):
        weights, logits, costs = mtl.receive()
        keras.connection.send(weights)
        _compare(logits, costs, *keras.receive())
        turns_lib.table([mtl, keras], turns_lib.alternate([mtl, keras], rounds), count)


def _compare(logits, costs, other_logits, other_costs):
    far = max(np.abs(logits[name] - other_logits[name]).max() for name in logits)
    off = np.abs(np.subtract(costs, other_costs)) / np.maximum(1.0, np.abs(costs))
    print(f"Same weights: logits differ by at most {far:.1e}; costs of {len(costs)} steps on the same batches by at most {off.max():.1e}")
    print(f"(step 1: {costs[0]:.5f} and {other_costs[0]:.5f}; step {len(costs)}: {costs[-1]:.5f} and {other_costs[-1]:.5f}).\n", flush=True)
    if far > LOGITS or off[:EARLY].max() > COST_EARLY or off.max() > COST:
        raise SystemExit(
            f"benchmarks: more than {LOGITS} (logits), {COST_EARLY} (costs of {EARLY} steps) or {COST} (all costs): "
            "the two do not compute the same, so their speeds say nothing"
        )
