"""The run that comes with the package: small, as its card says, and readable by every command that names it."""

import hashlib
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from mtl import checkpoint, config
from mtl.cli.main import run
from mtl.data.drawn import synthetic
from mtl.evaluation import evaluate
from mtl.inference.network import Network
from mtl.runs import directories

PACKAGED = directories.PACKAGED["pretrained"]
LARGEST = 6_000_000  # bytes


def read(name):
    with open(os.path.join(PACKAGED, name), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def drawn():
    return synthetic.examples("validation", 200, workers=1)


def test_it_is_small():
    files = [
        os.path.join(PACKAGED, name)
        for name in os.listdir(PACKAGED)
        if os.path.isfile(os.path.join(PACKAGED, name))
    ]
    assert sum(map(os.path.getsize, files)) <= LARGEST


def test_the_card_is_that_of_these_weights():
    path = directories.find("pretrained")
    with open(f"{path}.data-00000-of-00001", "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() in read("MODEL_CARD.md")
    assert f"step {checkpoint.step_of(path)}" in read("MODEL_CARD.md")


def test_it_was_made_by_the_flagfile_that_the_card_names():
    flagfile = re.search(r"--flagfile=(flags/\w+\.flags)", read("MODEL_CARD.md"))[1]
    with open(flagfile, encoding="utf-8") as file:
        wanted = {line.strip() for line in file if line.startswith("--")}
    assert wanted <= set(read("flags.flags").split()), "the flags of the run"


def test_it_was_trained_on_drawn_numbers_alone():
    record = checkpoint.read_config(PACKAGED)
    assert (record.dataset, record.data_dir, record.init_from) == ("synthetic", "", "")


def test_it_reads_drawn_numbers(drawn):
    with Network.open("pretrained") as network:
        result = evaluate.evaluate(network.log_probs, drawn, network.cost_of_means)
    assert result["sequence_accuracy"] > 0.9


def test_predict_without_a_run_reads_with_it(drawn, tmp_path, capsys):
    for i in range(9):
        Image.fromarray(drawn.images[i]).save(tmp_path / f"{i}.png")
    assert run(["predict", "--json", *[str(tmp_path / f"{i}.png") for i in range(9)]]) == 0
    answers = [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()]
    assert np.mean([answer == number for answer, number in zip(answers, drawn.numbers)]) > 0.7


def test_training_starts_from_it(drawn, tmp_path, capsys):
    record = checkpoint.read_config(PACKAGED)
    flags = [
        f"--bottom={record.bottom}",
        "--init_from=pretrained",
        "--steps=1",
        "--batch_size=2",
        "--pool=8",
        "--learning_rate=1e-9",
    ]
    assert run(["train", f"--model_dir={tmp_path}", *flags, "--save_every=1", "--workers=1"]) == 0
    assert "starting from the weights of" in capsys.readouterr().err
    with Network.open("pretrained") as one, Network.open(str(tmp_path)) as other:
        crops = np.ascontiguousarray(drawn.images[:5, 5 : 5 + config.CROP, 5 : 5 + config.CROP])
        for name, rows in one.log_probs(crops).items():
            np.testing.assert_allclose(other.log_probs(crops)[name], rows, atol=1e-3)


def test_no_run_is_trained_under_its_name(capsys):
    assert run(["train", "--model_dir=pretrained"]) == 1
    assert "--model_dir=pretrained names the packaged weights" in capsys.readouterr().err
