"""`mtl preview`: a contact sheet of any data set."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mtl import config
from mtl.data import npz
from mtl.data.drawn import synthetic
from mtl.data.examples import Examples
from mtl.reports import sheet
from tests import record_sets


@pytest.mark.parametrize("style", config.choices("style"))
def test_the_sheet_shows_the_first_images_with_their_labels(command, tmp_path, style):
    out = tmp_path / "sheet.png"
    flags = [
        "--dataset=synthetic",
        "--split=test",
        "--rows=2",
        "--columns=3",
        "--difficulty=0.25",
        f"--style={style}",
    ]
    code, stdout, err = command("preview", *flags, f"--out={out}")
    assert (code, stdout, err) == (0, f"{out}: 6 images of synthetic, test\n", "")
    examples = synthetic.examples("test", 6, style=style, difficulty=0.25)
    wanted = sheet.draw(
        examples.images, [number or "no number" for number in examples.numbers], columns=3
    )
    np.testing.assert_array_equal(np.asarray(Image.open(out)), np.asarray(wanted))
    assert os.listdir(tmp_path) == ["sheet.png"]


def test_a_small_data_set_on_disk_fills_what_it_can(command, tmp_path):
    images = np.random.default_rng(3).integers(0, 256, (5, 64, 64, 3), np.uint8)
    npz.save(
        str(tmp_path / "test.npz"), Examples(images, ["1", "", "23", "1234567", "9"], list("abcde"))
    )
    code, stdout, _ = command(
        "preview",
        "--dataset=npz",
        f"--data_dir={tmp_path}",
        "--split=test",
        f"--out={tmp_path / 'sheet.jpg'}",
    )
    assert code == 0 and ": 5 images of npz, test\n" in stdout
    assert Image.open(tmp_path / "sheet.jpg").format == "JPEG"


def test_records_are_shown_and_tensorflow_keeps_quiet(tmp_path):
    record_sets.write(tmp_path, extra=[record_sets.some(["7", "", "89"])])
    flags = [
        "--dataset=records",
        f"--data_dir={tmp_path}",
        "--split=extra",
        f"--out={tmp_path / 'sheet.png'}",
    ]
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    done = subprocess.run(
        [sys.executable, "-m", "mtl", "preview", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"{tmp_path / 'sheet.png'}: 3 images of records, extra\n",
        "",
    )


@pytest.mark.parametrize(
    "flag, named",
    [
        ("--out=sheet", "--out"),
        ("--out=sheet.txt", "--out"),
        ("--rows=0", "rows"),
        ("--columns=101", "columns"),
        ("x", "'x'"),
    ],
)
def test_a_bad_flag_is_named(refused, flag, named):
    assert named in refused(1, "preview", flag)


def test_nowhere_to_write_to_is_found_before_the_work(refused, tmp_path):
    assert str(tmp_path / "nowhere") in refused(
        2, "preview", f"--out={tmp_path / 'nowhere' / 'sheet.png'}"
    )
    (tmp_path / "taken.png").mkdir()
    assert "taken.png" in refused(2, "preview", f"--out={tmp_path / 'taken.png'}")
    assert os.listdir(tmp_path) == ["taken.png"]


def test_a_missing_data_set_is_named_and_nothing_written(refused, tmp_path):
    line = refused(
        2,
        "preview",
        "--dataset=folder",
        f"--data_dir={tmp_path / 'nowhere'}",
        f"--out={tmp_path / 'sheet.png'}",
    )
    assert "nowhere" in line
    assert os.listdir(tmp_path) == []
