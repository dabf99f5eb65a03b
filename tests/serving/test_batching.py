"""mtl.serving.batching: who shares a batch, who gets which outputs, and what ends a request."""

import asyncio
import threading

import numpy as np
import pytest

from mtl.serving.batching import FEW, MOST, Batcher
from mtl.serving.refusals import Refused


def rows(*values):
    return np.array(values, np.float32)[:, None]


class Network:
    """Doubles its inputs. Its batches wait for `go`, and fail where an input is negative."""

    def __init__(self):
        self.batches = []
        self.threads = set()
        self.go = threading.Event()
        self.go.set()

    def run(self, inputs):
        self.batches.append(inputs[:, 0].tolist())
        self.threads.add(threading.get_ident())
        assert self.go.wait(10)
        if (inputs < 0).any():
            raise ValueError("negative")
        return {"y": 2 * inputs[:, 0], "text": [f"{value:g}" for value in inputs[:, 0]]}


def with_batcher(work, network=None, lanes=1, **settings):
    """Run work(batcher, network) in an event loop with a Batcher; return its result."""
    network = network or Network()

    async def main():
        settings.setdefault("timeout", 0.02)
        settings.setdefault("queue", 100)
        found = Batcher(network.run, [_Lane(network) for _ in range(lanes)], **settings)
        try:
            return await asyncio.wait_for(work(found, network), 10)
        finally:
            network.go.set()
            await found.close()

    return asyncio.run(main())


class _Lane:
    def __init__(self, network):
        self._network = network

    def __call__(self, inputs):
        return self._network.run(inputs)


def test_requests_of_the_same_moment_share_a_batch_and_get_their_own_outputs():
    async def work(batcher, network):
        asked = [batcher.outputs(rows(1)), batcher.outputs(rows(2, 3)), batcher.outputs(rows(4))]
        return await asyncio.gather(*asked), network.batches

    found, batches = with_batcher(work)
    assert batches == [[1, 2, 3, 4]]
    assert [each["y"].tolist() for each in found] == [[2], [4, 6], [8]]
    assert [each["text"] for each in found] == [["1"], ["2", "3"], ["4"]]


def test_single_request_does_not_wait_when_no_other_is_on_its_way():
    async def work(batcher, network):
        start = asyncio.get_running_loop().time()
        await batcher.outputs(rows(1))
        return asyncio.get_running_loop().time() - start

    assert with_batcher(work, timeout=5.0, requests=lambda: 1) < 4
    assert with_batcher(work, timeout=0.2, requests=lambda: 2) >= 0.19


def test_examples_that_arrive_during_a_batch_form_the_next():
    async def work(batcher, network):
        network.go.clear()
        first = asyncio.create_task(batcher.outputs(rows(1)))
        await _until(lambda: network.batches)
        others = [asyncio.create_task(batcher.outputs(rows(value))) for value in (2, 3)]
        await _until(lambda: batcher.waiting == 2)
        network.go.set()
        await asyncio.gather(first, *others)
        return network.batches

    assert with_batcher(work) == [[1], [2, 3]]


def test_lanes_run_concurrently_and_share_what_waits():
    async def work(batcher, network):
        network.go.clear()
        count = 2 * FEW + 2
        asked = [asyncio.create_task(batcher.outputs(rows(value))) for value in range(count)]
        await _until(lambda: len(network.batches) == 2)
        network.go.set()
        await asyncio.gather(*asked)
        return [len(batch) for batch in network.batches], len(network.threads)

    batches, threads = with_batcher(work, lanes=2)
    assert min(batches[:2]) >= FEW and sum(batches) == 2 * FEW + 2
    assert threads == 2


def test_few_examples_use_the_whole_network_while_no_lane_is_busy():
    used = []
    network = Network()
    run = network.run
    network.run = lambda inputs: (used.append("whole"), run(inputs))[1]

    class Lane(_Lane):
        def __call__(self, inputs):
            used.append("lane")
            return run(inputs)

    async def main():
        batcher = Batcher(network.run, [Lane(network), Lane(network)], timeout=0.01, queue=99)
        await batcher.outputs(rows(*range(FEW)))
        await batcher.outputs(rows(*range(FEW + 1)))
        await batcher.close()

    asyncio.run(main())
    assert used == ["whole", "lane", "lane"]


def test_large_request_is_divided_and_joined():
    async def work(batcher, network):
        values = np.arange(2 * MOST + 3)
        return values, await batcher.outputs(rows(*values)), network.batches

    values, found, batches = with_batcher(work)
    assert max(map(len, batches)) <= MOST
    assert found["y"].tolist() == (2 * values).tolist()
    assert found["text"] == [str(value) for value in values]


def test_error_of_the_network_reaches_only_its_batch():
    async def work(batcher, network):
        with pytest.raises(ValueError, match="negative"):
            await batcher.outputs(rows(-1))
        return await batcher.outputs(rows(1))

    assert with_batcher(work)["y"].tolist() == [2]


def test_too_many_waiting_examples_are_refused():
    async def work(batcher, network):
        network.go.clear()
        asked = [asyncio.create_task(batcher.outputs(rows(1)))]
        await _until(lambda: network.batches)
        asked.append(asyncio.create_task(batcher.outputs(rows(2, 3))))
        await _until(lambda: batcher.waiting == 2)
        with pytest.raises(Refused) as caught:
            await batcher.outputs(rows(4, 5))
        network.go.set()
        await asyncio.gather(*asked)
        await batcher.outputs(rows(6))  # there is room again
        return caught.value.status, batcher.waiting

    assert with_batcher(work, queue=3) == (503, 0)


def test_request_larger_than_the_queue_is_answered_when_nothing_waits():
    async def work(batcher, network):
        return await batcher.outputs(rows(*range(9)))

    assert len(with_batcher(work, queue=3)["y"]) == 9


def test_cancelled_request_is_not_run():
    async def work(batcher, network):
        network.go.clear()
        first = asyncio.create_task(batcher.outputs(rows(1)))
        await _until(lambda: network.batches)
        second, third = (asyncio.create_task(batcher.outputs(rows(each))) for each in (2, 3))
        await _until(lambda: batcher.waiting == 2)
        second.cancel()
        await _until(second.done)
        network.go.set()
        await asyncio.gather(first, third)
        return network.batches, batcher.waiting

    assert with_batcher(work) == ([[1], [3]], 0)


def test_each_batch_is_reported():
    sizes = []

    async def work(batcher, network):
        await batcher.outputs(rows(1, 2, 3))

    with_batcher(work, after_each=sizes.append)
    assert sizes == [3]


def test_threads_end_with_the_batcher():
    before = threading.active_count()

    async def work(batcher, network):
        await batcher.outputs(rows(1))

    with_batcher(work, lanes=3)
    assert threading.active_count() == before


async def _until(condition):
    while not condition():
        await asyncio.sleep(0.001)
