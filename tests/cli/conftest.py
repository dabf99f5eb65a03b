"""Fixtures of the tests of commands: a NumPy function as the network, and a terminal."""

import io
import os
import shutil
import sys

import numpy as np
import pytest

from mtl import tasks
from mtl.config import Config
from mtl.inputs import NUMBERS

CROP = NUMBERS.crop


class Fake:
    """A network that reads the red of the centre pixel as the number; it stores its inputs.

    0 is no number and 255 a number of six digits. Each correct class has probability 0.9.
    """

    step, config, temperature = 30, Config(), 1.0
    tasks, inputs = tasks.NUMBER_TASKS, NUMBERS

    def __init__(self):
        self.seen = []

    def outputs(self, crops):
        assert crops.shape[1:] == (CROP, CROP, 3) and crops.dtype == np.uint8
        self.seen.append(crops)
        out = {}
        for task in tasks.NUMBER_TASKS:
            out[task.name] = np.full((len(crops), task.outputs), np.log(0.01), np.float32)
        for i, red in enumerate(crops[:, CROP // 2, CROP // 2, 0].tolist()):
            number = {0: "", 255: "123456"}.get(red, str(red))
            for name, label in tasks.encode(number).items():
                out[name][i, label] = np.log(0.9)
        return out

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass


@pytest.fixture
def network(monkeypatch):
    """Return a Fake that every command opens instead of a trained network."""
    from mtl.cli import predicting
    from mtl.inference.network import Network

    fake = Fake()
    monkeypatch.setattr(Network, "open", lambda model_dir, which, precision: fake)
    monkeypatch.setattr(predicting, "opened", lambda values: fake)
    return fake


@pytest.fixture
def fake(network, monkeypatch, tmp_path):
    """Return the fake network, and go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return network


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A function () -> the text that commands write to stderr, from then on a terminal."""

    def install():
        made = Terminal()
        monkeypatch.setattr(sys, "stderr", made)  # pytest replaces it before each test
        monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((30, 24)))
        return made

    return install
