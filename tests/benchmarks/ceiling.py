"""The speed limit of the processor, and the share of it that each training step reaches."""

import contextlib
import math
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import model
from mtl.inputs import NUMBERS
from tests.benchmarks import isa, mtl_trainer, sides, tables, turns
from tests.benchmarks.step import STEPS

TITLE = "The limit of the processor, and each step's share of it"
SIZE = 2048  # of the matrices
IMAGES = [32, 28, 28, 96]  # of the convolution: a layer of `base`, slightly larger
TYPES = {"fp32": tf.float32, "bf16": tf.bfloat16}
KINDS = ("matrix product", "convolution")


def arithmetic(bottom, batch_size):
    """Count the floating point operations of the products in a training step.

    Each product of the forward pass has two of the same size in the backward pass: the gradients of
    its weights and of its inputs. The inputs of the first layer are pixels and have no gradient.
    """
    with tf.Graph().as_default() as graph:
        shape = [batch_size, *NUMBERS.network_shape]
        model.build(tf.placeholder(tf.float32, shape), bottom=bottom)
        products = []
        for operation in graph.get_operations():
            if operation.type in ("Conv2D", "MatMul", "BatchMatMulV2"):
                products.append(_forward(operation))
    return 3 * sum(products) - products[0]


def _forward(operation):
    """Return the floating point operations of a product."""
    data, weights = operation.inputs[:2]
    summed = weights.shape[:3] if operation.type == "Conv2D" else data.shape[-1:]
    return 2 * operation.outputs[0].shape.num_elements() * math.prod(summed.as_list())


class Processor:
    """Large products in oneDNN, each on all cores."""

    def __init__(self, session, types):
        self._session = session
        self._runs = {}
        filters = IMAGES[3]
        for name in types:
            dtype = TYPES[name]
            matrix = _random([SIZE, SIZE], dtype)
            product = tf.matmul(matrix, matrix)
            self._runs[f"matrix product, {name}"] = product.op, 2 * SIZE**3
            kernel = _random([3, 3, filters, filters], dtype)
            convolved = tf.nn.conv2d(_random(IMAGES, dtype), kernel, 1, "SAME")
            operations = 2 * math.prod(IMAGES) * 9 * filters
            self._runs[f"convolution, {name}"] = convolved.op, operations
        session.run(tf.global_variables_initializer())

    def rates(self, times=15):
        """Return the median rate of each product, dict name -> GFLOP/s."""
        found = {}
        for name, (operation, operations) in self._runs.items():
            run = self._session.make_callable(operation)
            seconds = []
            for _ in range(times + 2):
                since = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - since)
            found[name] = operations / np.median(seconds[2:]) / 1e9
        return found


def _random(shape, dtype):
    return tf.Variable(tf.cast(tf.random.stateless_normal(shape, [1, 2]), dtype))


@contextlib.contextmanager
def processor(threads, types):
    """Open a Processor; types: sequence of keys of TYPES."""
    options = tf.ConfigProto(intra_op_parallelism_threads=threads)
    with tf.Graph().as_default(), tf.Session(config=options) as session:
        yield Processor(session, types)


def run(arguments):
    """Measure products and steps in turns and print their tables."""
    print(
        f"Products of {SIZE} x {SIZE} matrices and a 3x3 convolution of {IMAGES} by as many "
        f"filters, in\nTensorFlow's oneDNN on 2 threads. Medians of {arguments.rounds} rounds, "
        "in turns with the steps of 32 images.\n"
    )
    rates, seconds = _measure(arguments)
    limits = {}
    for name in rates[0]:
        values = [rate[name] for rate in rates]
        limits[name] = np.median(values)
        tables.record("ceiling", "", name, values, "GFLOP/s")
    tables.table(["", "GFLOP/s"], [[name, f"{rate:.0f}"] for name, rate in limits.items()])
    rows = [_row(*case, values, limits) for case, values in seconds.items()]
    head = ["step of", "GFLOP", "ms", "GFLOP/s", "of the matrix product", "of the convolution"]
    tables.table(head, rows)


def _measure(arguments):
    """Return a list of rates, and dict (bottom, precision) -> list of seconds of a step."""
    precisions = isa.PRECISIONS[arguments.isa]
    bottoms = [arguments.bottom] if arguments.bottom else list(STEPS)
    if arguments.quick:
        bottoms = [bottom for bottom in bottoms if bottom != "paper"]
    with contextlib.ExitStack() as stack:
        best = stack.enter_context(turns.Player("processor", processor, 2, precisions))
        players = {}
        for precision in precisions:
            for bottom in bottoms:
                config = sides.default(bottom, precision)
                player = turns.Player(f"{bottom} {precision}", mtl_trainer.opened, config)
                examples = sides.cropped(STEPS[bottom] * config.batch_size)
                players[bottom, precision] = stack.enter_context(player), examples
                player.ask("epoch", examples)  # warm-up
        best.ask("rates")
        rates = []
        seconds = {case: [] for case in players}
        for _ in range(arguments.rounds):
            rates.append(best.ask("rates"))
            for case, (player, examples) in players.items():
                seconds[case].append(player.ask("epoch", examples) / STEPS[case[0]])
    return rates, seconds


def _row(bottom, precision, seconds, limits):
    """Return the row of a training step."""
    operations = arithmetic(bottom, 32)
    rates = [operations / value / 1e9 for value in seconds]
    tables.record("share", f"{bottom} {precision}", "mtl", rates, "GFLOP/s")
    rate = operations / np.median(seconds) / 1e9
    row = [f"`{bottom}`, {precision}", f"{operations / 1e9:.1f}", f"{1e3 * np.median(seconds):.1f}"]
    shares = [f"{rate / limits[f'{kind}, {precision}']:.0%}" for kind in KINDS]
    return [*row, f"{rate:.0f}", *shares]
