"""The side of mtl: a training session as train.run opens it, and a network as `mtl predict` opens it, told when to work."""

import contextlib
import tempfile
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import model, tasks, train
from mtl.data import batches
from mtl.inference import graph as inference_graph, reading
from mtl.inference.network import Network


@contextlib.contextmanager
def training(config):
    """Open a graph and a session of it with fresh variables; gives (session, reading, step).

    Args:
      config: config.Config.

    Yields:
      tf.Session, inference_graph.Inference and a function (images, labels) -> cost that does what the loop of train.run does a step, the check
      for infinite cross entropies and gradients included.
    """
    with (
        tf.Graph().as_default(),
        tf.Session(config=model.session_config(config.threads, config.batch_size)) as session,
    ):
        graph = train.build(config)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            reading = inference_graph.build(
                tasks=tasks.NUMBER_TASKS, bottom=config.bottom, objective=config.objective
            )
        session.run(tf.global_variables_initializer())
        tf.get_default_graph().finalize()
        names = list(graph.labels)
        step_once = session.make_callable(
            [graph.minimize, graph.cost, graph.watched],
            feed_list=[graph.images] + [graph.labels[name] for name in names],
        )

        def step(images, labels):
            _, cost, watched = step_once(images, *[labels[name] for name in names])
            if not np.all(np.isfinite(watched)):
                raise FloatingPointError(f"not finite: {watched}")
            return cost

        yield session, reading, step


class Side:
    """What the other sides do, too: see each method."""

    def __init__(self, config, session, reading, step):
        self.config, self.session, self.reading, self._step = config, session, reading, step
        self.variables = {
            variable.op.name: variable
            for variable in session.graph.get_collection("trainable_variables")
        }
        self._batches = self._network = None

    def weights(self):
        """Return the weights as they are now, dict name -> array."""
        return self.session.run(self.variables)

    def logits(self, images):
        """Return what the network says of images, uint8 [n, CROP, CROP, CHANNELS]: dict task name -> float32 [n, classes]."""
        # The logits are what the log softmax of the evaluation graph reads; it shares the variables.
        tensors = {name: tensor.op.inputs[0] for name, tensor in self.reading.log_probs.items()}
        return self.session.run(tensors, {self.reading.images: images})

    def step(self, images, labels):
        """Train a step on images and labels, dict task name -> int32 [n]; returns the cost before it."""
        return float(self._step(images, labels))

    def epoch(self, examples):
        """Train once on all of Examples, a whole number of batches, as the side's users would; returns the seconds."""
        if self._batches is None:
            self._batches = batches.prefetch(
                batches.from_arrays(examples, self.config.batch_size, self.config.seed)(0)
            )
        return self._timed(len(examples.numbers) // self.config.batch_size)

    def chunk(self, batches):
        """Train on a list of (images, labels), in this order; returns the seconds."""
        since = time.perf_counter()
        for images, labels in batches:
            self._step(images, labels)
        return time.perf_counter() - since

    def _timed(self, steps):
        since = time.perf_counter()
        for _ in range(steps):
            self._step(*next(self._batches))
        return time.perf_counter() - since

    def read(self, images):
        """Return the seconds it takes to read images."""
        network = self.network()
        since = time.perf_counter()
        reading.read(network.log_probs, images)
        return time.perf_counter() - since

    def one(self, image, times):
        """Return the seconds it takes to read one image, uint8 [1, CROP, CROP, CHANNELS], and that so many times, one after the other."""
        network = self.network()
        since = time.perf_counter()
        for _ in range(times):
            network.log_probs(image)
        return time.perf_counter() - since

    def network(self):
        """Open, once, the weights of now as `mtl predict` would open a run directory."""
        if self._network is None:
            values = self.weights()
            with tempfile.TemporaryDirectory() as folder:
                with (
                    tf.Graph().as_default(),
                    tf.Session() as session,
                ):  # the graph that trains is finalized and takes no saver
                    saver = tf.train.Saver(
                        {name: tf.Variable(value) for name, value in values.items()}
                    )
                    session.run(tf.global_variables_initializer())
                    self._network = Network(
                        self.config, saver.save(session, f"{folder}/model.ckpt", global_step=0)
                    )
        return self._network


class FromSource(Side):
    """A side that trains on what a source of mtl.data gives."""

    def __init__(self, *arguments, source, lead_in):
        super().__init__(*arguments)
        self._batches, self._lead_in = batches.prefetch(source(0)), lead_in

    def turn(self, steps):
        """Train so many steps after the untimed ones of the lead-in; returns their seconds."""
        for _ in range(self._lead_in):
            self._step(*next(self._batches))
        return self._timed(steps)


@contextlib.contextmanager
def opened(config):
    """Open a Side."""
    with training(config) as parts:
        yield Side(config, *parts)


@contextlib.contextmanager
def fed(config, source, lead_in=0):
    """Open a FromSource; `source` as mtl/data/batches.py makes it, and the steps before each turn that are not timed."""
    with training(config) as parts:
        side = FromSource(config, *parts, source=source, lead_in=lead_in)
        try:
            yield side
        finally:
            side._batches.close()
