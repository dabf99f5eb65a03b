"""Clusters inside this process, with a thread for each worker; and the same steps on one machine.

A batch is a dict of the whole batch: "inputs", and the labels by task name.
"""

import socket
import threading
import time

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, config as config_lib, graph as graph_lib, inputs as inputs_lib, tasks
from mtl.cluster import member, placement, replica as replica_lib, spec

TASKS = "shape:5,size:3,height:real"
INPUTS = inputs_lib.Inputs(shape=(8, 8, 1), crop=0)
HOST = "/job:ps/task:0"  # of the queues
THREADS = {"intra_op_parallelism_threads": 1, "inter_op_parallelism_threads": 2}


def config(**fields):
    """Return a Config of TASKS, one thread and a batch of 12."""
    given = {"tasks": TASKS, "bottom": "mlp", "batch_size": 12, "dataset": "npz", "data_dir": "x"}
    given.update(threads=1, learning_rate=1e-3, schedule="constant", warmup_steps=0, steps=1000)
    return config_lib.Config(**{**given, **fields})


def batch(step, count=12, absent=0.0):
    """Draw a batch, a pure function of the step; absent: the share of labels that are missing."""
    rng = np.random.default_rng([17, step])
    labels = {}
    for task in tasks.parse(TASKS):
        missing = rng.random(count) < absent
        if task.kind == tasks.CLASSES:
            values = rng.integers(task.outputs, size=count).astype(np.int32)
            labels[task.name] = np.where(missing, np.int32(-1), values)
        else:
            values = rng.normal(size=count).astype(np.float32)
            labels[task.name] = np.where(missing, np.float32(np.nan), values)
    images = rng.integers(256, size=(count, *INPUTS.shape)).astype(np.uint8)
    return {"inputs": images, **labels}


def free_addresses(count):
    """Return addresses of 127.0.0.1 with ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return [f"127.0.0.1:{port}" for port in ports]


def part(whole, number, count):
    """Return the part of a batch for one of `count` workers."""
    size = len(whole["inputs"])
    first, last = size * number // count, size * (number + 1) // count
    return {name: values[first:last] for name, values in whole.items()}


class Step:
    """A training graph in its session, one step at a time."""

    def __init__(self, session, graph):
        """Store both."""
        self.session, self.graph = session, graph
        self.variables = {each.op.name: each for each in tf.global_variables()}
        self.initialize = tf.variables_initializer(list(self.variables.values()))
        fetches = [graph.minimize, graph.cost, graph.watched]
        self._step = session.make_callable(fetches, [graph.inputs, *graph.labels.values()])
        self._wait = session.make_callable([graph.minimize], [graph.inputs, *graph.labels.values()])

    def __call__(self, values, wait=False):
        """Run a step; return its cost and watched values; wait: only wait for its end."""
        fed = [values["inputs"], *(values[name] for name in self.graph.labels)]
        return (self._wait if wait else self._step)(*fed)[1:]


def alone(config, batches):
    """Train on one machine; return a list of (cost, watched, variables), one for each step."""
    history = []
    options = tf.ConfigProto(**THREADS)
    with tf.Graph().as_default(), tf.Session(config=options) as session:
        step = Step(session, graph_lib.build(config, inputs=INPUTS))
        session.run(step.initialize)
        for each in batches:
            history.append((*step(each), session.run(step.variables)))
    return history


class Cluster:
    """Servers on 127.0.0.1 inside this process."""

    def __init__(self, workers=3, servers=2):
        """Start them."""
        addresses = free_addresses(workers + servers)
        self.jobs = {"ps": addresses[:servers], "worker": addresses[servers:]}
        jobs, options = tf.train.ClusterSpec(self.jobs), tf.ConfigProto(**THREADS)
        make = tf.train.Server
        self._servers = [make(jobs, "ps", index, config=options) for index in range(servers)]
        self._workers = [make(jobs, "worker", index, config=options) for index in range(workers)]
        self._runs = 0

    def train(
        self,
        config,
        batches,
        workers=2,
        servers=2,
        before=None,
        sync=True,
        largest=0,
        directory=None,
    ):
        """Train in several workers; return what `alone` returns, of the chief.

        The attribute `last` has the values of the variables at the end.

        Args:
          config: Config.
          batches: list of whole batches.
          workers, servers: int, how many of the cluster are used.
          before: None, or function (worker, step) called before a step.
          sync: bool, see Replica.
          largest: int, see placement.placed.
          directory: None, or str: a checkpoint of the end is saved there.
        """
        run = self.name()
        built = [
            self._build(config, (number, workers, HOST, run, sync), servers, largest)
            for number in range(workers)
        ]
        built[0].session.run(built[0].initialize)
        history = []

        def work(number):
            for step, whole in enumerate(batches):
                if before:
                    before(number, step)
                found = built[number](part(whole, number, workers), wait=number > 0)
                if number == 0:
                    history.append((*found, built[0].session.run(built[0].variables)))

        together(work, workers, lambda number: built[number].session.run(built[number].close))
        self.last = built[0].session.run(built[0].variables)
        if directory:
            with built[0].session.graph.as_default():
                checkpoint.save(built[0].saver, built[0].session, directory, len(batches))
        for step in built:
            step.session.close()
        return history

    def member(self, number, workers, say=print, **settings):
        """Return a worker of a cluster that has only some of the workers; it has not joined."""
        jobs = {**self.jobs, "worker": self.jobs["worker"][:workers]}
        described = spec.checked(jobs, "worker", number, recovery_timeout=0.0)
        return member.Member(self.target(number), described, say=say, **settings)

    def clear_board(self, workers):
        """Make the board of a cluster that has only some of the workers, as its server does."""
        first = self.member(0, workers)
        first.open_board()
        first.board.create(first.cluster.spec)
        first.leave()

    def name(self):
        """Return a new name for the queues of a run."""
        self._runs += 1
        return f"run{self._runs}"

    def session(self, number):
        """Return a session of the current graph on a worker."""
        options = tf.ConfigProto(device_filters=placement.filters(device(number)), **THREADS)
        return tf.Session(self.target(number), config=options)

    def target(self, number):
        """Return the target of the sessions of a worker."""
        return self._workers[number].target

    def _build(self, config, arguments, servers, largest):
        """Return the Step of a worker; arguments: those of Replica."""
        number = arguments[0]
        with tf.Graph().as_default(), placement.placed(device(number), servers, largest):
            replica = replica_lib.Replica(*arguments)
            graph = graph_lib.build(config, inputs=INPUTS, replica=replica)
            step = Step(self.session(number), graph)
            step.close = replica.exchange.closing
            step.saver = checkpoint.saver(step.variables)
            return step


def device(number):
    """Return the device of a worker."""
    return f"/job:worker/task:{number}"


def together(work, count, fail):
    """Call work(number) for each worker, each in its own thread; raise the first error.

    Args:
      work: function (number) -> any.
      count: int, workers.
      fail: function (number), called for a worker that fails, so that the others do not wait.

    Returns:
      list of the results.
    """
    results, errors = [None] * count, []

    def run(number):
        try:
            results[number] = work(number)
        except Exception as error:
            errors.append(error)
            if fail:
                fail(number)

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def workers(cluster, count, build):
    """Build a graph for each worker.

    Args:
      cluster: Cluster.
      count: int.
      build: function Replica -> what a step fetches.

    Returns:
      function (number, feed) -> what a step fetches; and a function (number) that closes.
    """
    run, built = cluster.name(), []
    for number in range(count):
        with tf.Graph().as_default(), placement.placed(device(number), 1):
            replica = replica_lib.Replica(number, count, HOST, run)
            made, fetches = replica.exchange, build(replica)
            built.append((cluster.session(number), fetches, made.closing))
    first = built[0][0]
    with first.graph.as_default():
        first.run(tf.global_variables_initializer())

    def step(number, feed):
        session, fetches, _ = built[number]
        return session.run(fetches, {f"{name}:0": value for name, value in feed.items()})

    def close(number):
        session, _, closed = built[number]
        session.run(closed)

    return step, close


def same(found, expected):
    """Return whether two histories of `alone` or `train` have the same bits."""
    assert len(found) == len(expected)
    for (cost, watched, values), (cost2, watched2, values2) in zip(found, expected):
        if cost != cost2 or not np.array_equal(watched, watched2) or set(values) != set(values2):
            return False
        if not all(np.array_equal(values[name], values2[name]) for name in values):
            return False
    return True


class Slow:
    """Makes one worker late at some steps."""

    def __init__(self):
        """Count the waits."""
        self.waits = 0

    def __call__(self, number, steps):
        """Return the argument `before` of Cluster.train."""

        def before(worker, step):
            if worker == number and step in steps:
                self.waits += 1
                time.sleep(0.3)

        return before
