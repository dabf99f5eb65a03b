"""The side of mtl in the benchmark of objectives: a session for each objective, in one process."""

import contextlib
import functools
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import catalogue, graph as graph_lib, objectives, sessions
from mtl.data.examples import Examples
from mtl.inputs import NUMBERS
from mtl.monitor.combination import Combination
from mtl.objectives import Update
from mtl.run_files import Run
from mtl.tasks import SHARED, Task
from tests.benchmarks import sides

CLASSES = 11
BATCHES = 16  # different ones, so that no network learns its batch by heart
INPUTS = NUMBERS._replace(shape=NUMBERS.network_shape, crop=0)

# -- what the definition of an objective needs, without its method -------------------------------


def passes(logits, labels, means):
    """Compute the gradient of each task separately, and add them up."""
    shared = tf.trainable_variables(f"{SHARED}/")
    others = [each for each in tf.trainable_variables() if not each.op.name.startswith(SHARED)]
    variables = [*shared, *others]
    found = [tf.gradients(mean, variables, gate_gradients=True) for mean in means.values()]
    pairs = []
    for column, variable in zip(zip(*found), variables):
        pairs.append((tf.add_n([each for each in column if each is not None]), variable))
    return Update(_sum(means), dict(means), pairs)


def again(logits, labels, means):
    """Compute the plain sum, and all losses again after the update."""
    after = objectives.variable("after", np.zeros(len(means), np.float32))
    return Update(_sum(means), dict(means), follow=lambda new: [(after, tf.stack([*new.values()]))])


def short(logits, labels, means):
    """Compute the plain sum, and the norm of each task's gradient at the last shared layer."""
    last = tf.trainable_variables(f"{SHARED}/")[-2:]  # its weight and its bias
    norms = [
        tf.linalg.global_norm(tf.gradients(mean, last, gate_gradients=True))
        for mean in means.values()
    ]
    stored = objectives.variable("norms", np.zeros(len(means), np.float32))
    return Update(_sum(means), dict(means), state=[(stored, tf.stack(norms))])


def _sum(means):
    return functools.reduce(tf.add, means.values())


# PASSES of an objective -> what its time is compared with: linear, or a function above.
REFERENCES = {
    "1 forward, 1 backward": "linear",
    "2 forward, 1 backward": "again",
    "1 forward, 1 backward, K short": "short",
    "1 forward, K backward": "passes",
}


def reference(name):
    """Return what the time of an objective is compared with."""
    return REFERENCES[catalogue.entry(name).passes]


# -- the side ------------------------------------------------------------------------------------


def tasks(count):
    """Return the tasks of the benchmark."""
    return [Task(f"task{number}", CLASSES) for number in range(count)]


def batches(count, size):
    """Return a list of BATCHES pairs: images, uint8, and labels, dict task name -> int32 [size]."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(BATCHES):
        images = rng.integers(0, 256, [size, *INPUTS.shape], np.uint8)
        labels = rng.integers(0, CLASSES, [count, size], np.int32)
        found.append((images, {task.name: row for task, row in zip(tasks(count), labels)}))
    return found


def timed(step, least):
    """Call step() for about `least` seconds; return the median seconds, see Side.turn."""
    seconds, end = [], time.perf_counter() + least
    while True:
        since = time.perf_counter()
        step()
        now = time.perf_counter()
        seconds.append(now - since)
        if now >= end:
            return float(np.median(seconds[1:] or seconds))


class Side:
    """The training steps of many objectives."""

    def __init__(self, bottom, count, size):
        """Open no session yet; count: tasks; size: of a batch."""
        self._bottom, self._count, self._size = bottom, count, size
        self._batches = batches(count, size)
        self._steps = {}
        self._done = 0

    def open(self, name):
        """Build and start the session of an objective, or of a function of this module.

        Returns:
          float, the seconds of the build and of the first step.
        """
        since = time.perf_counter()
        session, built = self._build(self._config(name))
        self._steps[name] = session.make_callable(
            [built.minimize, built.cost, built.watched], [built.inputs, *built.labels.values()]
        )
        self.turn(name)
        return time.perf_counter() - since

    def turn(self, name, least=0.0):
        """Train for about `least` seconds; return the median seconds of a step.

        The first step is not counted, unless it takes longer than that.
        """
        return timed(functools.partial(self._step, name), least)

    def _step(self, name):
        self._done += 1
        images, labels = self._batches[self._done % BATCHES]
        _, _, watched = self._steps[name](images, *labels.values())
        if not np.all(np.isfinite(watched)):
            raise FloatingPointError(f"{name}: a loss or gradient is not finite")

    def monitored(self, name, gradients, times):
        """Measure what the monitor of an evaluation costs, see monitor/combination.py.

        Args:
          name: of an objective.
          gradients: bool, --monitor_gradients.
          times: int, evaluations.

        Returns:
          seconds that the start takes longer, and a list of the seconds of each evaluation.
        """
        config = self._config(name)
        session, built = self._build(config)
        images, labels = self._batches[0]
        examples = Examples(images, labels, [""] * self._size)
        since = time.perf_counter()
        monitor = Combination(Run(config, tuple(tasks(self._count)), INPUTS), gradients)
        with session.graph.as_default():
            monitor.watch(session, built)
        monitor.measured(examples)
        started, seconds = time.perf_counter() - since, []
        for _ in range(times):
            since = time.perf_counter()
            monitor.measured(examples)
            seconds.append(time.perf_counter() - since)
        session.close()
        return started, seconds

    def _config(self, name):
        own = name not in catalogue.NAMES
        return sides.default(
            self._bottom,
            "fp32",
            batch_size=self._size,
            tasks=",".join(f"{task.name}:{task.outputs}" for task in tasks(self._count)),
            dataset="npz",  # only for its own tasks; no file is read
            crop=0,
            objective=f"{__name__}:{name}" if own else name,
        )

    def _build(self, config):
        """Return a session and the graph.Graph in it, initialised."""
        options = sessions.session_config(config.threads, config.batch_size)
        graph = tf.Graph()
        session = tf.Session(graph=graph, config=options)
        with graph.as_default():
            built = graph_lib.build(config, tasks=tasks(self._count), inputs=INPUTS)
            session.run(tf.global_variables_initializer())
        return session, built


@contextlib.contextmanager
def opened(bottom, count, size):
    """Open a Side."""
    yield Side(bottom, count, size)
