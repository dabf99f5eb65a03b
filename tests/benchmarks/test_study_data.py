"""The images of the study: what is written, and at which size."""

import numpy as np

from mtl.data import npz, registry
from tests import svhn_files
from tests.benchmarks import study_data

NUMBERS = [f"{number}" for number in range(12, 32)]


def test_writes_drawn_numbers_and_photographs(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(study_data, "COUNTS", {"train": 5, "validation": 3, "test": 2})
    for split in ("train", "test"):
        labelled = [(f"{i}.png", svhn_files.boxes(number)) for i, number in enumerate(NUMBERS, 1)]
        svhn_files.draw(tmp_path / "svhn" / split, labelled)
    out = tmp_path / "new" / "study"
    study_data.write(str(out), str(tmp_path / "svhn"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9 and lines[0] == f"{out}/easy/train.npz: 5 images"
    for name, difficulty in (("easy", 0.2), ("hard", 0.7)):
        found = npz.read(str(out / name / "validation.npz"))
        drawn = registry.load("synthetic", "", "validation", count=3, difficulty=difficulty)
        assert found.inputs.shape == (3, 36, 36, 3)
        assert list(found.numbers) == list(drawn.numbers)
    train = npz.read(str(out / "photographs" / "train.npz"))
    validation = npz.read(str(out / "photographs" / "validation.npz"))
    assert sorted([*train.numbers, *validation.numbers]) == NUMBERS
    assert train.inputs.shape[1:] == (36, 36, 3) and np.ptp(train.inputs) > 0
