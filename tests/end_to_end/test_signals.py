"""SIGTERM and Ctrl-C wherever they come: one line, exit code 143 or 130, what was done is saved; a second one ends it at once."""

import os
import signal
import time

import pytest
from PIL import Image

from mtl import checkpoint
from tests import lives, svhn_files

FOR_EVER = 2_000_000_000  # rounds: a quarter of an hour


def interrupted(process, log, number):
    """Send a signal to a process that says HERE; return its exit code and the lines it writes after that."""
    lives.reached(process, log)
    os.kill(process.pid, number)
    life = lives.ended(process, log)
    return life.code, life.text.split("HERE\n")[1].splitlines()


@pytest.fixture
def flags(trained, tmp_path):
    """Return the command of a run of the toy, 60 steps of which each third is evaluated and saved, into a directory that is not there."""
    return [
        "train",
        *trained.flags,
        f"--data_dir={trained.data_dir}",
        "--save_every=20",
        f"--model_dir={tmp_path / 'run'}",
    ]


@pytest.fixture(scope="module")
def whole(trained, tmp_path_factory):
    """Return the text of metrics.jsonl of the same run, never stopped."""
    directory = tmp_path_factory.mktemp("whole")
    command = [
        "train",
        *trained.flags,
        f"--data_dir={trained.data_dir}",
        "--save_every=20",
        f"--model_dir={directory / 'run'}",
    ]
    assert lives.live(directory / "log", command).code == 0
    return (directory / "run" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("step, number", [(1, signal.SIGINT), (27, signal.SIGHUP)])
def test_within_a_step_of_training(flags, whole, tmp_path, step, number):
    process = lives.start(tmp_path / "log", flags, lives.busy_step, step)
    code, lines = interrupted(process, tmp_path / "log", number)
    assert code == 128 + number
    assert lines == [
        f"mtl train: {tmp_path / 'run'}: stopped and saved at step {step}; the same command continues"
    ]
    life = lives.live(tmp_path / "log", flags)
    assert life.code == 0 and f"continuing from step {step}\n" in life.text
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == whole


def test_within_an_evaluation_of_training(flags, whole, tmp_path):
    number = signal.SIGTERM
    process = lives.start(
        tmp_path / "log", flags, lives.busy_in, "mtl.evaluation.evaluate", "views", 2
    )
    code, lines = interrupted(process, tmp_path / "log", number)
    assert code == 128 + number
    assert lines == [
        f"mtl train: {tmp_path / 'run'}: stopped in an evaluation, its step is saved; the same command continues"
    ]
    assert checkpoint.newest(str(tmp_path / "run")) == str(tmp_path / "run" / "model.ckpt-40")
    life = lives.live(tmp_path / "log", flags)
    assert life.code == 0 and "continuing from step 40\nstep 40: validation" in life.text, (
        "the evaluation is made up for"
    )
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == whole


@pytest.mark.parametrize(
    "number, where",
    [
        (signal.SIGINT, ("mtl.data.registry", "load")),
        (signal.SIGTERM, ("mtl.bottoms", "layers.dense")),
    ],
    ids=["reading", "building"],
)
def test_before_the_first_step_there_is_nothing_to_save(flags, tmp_path, where, number):
    process = lives.start(tmp_path / "log", flags, lives.busy_in, *where, 1)
    code, lines = interrupted(process, tmp_path / "log", number)
    assert (code, lines) == (128 + number, ["mtl train: interrupted"])
    assert not (tmp_path / "run").exists()


def test_a_second_one_ends_a_step_that_hears_none_and_leaves_the_last_checkpoint(
    flags, whole, tmp_path
):
    number = signal.SIGINT  # tests/cli/test_signals.py has all of them
    process = lives.start(tmp_path / "log", flags, lives.busy_step, 33, FOR_EVER)
    lives.reached(process, tmp_path / "log")
    before = {
        path.name: path.read_bytes() for path in (tmp_path / "run").glob("*") if path.is_file()
    }
    os.kill(process.pid, number)
    time.sleep(0.6)
    assert process.is_alive(), "the first waits for the step"
    os.kill(process.pid, number)
    since = time.monotonic()
    life = lives.ended(process, tmp_path / "log")
    assert time.monotonic() - since < 10.0, (
        "it takes milliseconds; without the watching thread, a quarter of an hour"
    )
    assert life.code == 128 + number
    assert life.text.endswith(
        "HERE\nmtl train: stopped at once by a second signal; the last checkpoint is kept\n"
    )
    assert before == {
        path.name: path.read_bytes() for path in (tmp_path / "run").glob("*") if path.is_file()
    }
    life = lives.live(tmp_path / "log", flags)
    assert life.code == 0 and "continuing from step 20\n" in life.text
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == whole


def test_within_evaluate_and_predict(trained, pictures, tmp_path):
    for name, number, command in [
        ("evaluate", signal.SIGTERM, ["evaluate", f"--model_dir={trained.model_dir}", "--json"]),
        ("predict", signal.SIGINT, ["predict", f"--model_dir={trained.model_dir}", *pictures]),
    ]:
        process = lives.start(
            tmp_path / "log", command, lives.busy_in, "mtl.evaluation.evaluate", "views", 1
        )
        assert interrupted(process, tmp_path / "log", number) == (
            128 + number,
            [f"mtl {name}: interrupted"],
        )


def test_within_a_conversion_and_again_to_its_end(tmp_path):
    number = signal.SIGTERM
    svhn_files.draw(
        tmp_path / "data" / "train", [(f"{i}.png", svhn_files.boxes(str(i))) for i in range(1, 31)]
    )
    made, flags = {}, [f"--archive_dir={tmp_path / 'data'}", "--splits=train", "--shard_size=4"]
    for name in ("whole", "stopped"):
        command = ["convert", f"--out={tmp_path / name}", *flags]
        if name == "stopped":
            process = lives.start(
                tmp_path / "log", command, lives.busy_in, "mtl.data.records.format", "serialize", 11
            )
            assert interrupted(process, tmp_path / "log", number) == (
                128 + number,
                ["mtl convert: interrupted"],
            )
            assert not (tmp_path / name / "manifest.json").exists()
        life = lives.live(tmp_path / "log", command)
        assert life.code == 0, life.text
        made[name] = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert made["stopped"] == made["whole"] and len(made["whole"]) > 5


def test_as_tensorflow_is_imported(tmp_path):
    number = signal.SIGINT
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    process = lives.start(
        tmp_path / "log",
        ["predict", tmp_path / "a.png"],
        lives.busy_in,
        "mtl.cli.common",
        "start_tensorflow",
        1,
    )
    assert interrupted(process, tmp_path / "log", number) == (
        128 + number,
        ["mtl predict: interrupted"],
    )
