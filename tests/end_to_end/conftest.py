"""A network that the command line trained in a few seconds, for all tests of this folder."""

from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from mtl.cli.main import run
from mtl.data import npz
from mtl.data.examples import Examples, of_numbers
from tests import lives

NUMBERS = ["7", "210", "", "48", "1234567", "90210", "3"]
STEPS, SAVE_EVERY = 60, 30
FLAGS = [
    "--dataset=npz",
    "--bottom=mlp",
    "--window=16",  # with 64, a checkpoint has 27 MB instead of 2
    "--crop=14",
    "--label_smoothing=0",
    "--objective=linear",
    "--learning_rate=0.002",
    "--warmup_steps=0",
    "--schedule=constant",
    "--batch_size=14",
    f"--steps={STEPS}",
    f"--save_every={SAVE_EVERY}",
    "--log_every=20",
    "--threads=1",
]


class Trained(NamedTuple):
    """A run directory and what it was made from."""

    model_dir: str
    data_dir: str
    examples: Examples
    flags: list[str]


@pytest.fixture(scope="session")
def examples():
    """Seven images of coarse coloured patches, each with a number: easy to tell apart."""
    patches = np.random.default_rng(11).integers(0, 256, (len(NUMBERS), 4, 4, 3), np.uint8)
    images = patches.repeat(16, axis=1).repeat(16, axis=2)  # [7, 64, 64, 3]
    return of_numbers(images, NUMBERS, [f"{i}.png" for i in range(len(NUMBERS))])


@pytest.fixture(scope="session")
def trained(tmp_path_factory, examples):
    """A finished run on those images, which are train, validation and test at once."""
    data_dir = tmp_path_factory.mktemp("data")
    model_dir = tmp_path_factory.mktemp("runs") / "patches"
    for split in ("train", "validation", "test"):
        npz.save(str(data_dir / f"{split}.npz"), examples)
    assert run(["train", f"--model_dir={model_dir}", f"--data_dir={data_dir}", *FLAGS]) == 0
    return Trained(str(model_dir), str(data_dir), examples, FLAGS)


@pytest.fixture(scope="session")
def image_files(tmp_path_factory, examples):
    """The paths of those images as PNG files, in order."""
    directory = tmp_path_factory.mktemp("images")
    for image, name in zip(examples.inputs, examples.names):
        Image.fromarray(image).save(directory / name)
    return [str(directory / name) for name in examples.names]


@pytest.fixture(scope="session")
def toy_command(trained):
    """The command of that run without --model_dir, saved and evaluated every 20 steps."""
    return ["train", *trained.flags, f"--data_dir={trained.data_dir}", "--save_every=20"]


@pytest.fixture(scope="session")
def whole(toy_command, tmp_path_factory):
    """The directory of a run of `toy_command` that nothing interrupted. Read only."""
    directory = tmp_path_factory.mktemp("whole")
    life = lives.live(directory / "log", [*toy_command, f"--model_dir={directory / 'run'}"])
    assert life.code == 0, life.text
    return directory / "run"
