"""What the processor can do at most, and how much of it each network's training step uses."""

import contextlib
import math
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import config as config_lib, model
from tests.benchmarks import mtl_trainer, sides, tables, turns
from tests.benchmarks.step import STEPS

SIZE = 2048  # of the matrices
PICTURES = [32, 28, 28, 96]  # of the convolution: a layer of `base`, a little larger
TYPES = {"fp32": tf.float32, "bf16": tf.bfloat16}


def arithmetic(bottom, batch_size):
    """Count the floating point operations of a training step that are products or their sums, int.

    Each product of the forward pass is followed by two as large, the gradient by its weights and that by its inputs. The first layer's
    inputs are pixels, which get no gradient.
    """
    with tf.Graph().as_default() as graph:
        model.build(
            tf.placeholder(
                tf.float32, [batch_size, config_lib.CROP, config_lib.CROP, config_lib.CHANNELS]
            ),
            bottom=bottom,
        )
        products = []
        for op in graph.get_operations():
            if op.type in ("Conv2D", "MatMul", "BatchMatMulV2"):
                summed = op.inputs[1].shape[:3] if op.type == "Conv2D" else op.inputs[0].shape[-1:]
                products.append(
                    2 * op.outputs[0].shape.num_elements() * math.prod(summed.as_list())
                )
    return 3 * sum(products) - products[0]


class Processor:
    """Large products through oneDNN, with all cores in each."""

    def __init__(self, session):
        self.session, self.runs = session, {}
        for name, dtype in TYPES.items():
            matrix = tf.Variable(tf.cast(tf.random.stateless_normal([SIZE, SIZE], [1, 2]), dtype))
            pictures = tf.Variable(tf.cast(tf.random.stateless_normal(PICTURES, [1, 2]), dtype))
            kernel = tf.Variable(
                tf.cast(tf.random.stateless_normal([3, 3, PICTURES[3], PICTURES[3]], [1, 2]), dtype)
            )
            convolved = tf.nn.conv2d(pictures, kernel, 1, "SAME")
            self.runs[f"matrix product, {name}"] = tf.matmul(matrix, matrix).op, 2 * SIZE**3
            self.runs[f"convolution, {name}"] = (
                convolved.op,
                2 * math.prod(PICTURES) * 9 * PICTURES[3],
            )
        session.run(tf.global_variables_initializer())

    def rates(self, times=15):
        """Return the median rate of each product, dict name -> GFLOP/s."""
        found = {}
        for name, (op, operations) in self.runs.items():
            run, seconds = self.session.make_callable(op), []
            for _ in range(times + 2):
                since = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - since)
            found[name] = operations / np.median(seconds[2:]) / 1e9
        return found


@contextlib.contextmanager
def processor(threads):
    """Open a Processor."""
    with (
        tf.Graph().as_default(),
        tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=threads)) as session,
    ):
        yield Processor(session)


def run(rounds=7):
    """Measure both in turns and print their tables.

    Args:
      rounds: int.
    """
    print("### The processor's ceiling, and each step's share of it\n")
    print(
        f"Products of {SIZE} x {SIZE} matrices, and a 3x3 convolution of {PICTURES} by as many filters, in TensorFlow's oneDNN"
    )
    print(
        f"on 2 threads; medians of {rounds} rounds, in turns with the steps, which are of 32 images.\n"
    )
    cases = [(bottom, precision) for precision in TYPES for bottom in STEPS]
    with contextlib.ExitStack() as stack:
        best = stack.enter_context(turns.Player("processor", processor, 2))
        players = {}
        for bottom, precision in cases:
            config = sides.default(bottom, precision)
            player = stack.enter_context(
                turns.Player(f"{bottom} {precision}", mtl_trainer.opened, config)
            )
            players[bottom, precision] = player, sides.images_of(STEPS[bottom] * config.batch_size)
            player.ask("epoch", players[bottom, precision][1])  # warm
        best.ask("rates")
        rates, seconds = [], {case: [] for case in cases}
        for _ in range(rounds):
            rates.append(best.ask("rates"))
            for case, (player, examples) in players.items():
                seconds[case].append(player.ask("epoch", examples) / STEPS[case[0]])
    ceilings = {name: np.median([rate[name] for rate in rates]) for name in rates[0]}
    for name in ceilings:
        tables.record("ceiling", "", name, [rate[name] for rate in rates], "GFLOP/s")
    tables.table(["", "GFLOP/s"], [[name, f"{rate:.0f}"] for name, rate in ceilings.items()])
    rows = []
    for (bottom, precision), values in seconds.items():
        operations = arithmetic(bottom, 32)
        rate = operations / np.median(values) / 1e9
        tables.record(
            "share",
            f"{bottom} {precision}",
            "mtl",
            [operations / value / 1e9 for value in values],
            "GFLOP/s",
        )
        shares = [
            f"{rate / ceilings[f'{kind}, {precision}']:.0%}"
            for kind in ("matrix product", "convolution")
        ]
        rows.append(
            [
                f"`{bottom}`, {precision}",
                f"{operations / 1e9:.1f}",
                f"{1e3 * np.median(values):.1f}",
                f"{rate:.0f}",
                *shares,
            ]
        )
    tables.table(
        ["step of", "GFLOP", "ms", "GFLOP/s", "of the matrix product", "of the convolution"], rows
    )
