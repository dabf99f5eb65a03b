"""Fixtures of the lab: a program in place of mtl, and a comparison in a folder."""

import sys

import pytest

from mtl.config import Config
from mtl.lab import grid, work

FAKE = (sys.executable, "-m", "mtl.runs.child", "tests.lab.fake_mtl")
TASKS = {"tasks": "a:2,h:real", "dataset": "npz", "data_dir": "data", "batch_size": 8, "steps": 4}


@pytest.fixture
def fake(monkeypatch):
    """Let processes run fake_mtl.py instead of mtl."""
    monkeypatch.setattr(work, "PROGRAM", FAKE)
    monkeypatch.setattr(work, "POLL", 0.01)


@pytest.fixture
def settings():
    """Return the settings of a comparison of two own tasks, dict field -> value."""
    return {**vars(Config(**TASKS))}


@pytest.fixture
def runs(settings):
    """A function (values, choose, **settings) -> the runs of a grid."""

    def make(values, choose=("learning_rate",), **changed):
        return grid.runs({**settings, **changed}, values, choose)

    return make
