"""The side of TorchJD in the benchmark of objectives: `mtl_backward` with each of its aggregators.

The network is the bottom `light` of torch_trainer.py with one linear layer for each task.
"""

import contextlib
import functools
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torchjd import aggregation
from torchjd.autojac import jac_to_grad, mtl_backward

from tests.benchmarks import torch_trainer
from tests.benchmarks.mtl_objectives import BATCHES, CLASSES, batches, timed

# Objective -> function (tasks) -> the aggregator with the settings of the objective's defaults.
AGGREGATORS = {
    "passes": lambda tasks: aggregation.Sum(),
    "aligned": lambda tasks: aggregation.AlignedMTL(),
    "cagrad": lambda tasks: aggregation.CAGrad(c=0.5),
    "config": lambda tasks: aggregation.ConFIG(),
    "excess": lambda tasks: aggregation.ExcessMTL(),
    "fairgrad": lambda tasks: aggregation.FairGrad(alpha=1.0),
    "gradvac": lambda tasks: aggregation.GradVac(),
    "imtl_g": lambda tasks: aggregation.IMTLG(),
    "mgda": lambda tasks: aggregation.MGDA(),
    "nash_mtl": lambda tasks: aggregation.NashMTL(n_tasks=tasks),
    "pcgrad": lambda tasks: aggregation.PCGrad(),
    "upgrad": lambda tasks: aggregation.UPGrad(),
}
NAMES = ("linear", *AGGREGATORS)


class Side:
    """The methods are those of mtl_objectives.Side."""

    def __init__(self, count, size):
        self._count = count
        self._batches = []
        for images, labels in batches(count, size):
            pixels = torch.from_numpy(images).permute(0, 3, 1, 2)  # a view of NHWC: channels_last
            self._batches.append((pixels, torch.from_numpy(np.stack([*labels.values()])).long()))
        self._parts = {}
        self._done = 0

    def names(self):
        return list(NAMES)

    def open(self, name):
        since = time.perf_counter()
        torch.manual_seed(0)
        bottom = torch_trainer.Light().to(memory_format=torch.channels_last)
        tops = nn.ModuleList([nn.Linear(bottom.units, CLASSES) for _ in range(self._count)])
        parameters = [*bottom.parameters(), *tops.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
        aggregator = AGGREGATORS[name](self._count) if name in AGGREGATORS else None
        self._parts[name] = bottom, tops, optimizer, aggregator
        self.turn(name)
        return time.perf_counter() - since

    def turn(self, name, least=0.0):
        return timed(functools.partial(self._step, name), least)

    def _step(self, name):
        self._done += 1
        images, labels = self._batches[self._done % BATCHES]
        bottom, tops, optimizer, aggregator = self._parts[name]
        optimizer.zero_grad(set_to_none=True)
        x = images.float() / 255.0
        features = bottom(x - x.mean(dim=(1, 2, 3), keepdim=True))
        losses = [functional.cross_entropy(top(features), row) for top, row in zip(tops, labels)]
        if aggregator is None:
            sum(losses).backward()
        else:
            mtl_backward(losses, features)
            jac_to_grad(bottom.parameters(), aggregator)
        optimizer.step()
        return sum(losses).item()  # mtl fetches the cost too


@contextlib.contextmanager
def opened(count, size):
    """Open a Side."""
    torch.set_num_threads(2)
    yield Side(count, size)
