"""mtl.serving.current: the first version, newer versions, and those that cannot be loaded."""

import asyncio
import weakref

import numpy as np
import pytest

from mtl.errors import DataError
from mtl.serving import current, models
from mtl.serving.current import Current
from mtl.serving.metrics import Metrics
from tests.serving.fake import INPUTS, Model, source

ONE = np.zeros((1, *INPUTS.shape), np.uint8)


def run(work, given):
    """Run work(current, lines) in an event loop; return its result and the lines."""
    lines = []

    async def main():
        found = Current(given, Metrics(), timeout=0.001, queue=9, say=lines.append)
        try:
            return await asyncio.wait_for(work(found), 10)
        finally:
            await found.close()

    return asyncio.run(main()), lines


def test_model_has_run_before_it_answers_the_first_request():
    given, (model,) = source(Model())

    async def work(found):
        await found.load()
        return found.serving.version, list(model.batches)

    (version, batches), lines = run(work, given)
    assert version == 7 and 1 in batches and lines == []
    assert model.closed


def test_newer_version_replaces_the_old_one_after_its_last_request():
    old, new = Model(1), Model(2)
    given, found_models = source(old)

    async def work(found):
        await found.load()
        await found.load()  # nothing new
        assert found.serving.model is old
        found_models.append(new)
        with found.serving as serving:
            loading = asyncio.create_task(found.load())
            while found.serving.model is old:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.03)
            assert not old.closed and not loading.done()
            answer = await serving.batcher.outputs(ONE)
        await loading
        return answer["number"], old.closed, found.serving.version

    found, lines = run(work, given)
    assert found == (["0"], True, 2)
    assert lines == ["version 2 replaces version 1"]


def failing(first, error):
    """Return a Source whose second version cannot be loaded, and the list of its tries."""
    tries = []

    def load(index):
        tries.append(index)
        if index:
            raise error
        return first

    return models.Source(lambda: min(len(tries), 1), load), tries


@pytest.mark.parametrize("error", [DataError("2: broken"), OSError("gone"), ValueError("?")])
def test_version_that_cannot_be_loaded_leaves_the_old_one(error, monkeypatch):
    monkeypatch.setattr(current, "LOOK", 0.002)
    given, tries = failing(Model(), error)

    async def work(found):
        await found.load()
        following = asyncio.create_task(found.follow())
        await asyncio.sleep(0.05)
        following.cancel()
        return (await found.serving.batcher.outputs(ONE))["number"]

    number, lines = run(work, given)
    assert number == ["0"]
    assert tries == [0, 1], "it is not tried again at once"
    assert len(lines) == 1 and "cannot be loaded, version 7 stays: " in lines[0]


def test_version_that_cannot_run_leaves_the_old_one():
    def fail(examples):
        raise ValueError("no kernel")

    old, new = Model(1), Model(2, before=fail)
    given, found_models = source(old)

    async def work(found):
        await found.load()
        found_models.append(new)
        with pytest.raises(ValueError):
            await found.load()
        await found.load()  # not tried again at once
        return found.serving.model is old, new.closed, len(new.batches)

    assert run(work, given)[0] == (True, True, 1)


def test_missing_folder_is_said_once_and_a_later_version_is_loaded(monkeypatch):
    monkeypatch.setattr(current, "LOOK", 0.002)
    versions, gone = [Model(1), Model(2)], []

    def newest():
        if gone:
            raise DataError("runs/a: no such folder")
        return len(versions) - 1

    async def work(found):
        new = versions.pop()
        await found.load()
        gone.append(True)
        following = asyncio.create_task(found.follow())
        await asyncio.sleep(0.05)
        versions.append(new)
        gone.clear()
        while found.serving.version != 2:
            await asyncio.sleep(0.001)
        following.cancel()

    lines = run(work, models.Source(newest, lambda index: versions[index]))[1]
    assert lines == [
        "a new version cannot be loaded, version 1 stays: runs/a: no such folder",
        "version 2 replaces version 1",
    ]


def test_replaced_version_leaves_memory_at_once():
    old, new = Model(1), Model(2)
    old.itself = old  # as a graph of TensorFlow
    gone, (given, found_models) = weakref.ref(old), source(old)

    async def work(found):
        nonlocal old
        await found.load()
        found_models.append(new)
        found_models[0] = old = None
        await found.load()
        return gone()

    assert run(work, given)[0] is None
