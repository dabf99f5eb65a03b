"""Run directories that the tests of exports share, and their frozen networks."""

import pytest

from tests import new_runs


@pytest.fixture(scope="session")
def frozen(tmp_path_factory):
    """A function (name of a run in new_runs) -> freeze.Frozen; each is made once."""
    from mtl.serving.export import freeze

    made = {}

    def get(name):
        if name not in made:
            directory = tmp_path_factory.mktemp(name)
            made[name] = freeze.network(new_runs.write(directory, getattr(new_runs, name)))
        return made[name]

    return get
