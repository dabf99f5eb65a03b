"""Folders to convert."""

import shutil

import pytest

from tests.data.svhn.test_convert import TEST, TRAIN
from tests.svhn_files import draw


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    data = tmp_path_factory.mktemp("drawn")
    draw(data / "train", TRAIN)
    draw(data / "test", TEST, seed=1)
    return data


@pytest.fixture
def data(drawn, tmp_path):
    """A folder with train and test, which a test may change."""
    return shutil.copytree(drawn, tmp_path / "data")


@pytest.fixture
def out(tmp_path):
    """The folder of the records, beside the one of the data."""
    return tmp_path / "out"
