"""A small comparison of real runs of two objectives. More of them: tests with fake_mtl.py."""

import csv
import os

import numpy as np
import pytest

from tests import html_check

pytestmark = pytest.mark.slow

TASKS = ["--tasks=a:2,b:3,h:real", "--dataset=npz"]
SMALL = ["--bottom=mlp", "--steps=20", "--save_every=10", "--batch_size=8", "--warmup_steps=0"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with three splits of features and three labels."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(4)
    for split, count in (("train", 64), ("validation", 32), ("test", 32)):
        features = rng.normal(size=(count, 5)).astype(np.float32)
        labels = {
            "a": (features[:, 0] > 0).astype(np.int32),
            "b": np.digitize(features[:, 1], [-0.5, 0.5]).astype(np.int32),
            "h": 10 + 3 * features[:, 2],
        }
        np.savez(folder / f"{split}.npz", features=features, **labels)
    return folder


def test_real_runs_are_compared_and_finished_ones_reused(command, tmp_path, data):
    out = tmp_path / "out"
    grid = ["--objectives=linear,log_sum", "--seeds=1", "--jobs=2", "--learning_rate=0.01"]
    arguments = ["compare", f"--out={out}", *TASKS, f"--data_dir={data}", *SMALL, *grid]
    code, stdout, stderr = command(*arguments)
    assert code == 0, stderr
    with open(out / "results.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and {row["exit_code"] for row in rows} == {"0"}
    for row in rows:
        assert 0 <= float(row["validation_a_accuracy"]) <= 1
        assert float(row["validation_h_rmse"]) > 0
        assert 0 < float(row["seconds_per_step"]) < 10
        assert 100 < float(row["peak_memory_mb"]) < 10_000
        assert row["validation_step"] in ("10", "20")
    page = html_check.tree((out / "index.html").read_text(encoding="utf-8"))
    assert [row[0] for row in page.all("table")[0].rows()] == ["variant", "linear", "log_sum"]
    before = {path: os.stat(path).st_mtime_ns for path in out.glob("runs/*/*")}
    assert command(*arguments)[::2] == (0, "")
    assert {path: os.stat(path).st_mtime_ns for path in out.glob("runs/*/*")} == before
