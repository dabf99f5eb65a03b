"""The side of mtl: a training session as `mtl train` opens it, a network as `mtl predict` does."""

import contextlib
import tempfile
import time
from unittest import mock

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib, sessions
from mtl.data import batches
from mtl.inference import graph as inference_graph, reading
from mtl.inference.network import Network
from mtl.inputs import NUMBERS
from mtl.run_files import Run
from mtl.tasks import NUMBER_TASKS

# The benchmarks train and predict on images that are already cropped.
CROPPED = NUMBERS._replace(shape=NUMBERS.network_shape)


class Stepper:
    """One training step as loop.Training does it, with the check for values that are not finite."""

    def __init__(self, session, graph):
        self._names = list(graph.labels)
        self._call = session.make_callable(
            [graph.minimize, graph.cost, graph.watched], [graph.inputs, *graph.labels.values()]
        )

    def __call__(self, images, labels):
        """Train on images and labels, dict task name -> int32 [n]; return the cost before it."""
        _, cost, watched = self._call(images, *[labels[name] for name in self._names])
        if not np.all(np.isfinite(watched)):
            raise FloatingPointError(f"not finite: {watched}")
        return cost


@contextlib.contextmanager
def training(config, layout=None):
    """Open a session with a training graph and an inference graph on the same fresh variables.

    Args:
      config: Config.
      layout: layouts.Layout, or None for that of mtl's rule.

    Yields:
      tf.Session, inference_graph.Inference, Stepper.
    """
    options = sessions.session_config(config.threads, config.batch_size)
    towers = sessions.towers_of
    if layout:
        options.intra_op_parallelism_threads = layout.intra
        options.inter_op_parallelism_threads = layout.inter
        towers = lambda *_: layout.towers  # noqa: E731
    with tf.Graph().as_default(), tf.Session(config=options) as session:
        with mock.patch.object(graph_lib, "towers_of", towers):
            graph = graph_lib.build(config)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            inference = inference_graph.build(tasks=NUMBER_TASKS, bottom=config.bottom)
        session.run(tf.global_variables_initializer())
        tf.get_default_graph().finalize()
        yield session, inference, Stepper(session, graph)


class Side:
    """What the other sides do too: see each method."""

    def __init__(self, config, session, inference, step):
        self._config = config
        self._session = session
        self._inference = inference
        self._step = step
        variables = session.graph.get_collection("trainable_variables")
        self._variables = {variable.op.name: variable for variable in variables}
        self._batches = None
        self._network = None

    def weights(self):
        """Return the current weights, dict name -> array."""
        return self._session.run(self._variables)

    def logits(self, images):
        """Return the logits of images, uint8 [n, *NUMBERS.network_shape]: dict task -> float32."""
        # The inputs of the log softmax.
        tensors = {name: each.op.inputs[0] for name, each in self._inference.outputs.items()}
        return self._session.run(tensors, {self._inference.placeholder: images})

    def step(self, images, labels):
        """Train one step; return the cost before it."""
        return float(self._step(images, labels))

    def epoch(self, examples):
        """Train once on Examples, a whole number of batches, as users do; return the seconds."""
        if self._batches is None:
            source = batches.from_arrays(examples, self._config.batch_size, self._config.seed)
            self._batches = batches.prefetch(source(0))
        return self._timed(len(examples.numbers) // self._config.batch_size)

    def chunk(self, chunk):
        """Train on a list of (images, labels) in this order; return the seconds."""
        since = time.perf_counter()
        for images, labels in chunk:
            self._step(images, labels)
        return time.perf_counter() - since

    def read(self, images):
        """Predict images; return the seconds."""
        network = self._open()
        since = time.perf_counter()
        reading.read(network, images)
        return time.perf_counter() - since

    def one(self, image, times):
        """Predict one image, uint8 [1, *NUMBERS.network_shape], some times; return the seconds."""
        network = self._open()
        since = time.perf_counter()
        for _ in range(times):
            network.outputs(image)
        return time.perf_counter() - since

    def _timed(self, steps):
        since = time.perf_counter()
        for _ in range(steps):
            self._step(*next(self._batches))
        return time.perf_counter() - since

    def _open(self):
        """Return the current weights as a network of `mtl predict`, opened once."""
        if self._network is None:
            values = self.weights()
            with tempfile.TemporaryDirectory() as folder:
                # The training graph is finalized and takes no saver.
                with tf.Graph().as_default(), tf.Session() as session:
                    copies = {name: tf.Variable(value) for name, value in values.items()}
                    session.run(tf.global_variables_initializer())
                    saver = tf.train.Saver(copies)
                    path = saver.save(session, f"{folder}/model.ckpt", global_step=0)
                self._network = Network(Run(self._config, NUMBER_TASKS, CROPPED), path)
        return self._network


class FromSource(Side):
    """A side that trains on the batches of a source, see mtl/data/batches.py."""

    def __init__(self, *arguments, source, lead_in):
        super().__init__(*arguments)
        self._batches = batches.prefetch(source(0))
        self._lead_in = lead_in

    def turn(self, steps):
        """Train the untimed steps of the lead-in, then `steps`; return the seconds of these."""
        for _ in range(self._lead_in):
            self._step(*next(self._batches))
        return self._timed(steps)

    def close(self):
        """End the source."""
        self._batches.close()


@contextlib.contextmanager
def opened(config, layout=None):
    """Open a Side; layout: layouts.Layout, or None for that of mtl's rule."""
    with training(config, layout) as parts:
        yield Side(config, *parts)


@contextlib.contextmanager
def fed(config, source, lead_in=0):
    """Open a FromSource; lead_in: int, untimed steps before each turn."""
    with training(config) as parts:
        side = FromSource(config, *parts, source=source, lead_in=lead_in)
        with contextlib.closing(side):
            yield side
