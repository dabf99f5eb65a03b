"""The model that answers at the moment, and its replacement when a new version appears."""

import asyncio
import concurrent.futures
import gc
from collections.abc import Callable
from typing import Any

import numpy as np

from mtl.errors import MtlError
from mtl.serving import signatures
from mtl.serving.batching import MOST, Batcher
from mtl.serving.metrics import Metrics
from mtl.serving.models import Model, Source

LOOK = 2.0  # seconds between two looks for a new version
RETRY = 60.0  # seconds until a version is tried again that could not be loaded


class Serving:
    """A loaded model with its batches. A request uses it in `with`, so that it is not closed."""

    def __init__(self, model: Model, **settings):
        """Take a model, and arguments of Batcher."""
        self.model = model
        self.version = model.version
        self.signatures = signatures.of(model.tasks, model.inputs)
        self._users = 0
        self.batcher = Batcher(
            model.run, model.lanes(), views=model.views, requests=self._requests, **settings
        )

    def _requests(self):
        """Return how many requests use the model."""
        return self._users

    def __enter__(self):
        self._users += 1
        return self

    def __exit__(self, *unused):
        self._users -= 1

    async def warm(self) -> None:
        """Run the network, because its first run in each thread is slow: kernels are compiled."""
        for count in (1, MOST):
            shape = (count, *self.model.inputs.shape)
            await self.batcher.outputs(np.zeros(shape, self.model.inputs.dtype))

    async def close(self) -> None:
        """Wait for the last request, then free the model."""
        while self._users:
            await asyncio.sleep(0.01)
        await self.batcher.close()
        self.model.close()


class Current:
    """The version that is served."""

    def __init__(
        self,
        source: Source,
        metrics: Metrics,
        *,
        timeout: float,
        queue: int,
        say: Callable[[str], Any],
    ):
        """Take the source of models; load nothing yet.

        Args:
          source: see models.source.
          metrics: count batches and the version.
          timeout, queue: see Batcher.
          say: called with one line for each new version.
        """
        self._source = source
        self._metrics = metrics
        self._settings = {"timeout": timeout, "queue": queue}
        self._say = say
        self._loader = concurrent.futures.ThreadPoolExecutor(1, "loader")
        self._loaded = None  # what the model was made from
        self._failed = None, 0.0  # what could not be loaded, and when
        self.serving: Serving | None = None

    async def load(self) -> None:
        """Load the newest version; raise MtlError if that fails."""
        loop = asyncio.get_running_loop()
        newest = await loop.run_in_executor(self._loader, self._source.newest)
        failed, when = self._failed
        if newest == self._loaded or (newest == failed and loop.time() < when + RETRY):
            return
        try:
            serving = await self._warmed(newest)
        except Exception:
            self._failed = newest, loop.time()
            raise
        before, self.serving, self._loaded = self.serving, serving, newest
        self._metrics.version(serving.version)
        if before:
            self._say(f"version {serving.version} replaces version {before.version}")
            await before.close()
            del before
            # A graph of TensorFlow refers to itself. Without this, several versions stay in memory.
            gc.collect()

    async def _warmed(self, newest) -> Serving:
        """Load a version, and run it once."""
        run = asyncio.get_running_loop().run_in_executor
        model = await run(self._loader, self._source.load, newest)
        serving = Serving(model, after_each=self._metrics.batch, **self._settings)
        try:
            await serving.warm()
        except BaseException:
            await serving.close()
            raise
        return serving

    async def follow(self) -> None:
        """Load new versions until the task is cancelled. The old one answers until then."""
        said = None  # the last error: a missing folder fails at each look
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.load()
                said = None
            except Exception as error:  # whatever it is, the old version must go on
                reason = str(error) if isinstance(error, (MtlError, OSError)) else repr(error)
                version = self.serving.version
                if reason != said:
                    self._say(f"a new version cannot be loaded, version {version} stays: {reason}")
                said = reason

    async def close(self) -> None:
        """Wait for the last answer, then free the model."""
        if self.serving:
            await self.serving.close()
        self._loader.shutdown(wait=False)
