"""SIGTERM and Ctrl-C at any moment: one line, exit code 143 or 130, finished steps are saved."""

import os
import signal
import time

import pytest
from PIL import Image

from mtl import checkpoint
from tests import lives, svhn_files
from tests.run_directories import metrics_of

pytestmark = pytest.mark.slow


def interrupted(process, log, number):
    """Send a signal to a process that writes HERE; return its exit code and its later lines."""
    lives.reached(process, log)
    os.kill(process.pid, number)
    life = lives.ended(process, log)
    return life.code, life.text.split("HERE\n")[1].splitlines()


@pytest.fixture
def command(toy_command, tmp_path):
    """The command of a new run."""
    return [*toy_command, f"--model_dir={tmp_path / 'run'}"]


def assert_continues(command, whole, tmp_path, line):
    """Repeat a command; assert that it reports a line and ends as the whole run."""
    life = lives.live(tmp_path / "log", command)
    assert life.code == 0 and line in life.text, life.text
    assert metrics_of(tmp_path / "run") == metrics_of(whole)


@pytest.mark.parametrize("step, number", [(1, signal.SIGINT), (27, signal.SIGHUP)])
def test_a_signal_within_a_step_saves_it(command, whole, tmp_path, step, number):
    log = tmp_path / "log"
    process = lives.start(log, command, lives.hold_step, step)
    code, lines = interrupted(process, log, number)
    where = f"stopped and saved at step {step}; the same command continues"
    assert (code, lines) == (128 + number, [f"mtl train: {tmp_path / 'run'}: {where}"])
    assert_continues(command, whole, tmp_path, f"continuing from step {step}\n")


def test_a_signal_within_an_evaluation_repeats_it(command, whole, tmp_path):
    log = tmp_path / "log"
    process = lives.start(log, command, lives.hold_in, "mtl.inference.reading", "views", 2)
    code, lines = interrupted(process, log, signal.SIGTERM)
    where = "stopped during an evaluation; its step is saved; the same command continues"
    assert (code, lines) == (143, [f"mtl train: {tmp_path / 'run'}: {where}"])
    assert checkpoint.newest(str(tmp_path / "run")) == str(tmp_path / "run" / "model.ckpt-40")
    line = "continuing from step 40\nstep 40: validation"
    assert_continues(command, whole, tmp_path, line)


@pytest.mark.parametrize(
    "number, where",
    [
        (signal.SIGINT, ("mtl.data.registry", "load")),
        (signal.SIGTERM, ("mtl.bottoms", "layers.dense")),
    ],
    ids=["loading data", "building the graph"],
)
def test_a_signal_before_the_first_step_leaves_nothing(command, tmp_path, where, number):
    log = tmp_path / "log"
    process = lives.start(log, command, lives.hold_in, *where, 1)
    assert interrupted(process, log, number) == (128 + number, ["mtl train: interrupted"])
    assert not (tmp_path / "run").exists()


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.glob("*") if path.is_file()}


def test_a_second_signal_ends_a_long_step_at_once(command, whole, tmp_path):
    log = tmp_path / "log"
    process = lives.start(log, command, lives.busy_step, 33)
    lives.reached(process, log)
    before = files_of(tmp_path / "run")
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.6)
    assert process.is_alive(), "the first signal waits for the step"
    os.kill(process.pid, signal.SIGINT)
    since = time.monotonic()
    life = lives.ended(process, log)
    # It takes milliseconds; without the thread that watches, a quarter of an hour.
    assert time.monotonic() - since < 10.0
    line = "mtl train: stopped at once by a second signal; the last checkpoint is kept\n"
    assert life.code == 130 and life.text.endswith("HERE\n" + line)
    assert files_of(tmp_path / "run") == before
    assert_continues(command, whole, tmp_path, "continuing from step 20\n")


def test_a_signal_within_evaluate_and_predict(trained, image_files, tmp_path):
    log, model_dir = tmp_path / "log", f"--model_dir={trained.model_dir}"
    for number, arguments in (
        (signal.SIGTERM, ["evaluate", model_dir, "--json"]),
        (signal.SIGINT, ["predict", model_dir, *image_files]),
    ):
        process = lives.start(log, arguments, lives.hold_in, "mtl.inference.reading", "views", 1)
        expected = (128 + number, [f"mtl {arguments[0]}: interrupted"])
        assert interrupted(process, log, number) == expected


def test_an_interrupted_conversion_continues_to_the_same_bytes(tmp_path):
    log, data = tmp_path / "log", tmp_path / "data"
    labelled = [(f"{i}.png", svhn_files.boxes(str(i))) for i in range(1, 31)]
    svhn_files.draw(data / "train", labelled)
    flags = [f"--archive_dir={data}", "--splits=train", "--shard_size=4"]
    hold = (lives.hold_in, "mtl.data.records.format", "serialize", 11)
    made = {}
    for name in ("whole", "stopped"):
        command = ["convert", f"--out={tmp_path / name}", *flags]
        if name == "stopped":
            process = lives.start(log, command, *hold)
            code, lines = interrupted(process, log, signal.SIGTERM)
            assert (code, lines) == (143, ["mtl convert: interrupted"])
            assert not (tmp_path / name / "manifest.json").exists()
        life = lives.live(log, command)
        assert life.code == 0, life.text
        made[name] = files_of(tmp_path / name)
    assert made["stopped"] == made["whole"] and len(made["whole"]) > 5


def test_a_signal_while_tensorflow_is_imported(tmp_path):
    log, image = tmp_path / "log", tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(image)
    hold = (lives.hold_in, "mtl.cli.console", "start_tensorflow", 1)
    process = lives.start(log, ["predict", image], *hold)
    assert interrupted(process, log, signal.SIGINT) == (130, ["mtl predict: interrupted"])
