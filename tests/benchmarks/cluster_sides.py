"""The processes of the benchmark of clusters: servers of parameters, and workers.

Each process has a server for each view of the cluster: one without and one with slow links.
"""

import contextlib
import time
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib, sessions
from mtl.cluster import placement, replica as replica_lib
from mtl.cluster.exchange import Exchange
from mtl.inputs import NUMBERS
from tests.benchmarks import sides, traces

PS, WORKER = placement.PS, traces.WORKER
HOST = f"/job:{PS}/task:0"
DIRECT, SLOW = 0, 1  # the views
LARGE = 2**20  # numbers of a large tensor


class Place(NamedTuple):
    """The place of a worker in a training run."""

    task: int  # of the worker in the cluster
    number: int  # in the run; 0 is the chief
    count: int  # workers of the run
    servers: int
    run: str  # the name of the run
    sync: bool
    view: int


class Member:
    """A process of the cluster."""

    def __init__(self, views, job, task, threads):
        """Start its servers.

        Args:
          views: list of dict job -> addresses, as this process sees them.
          job: str.
          task: int.
          threads: int, for each operation, and operations at a time.
        """
        options = tf.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        make = tf.train.Server
        self._targets = [make(tf.train.ClusterSpec(v), job, task, config=options) for v in views]
        self._threads = threads
        self._device = f"/job:{job}/task:{task}"
        self._open = {}

    def _session(self, view):
        options = tf.ConfigProto(device_filters=placement.filters(self._device))
        return tf.Session(self._targets[view].target, config=options)

    @contextlib.contextmanager
    def _session_as_is(self):
        """Open a session without TensorFlow's optimiser, which removes what nothing uses."""
        options = tf.ConfigProto(device_filters=placement.filters(self._device))
        options.graph_options.rewrite_options.disable_meta_optimizer = True
        with contextlib.closing(tf.Session(self._targets[DIRECT].target, config=options)) as found:
            yield found


class Worker(Member):
    """A worker. Each training run that it takes part in has a name."""

    def build(self, config, place):
        """Build the graph of a run, and open its session."""
        with tf.Graph().as_default(), placement.placed(self._device, place.servers):
            replica = replica_lib.Replica(place.number, place.count, HOST, place.run, place.sync)
            graph = graph_lib.build(config, replica=replica)
            initialize = tf.global_variables_initializer()
            self._open[place.run] = _Run(self._session(place.view), graph, initialize)

    def alone(self, config, run):
        """Build the graph of one machine, and open its session."""
        with tf.Graph().as_default():
            options = sessions.session_config(self._threads, config.batch_size)
            graph = graph_lib.build(config)
            initialize = tf.global_variables_initializer()
            self._open[run] = _Run(tf.Session(config=options), graph, initialize)

    def initialize(self, run):
        """Initialise the variables."""
        self._open[run].session.run(self._open[run].initialize)

    def planned(self, run):
        """Return the bytes of a step, see traces.planned."""
        return traces.planned(self._open[run].graph.minimize)

    def train(self, run, steps, batch):
        """Train; return the seconds of each step; batch: int, images of this worker."""
        return self._open[run].times(self._open[run].graph.minimize, steps, batch)

    def gradients(self, run, steps, batch):
        """Compute the gradients only; return the seconds of each step."""
        return self._open[run].times(self._open[run].graph.watched, steps, batch)

    def trace(self, run, batch):
        """Train a step; return what it sent, and its Phases."""
        opened = self._open[run]
        metadata = tf.RunMetadata()
        since = time.perf_counter()
        opened.session.run(
            opened.graph.minimize,
            opened.feed(batch),
            tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE),
            metadata,
        )
        seconds = time.perf_counter() - since
        return traces.totals(traces.sent(metadata)), traces.phases(metadata, seconds)

    def close(self, run):
        """Close the session of a run."""
        self._open.pop(run).session.close()

    def pull(self, count, numbers, steps):
        """Return the median seconds in which `count` variables are received from a ps.

        Args:
          count: int.
          numbers: int, float32 in each.
          steps: int.
        """
        with tf.Graph().as_default():
            with tf.device(HOST):
                values = [_variable(f"pulled{index}", numbers) for index in range(count)]
            with tf.device(self._device):
                # An element of the value here needs the whole value to be sent.
                ends = [tf.slice(value.read_value(), [0], [1]) for value in values]
                fetch = tf.group(*ends)
            with self._session_as_is() as session:
                session.run(tf.variables_initializer(values))
                return _median(session, fetch, steps)


class Server(Member):
    """A parameter server."""

    def additions(self, sizes, workers, steps):
        """Return the median seconds in which the parts of a number of workers are added up.

        Args:
          sizes: list of int, bytes of the gradients of a worker.
          workers: int.
          steps: int.
        """
        with tf.Graph().as_default(), tf.device(self._device):
            parts = [tf.ones([size // 4]) for size in sizes]
            run = f"additions{workers}"
            chief = Exchange(0, workers, run).to_chief(parts, self._device)
            enqueue = []
            for number in range(1, workers):
                exchange = Exchange(number, workers, run)
                exchange.to_chief(parts, self._device)
                enqueue += exchange._steps
            with self._session_as_is() as session:
                return _median(session, tf.group(*chief), steps, before=enqueue)

    def update(self, sizes, steps):
        """Return the median seconds of Adam's update of variables; sizes: bytes."""
        with tf.Graph().as_default(), tf.device(self._device):
            pairs = []
            for index, size in enumerate(sizes):
                variable = _variable(f"updated{index}", size // 4)
                pairs.append((tf.ones([size // 4]), variable))
            update = tf.train.AdamOptimizer().apply_gradients(pairs)
            with self._session(DIRECT) as session:
                session.run(tf.global_variables_initializer())
                return _median(session, update, steps)


class _Run:
    """A training graph in its session."""

    def __init__(self, session, graph, initialize):
        self.session, self.graph, self.initialize = session, graph, initialize
        self._rng = np.random.default_rng(0)
        self._batches = {}

    def feed(self, batch):
        """Return random images and labels, always the same."""
        if batch not in self._batches:
            images = self._rng.integers(256, size=(batch, *NUMBERS.network_shape))
            labels = [self._rng.integers(7, size=batch) for _ in self.graph.labels]
            values = [images.astype(np.uint8), *(each.astype(np.int32) for each in labels)]
            self._batches[batch] = values
        keys = [self.graph.inputs, *self.graph.labels.values()]
        return dict(zip(keys, self._batches[batch]))

    def times(self, fetch, steps, batch):
        """Return the seconds of each step."""
        feed, found = self.feed(batch), []
        for _ in range(steps):
            since = time.perf_counter()
            self.session.run(fetch, feed)
            found.append(time.perf_counter() - since)
        return found


def _variable(name, numbers):
    return tf.get_variable(name, [numbers], tf.float32, tf.zeros_initializer(), use_resource=True)


def _median(session, fetch, steps, before=()):
    """Return the median seconds of some steps, after two of warm-up."""
    found = []
    for _ in range(steps + 2):
        session.run(list(before))
        since = time.perf_counter()
        session.run(fetch)
        found.append(time.perf_counter() - since)
    return float(np.median(found[2:]))


@contextlib.contextmanager
def worker(*arguments):
    """Open a Worker."""
    yield Worker(*arguments)


@contextlib.contextmanager
def server(*arguments):
    """Open a Server."""
    yield Server(*arguments)


def config(bottom, batch, threads, **fields):
    """Return the Config of a run."""
    return sides.default(bottom, "fp32", threads=threads, batch_size=batch, **fields)
