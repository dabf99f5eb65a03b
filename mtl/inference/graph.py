"""The inference graph of `mtl evaluate`, `mtl predict` and the evaluations during training."""

import concurrent.futures
import threading
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import model
from mtl.data import batches
from mtl.inputs import NUMBERS, Inputs
from mtl.tasks import Task

SMALL_BATCH = 4  # smaller batches are not divided


class Inference(NamedTuple):
    """The named tensors of an inference graph."""

    tasks: tuple[Task, ...]
    inputs: Inputs
    placeholder: Any  # inputs.dtype [batch, *inputs.network_shape]
    outputs: dict[str, Any]  # task name -> float32 [batch, task.outputs], in task order
    others: tuple = ()  # (placeholder, outputs) of the other parts, which share the variables
    has_small: bool = False  # whether the first part is for small batches only

    def bind(self, session) -> "Bound":
        """Return the graph as a function of arrays. Adds no operation."""
        return Bound(session, self)


class Bound:
    """An inference graph in a session, as a function of arrays."""

    def __init__(self, session, graph: Inference):
        """Create a callable for each part of the graph."""
        self.tasks = graph.tasks
        self.inputs = graph.inputs
        parts = [(graph.placeholder, graph.outputs), *graph.others]
        calls = [session.make_callable(outputs, [taken]) for taken, outputs in parts]
        self._small, self._large = calls[0], calls[1:] if graph.has_small else calls
        # The threads are kept, because oneDNN compiles its kernels again in each new thread.
        self._pool = concurrent.futures.ThreadPoolExecutor(len(self._large))
        # One caller at a time, because a part must not run concurrently with itself; see `build`.
        self._lock = threading.Lock()

    def outputs(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network, in several threads if it has several parts.

        Args:
          inputs: [n, *inputs.network_shape] of the type of the network's inputs.

        Returns:
          dict task name -> float32 [n, task.outputs], see mtl/kinds, in task order.

        Raises:
          ValueError: the inputs have another type or shape.
        """
        batches.check_inputs(inputs, self.inputs)
        parts = min(len(self._large), len(inputs) // 2)
        with self._lock:
            if len(inputs) < SMALL_BATCH:
                return self._small(inputs)
            if parts == 1:
                return self._large[0](inputs)
            split = np.array_split(inputs, parts)
            # A running session releases Python's lock, so the threads run in parallel.
            futures = [self._pool.submit(*each) for each in zip(self._large, split)]
            try:
                outputs = [future.result() for future in futures]
            finally:
                concurrent.futures.wait(futures)  # a part that fails must not leave one running
        return {name: np.concatenate([each[name] for each in outputs]) for name in outputs[0]}

    def lanes(self) -> "list[Lane]":
        """Return a network for each part: they can run concurrently, but not with `outputs`.

        Each may be called by one thread at a time.
        """
        small = None if self._small in self._large else self._small
        return [Lane(self.tasks, self.inputs, call, small, self._lock) for call in self._large]


class Lane(NamedTuple):
    """One part of an inference graph as a network, for callers that run several at once."""

    tasks: tuple[Task, ...]
    inputs: Inputs
    call: Any  # of the part
    small: Any  # of the part for small batches, which all lanes share, or None
    lock: Any  # held while `small` runs

    def outputs(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the part, with the arguments and results of Bound.outputs."""
        batches.check_inputs(inputs, self.inputs)
        small = self.small is not None and len(inputs) < SMALL_BATCH
        if small and self.lock.acquire(blocking=False):
            try:
                return self.small(inputs)
            finally:
                self.lock.release()
        return self.call(inputs)


def build(
    *,
    tasks,
    bottom,
    inputs=NUMBERS,
    absent="x",
    brightness="ignore",
    top_units=(),
    precision="fp32",
    parts=1,
    small=None,
):
    """Build the network without dropout into the current graph.

    In `tf.variable_scope(tf.get_variable_scope(), reuse=True)` it shares existing variables.

    Args:
      tasks: sequence of Task.
      bottom: as model.build.
      inputs: inputs.Inputs.
      absent, brightness, top_units, precision: as model.build.
      parts: int, the number of parts of a batch that can run concurrently. Each has its own
        operations, because concurrent runs of one fused convolution crash TensorFlow 2.21.
      small: a custom_getter of tf.variable_scope, for the variables of one more part, which runs
        small batches; None adds no such part.

    Returns:
      Inference.
    """
    built = []
    with tf.name_scope("inference"):  # does not affect the names of variables
        getters = [*([small] if small else []), *[None] * parts]
        for index, getter in enumerate(getters):
            # The part for small batches may create some of the variables.
            reuse = tf.AUTO_REUSE if small else index > 0 or None
            scope = tf.variable_scope(
                tf.get_variable_scope(),
                auxiliary_name_scope=False,
                reuse=reuse,
                custom_getter=getter,
            )
            with scope:
                shape = [None, *inputs.network_shape]
                placeholder = tf.placeholder(inputs.dtype, shape, name="inputs")
                network = model.build(
                    model.prepare(placeholder, inputs),
                    tasks=tasks,
                    bottom=bottom,
                    absent=absent,
                    brightness=brightness,
                    top_units=top_units,
                    precision=precision,
                )
                built.append((placeholder, network.outputs))
    return Inference(tuple(tasks), inputs, *built[0], tuple(built[1:]), bool(small))
