"""The packaged network: its size, its model card, and every command that uses it."""

import hashlib
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from mtl import checkpoint, run_files
from mtl.cli import training
from mtl.data.batches import centre_crop
from mtl.data.drawn import synthetic
from mtl.evaluation import metrics
from mtl.inference import decoding
from mtl.inference.network import Network
from mtl.inputs import NUMBERS
from mtl.runs import find

PACKAGED = find.PACKAGED["pretrained"]
LARGEST = 6_000_000  # bytes


def read(name):
    with open(os.path.join(PACKAGED, name), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def drawn():
    return synthetic.load("", "validation", count=200, workers=1)


def test_is_small():
    sizes = [entry.stat().st_size for entry in os.scandir(PACKAGED) if entry.is_file()]
    assert sum(sizes) <= LARGEST


def test_model_card_names_these_weights():
    path = find.checkpoint("pretrained")
    with open(f"{path}.data-00000-of-00001", "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() in read("MODEL_CARD.md")
    assert f"step {checkpoint.step_of(path)}" in read("MODEL_CARD.md")


def test_flags_equal_the_flagfile_of_the_model_card():
    flagfile = re.search(r"--flagfile=(flags/\w+\.flags)", read("MODEL_CARD.md"))[1]
    with open(flagfile, encoding="utf-8") as file:
        text = file.read()
    documented = {line for line in text.splitlines() if line.startswith("--")}
    assert documented <= set(read("flags.flags").split())
    # The header quotes the model card.
    figures = re.findall(r"\d+\.\d% \([\d.]+ to [\d.]+\)", text)
    assert len(figures) == 2 and all(figure in read("MODEL_CARD.md") for figure in figures)


def test_was_trained_on_drawn_numbers_only():
    record = run_files.read_config(PACKAGED)
    assert (record.dataset, record.data_dir, record.init_from) == ("synthetic", "", "")


@pytest.mark.slow
def test_reads_drawn_numbers(drawn):
    with Network.open("pretrained") as network:
        log_probs = network.outputs(np.ascontiguousarray(centre_crop(drawn.inputs)))
    numbers = decoding.joint(log_probs)[0]
    assert metrics.sequence_accuracy(numbers, drawn.numbers) > 0.9


@pytest.mark.slow
def test_predict_uses_it_by_default(command, drawn, tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(9)]
    for path, image in zip(paths, drawn.inputs):
        Image.fromarray(image).save(path)
    code, out, err = command("predict", "--json", *paths)
    assert code == 0, err
    numbers = [json.loads(line)["number"] for line in out.splitlines()]
    assert np.mean([found == true for found, true in zip(numbers, drawn.numbers)]) > 0.7


@pytest.mark.slow
def test_training_starts_from_it(command, drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SYNTHETIC_VALIDATION", 60)  # instead of 1,000 images
    bottom = run_files.read_config(PACKAGED).bottom
    network = [f"--bottom={bottom}", "--init_from=pretrained", "--learning_rate=1e-9"]
    length = ["--steps=1", "--save_every=1", "--batch_size=2", "--pool=8", "--workers=1"]
    code, _, err = command("train", f"--model_dir={tmp_path}", *network, *length)
    assert code == 0 and "starting from the weights of" in err, err
    with Network.open("pretrained") as packaged, Network.open(str(tmp_path)) as trained:
        crops = np.ascontiguousarray(centre_crop(drawn.inputs[:5], NUMBERS.crop))
        found = trained.outputs(crops)
        for name, rows in packaged.outputs(crops).items():
            np.testing.assert_allclose(found[name], rows, atol=1e-3)


def test_cannot_be_trained_over(refused):
    line = refused(1, "train", "--model_dir=pretrained")
    assert "--model_dir=pretrained is the packaged network" in line
