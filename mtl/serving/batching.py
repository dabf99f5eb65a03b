"""Batches across clients: examples of concurrent requests run through the network together.

The few examples of a lone client run on all cores at once, which is fastest for them. When requests
overlap, each core is a lane that takes batches of its own: this takes longer for one example, but
less of the processor, and no core waits for another one that is busy with HTTP.
"""

import asyncio
import collections
import concurrent.futures
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl.serving.refusals import busy

MOST = 32  # examples in a batch; larger ones are no faster, and a small request waits longer
FEW = 4  # views; fewer would not use the arithmetic units of a core well
ALONE = 1.0  # seconds without overlapping requests until a client counts as a lone one

Run = Callable[[np.ndarray], dict[str, Any]]  # [n, ...] -> dict of arrays or lists of n


class _Part(NamedTuple):
    """Examples that wait, at most MOST."""

    inputs: np.ndarray
    future: asyncio.Future  # of their outputs
    since: float  # when they arrived, in the time of the event loop


class Batcher:
    """Runs a network batch after batch, in threads of its own. Use it in one event loop."""

    def __init__(
        self,
        run: Run,
        lanes: Sequence[Run],
        *,
        timeout: float,
        queue: int,
        views: int = 1,
        requests: Callable[[], int] | None = None,
        after_each: Callable[[int], Any] | None = None,
    ):
        """Start to wait for examples.

        Args:
          run: the network on all cores.
          lanes: the network on one core each. They run concurrently, but not with `run`.
          timeout: seconds that the first example of a batch waits for others at most.
          queue: examples that may wait.
          views: of each example; the network computes as many.
          requests: returns how many requests the server handles. If all of them are in `outputs`, a
            batch starts at once, because no other example is on its way. None: unknown.
          after_each: called with the size of each batch, or None.
        """
        self._run = run
        self._timeout = timeout
        self._queue = queue
        self._few = max(1, FEW // views)  # examples; a batch is not divided further
        self._requests = requests
        self._after_each = after_each
        self._parts = collections.deque()
        self._changed = asyncio.Event()  # examples have arrived, or a lane is free again
        # The threads are kept, because oneDNN compiles its kernels again in each new thread.
        self._lanes = {each: concurrent.futures.ThreadPoolExecutor(1, "lane") for each in lanes}
        self._free = list(lanes)
        self._batches = set()  # tasks, one for each batch that runs
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._forever())
        self._active = 0  # calls of `outputs`
        self._overlapped = -math.inf  # the last time that two calls overlapped
        self.waiting = 0  # examples

    async def outputs(self, inputs: np.ndarray) -> dict[str, Any]:
        """Run the network for the examples of one request.

        Args:
          inputs: [n, ...], n >= 1.

        Returns:
          dict of arrays or lists of n.

        Raises:
          Refused: too many examples wait already.
        """
        if self.waiting and self.waiting + len(inputs) > self._queue:
            raise busy(f"{self.waiting} examples wait already; try again in a second")
        parts = []
        self._active += 1
        if self._active > 1:
            self._overlapped = self._loop.time()
        try:
            size = min(MOST, max(self._few, math.ceil(len(inputs) / len(self._lanes))))
            for start in range(0, len(inputs), size):
                parts.append(self._add(inputs[start : start + size]))
            return _joined([await part.future for part in parts])
        finally:
            self._active -= 1
            for part in parts:
                part.future.cancel()  # a request that has ended; no effect on a finished one

    def _add(self, inputs):
        part = _Part(inputs, self._loop.create_future(), self._loop.time())
        self._parts.append(part)
        self.waiting += len(inputs)
        self._changed.set()
        return part

    # -- batches -----------------------------------------------------------------------------------

    async def _forever(self):
        """Start batches until the task is cancelled."""
        while True:
            while not (self._parts and self._free):
                await self._change()
            await self._fill()
            if self._is_for_all_lanes():
                self._start(self._run, self._taken(FEW), list(self._lanes))
            else:
                lane = self._free[0]
                self._start(lane, self._taken(self._share()), [lane])

    def _is_for_all_lanes(self):
        """Return whether the examples that wait are few, and of a lone client."""
        alone = self._loop.time() - self._overlapped > ALONE
        return alone and self.waiting <= FEW and len(self._free) == len(self._lanes)

    def _share(self):
        """Return how many examples the next free lane takes."""
        return min(MOST, max(self._few, math.ceil(self.waiting / len(self._lanes))))

    async def _change(self, seconds=None):
        """Wait until something changes; return False if nothing does within some seconds."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    async def _fill(self):
        """Wait until a batch is full, or its first example has waited long enough."""
        end = self._parts[0].since + self._timeout
        while self.waiting < MOST and self._more_expected():
            left = end - self._loop.time()
            if left <= 0 or not await self._change(left):
                return

    def _more_expected(self):
        return self._requests is None or self._active < self._requests()

    def _taken(self, most):
        """Take the parts of a batch from the queue. Skip those of requests that have ended."""
        batch, size = [], 0
        while self._parts and (not batch or size + len(self._parts[0].inputs) <= most):
            part = self._parts.popleft()
            self.waiting -= len(part.inputs)
            if not part.future.done():
                batch.append(part)
                size += len(part.inputs)
        return batch

    def _start(self, run, batch, lanes):
        """Run a batch in the thread of the first of some lanes; all are occupied meanwhile."""
        if not batch:
            return
        self._free = [lane for lane in self._free if lane not in lanes]
        task = self._loop.create_task(self._answer(run, batch, lanes))
        self._batches.add(task)  # the event loop has only a weak reference
        task.add_done_callback(self._batches.discard)

    async def _answer(self, run, batch, lanes):
        """Run a batch and give each part its outputs, or the error."""
        try:
            inputs = np.concatenate([part.inputs for part in batch])
            outputs = await self._loop.run_in_executor(self._lanes[lanes[0]], run, inputs)
        except Exception as error:  # it belongs to the requests, and the next batch may work
            for part in batch:
                if not part.future.done():
                    part.future.set_exception(error)
            return
        finally:
            self._free += lanes
            self._changed.set()
        if self._after_each:
            self._after_each(len(inputs))
        _distribute(outputs, batch)

    async def close(self) -> None:
        """End the threads, after the batches that run. No call of `outputs` may be waiting."""
        self._task.cancel()
        for thread in self._lanes.values():
            await self._loop.run_in_executor(None, thread.shutdown)


def _distribute(outputs, batch):
    """Give each part of a batch its outputs."""
    start = 0
    for part in batch:
        end = start + len(part.inputs)
        if not part.future.done():
            part.future.set_result({name: rows[start:end] for name, rows in outputs.items()})
        start = end


def _joined(found):
    """Return the outputs of several parts as one dict."""
    if len(found) == 1:
        return found[0]
    joined = {}
    for name, first in found[0].items():
        rows = [each[name] for each in found]
        joined[name] = sum(rows, []) if isinstance(first, list) else np.concatenate(rows)
    return joined
