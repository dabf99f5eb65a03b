"""Fixtures of the tests of objectives."""

import pytest

from tests import objective_steps


@pytest.fixture
def steps():
    """A function (name, count=3, masked=False, **fields) -> objective_steps.Steps."""
    opened = []

    def build(*arguments, **fields):
        opened.append(objective_steps.Steps(*arguments, **fields))
        return opened[-1]

    yield build
    for each in opened:
        each.close()
