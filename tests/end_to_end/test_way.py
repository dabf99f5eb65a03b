"""The main way: train, evaluate, predict, go on, by the command line alone."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from mtl import tasks
from mtl.data import npz
from mtl.data.examples import Examples, held_out

KEYS = [
    "dataset", "split", "examples", "step", "sequence_accuracy", "character_accuracy", "coverage_at_98", "cost", "task_accuracy",
    "task_cross_entropy",
]  # fmt: skip
TASKS = ["length", "digit1", "digit2", "digit3", "digit4", "digit5"]


def strict(text):
    """Parse JSON that must not hold NaN or infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def contents(directory):
    """Return dict path -> (bytes, time of change) of all files below a directory."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[path] = (file.read(), os.stat(path).st_mtime_ns)
    return found


# -- the paper's mask ----------------------------------------------------------------------------------------------------------------------


def test_a_masked_run_never_says_x(command, trained, pictures, tmp_path):
    flags = [
        f"--data_dir={trained.data_dir}",
        *trained.flags,
        "--absent=mask",
        "--objective=log_sum",
    ]
    assert command("train", f"--model_dir={tmp_path / 'run'}", *flags)[0] == 0
    code, out, _ = command("evaluate", f"--model_dir={tmp_path / 'run'}", "--json")
    result = strict(out)
    assert code == 0 and result["sequence_accuracy"] == 1.0 and result["cost"] is not None
    assert result["task_accuracy"] == dict.fromkeys(TASKS, 1.0) and all(
        value < 0.5 for value in result["task_cross_entropy"].values()
    )
    code, out, _ = command("predict", f"--model_dir={tmp_path / 'run'}", "--json", *pictures)
    for line in out.splitlines():
        digits = strict(line)["digits"]
        assert [row[10] for row in digits] == [0.0] * 5
        assert [sum(row) for row in digits] == pytest.approx([1.0] * 5, rel=1e-5)
    code, _, err = command("train", f"--model_dir={tmp_path / 'run'}", *flags[:-2], "--steps=70")
    assert code == 1 and "--absent=mask (now x)" in err


# -- the run directory ----------------------------------------------------------------------------------------------------------------


def test_the_run_directory_holds_what_it_promises(trained):
    names = set(os.listdir(trained.model_dir))
    assert {
        "config.json",
        "flags.flags",
        "versions.json",
        "metrics.jsonl",
        "checkpoint",
        "best",
        "model.ckpt-60.index",
    } <= names
    assert not [name for name in names if name.endswith(".tmp")]
    with open(os.path.join(trained.model_dir, "metrics.jsonl"), encoding="utf-8") as file:
        assert [strict(line)["step"] for line in file] == [30, 60]
    with open(os.path.join(trained.model_dir, "checkpoint"), encoding="utf-8") as file:
        assert os.sep not in file.read()  # relative paths: the run may be moved
    assert any(
        re.fullmatch(r"model\.ckpt-\d+\.index", name)
        for name in os.listdir(os.path.join(trained.model_dir, "best"))
    )


def test_a_finished_run_does_nothing(command, trained):
    before = contents(trained.model_dir)
    code, out, err = command(
        "train", f"--model_dir={trained.model_dir}", f"--flagfile={trained.model_dir}/flags.flags"
    )
    assert code == 0 and "step 60" in out and "nothing to do" in err
    assert contents(trained.model_dir) == before


def test_a_data_set_too_small_to_validate_on_trains_all_the_same(command, trained, tmp_path):
    # Every tenth name is held out, and a few names may all stay in train: those that do are kept here.
    keep = [i for i, name in enumerate(trained.examples.names) if not held_out(name)]
    few = Examples(
        trained.examples.images[keep], *[[texts[i] for i in keep] for texts in trained.examples[1:]]
    )
    npz.save(str(tmp_path / "train.npz"), few)
    flags = [f"--flagfile={trained.model_dir}/flags.flags", f"--data_dir={tmp_path}", "--steps=3"]
    code, out, err = command("train", f"--model_dir={tmp_path / 'run'}", *flags)
    assert (code, out) == (0, f"{tmp_path / 'run'}: step 3\n") and "no validation" in err
    code, out, _ = command("evaluate", f"--model_dir={tmp_path / 'run'}", "--split=train", "--json")
    assert code == 0 and strict(out)["examples"] == len(keep)


def test_more_steps_continue_a_run_that_was_moved(command, trained, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(trained.model_dir, moved)
    code, out, err = command(
        "train",
        f"--model_dir={moved}",
        f"--flagfile={moved}/flags.flags",
        "--steps=61",
        "--save_every=1",
    )
    assert code == 0 and "step 61" in out and "step 60" in err
    with open(moved / "metrics.jsonl", encoding="utf-8") as file:
        assert [strict(line)["step"] for line in file] == [30, 60, 61]


# -- evaluate ----------------------------------------------------------------------------------------------------------------


def test_evaluate_prints_one_strict_object(command, trained):
    code, out, _ = command("evaluate", f"--model_dir={trained.model_dir}", "--json")
    assert code == 0 and out.count("\n") == 1
    result = strict(out)
    assert list(result) == KEYS
    assert list(result["task_accuracy"]) == list(result["task_cross_entropy"]) == TASKS
    assert (result["dataset"], result["split"], result["examples"]) == ("npz", "test", 7)
    assert (
        result["sequence_accuracy"]
        == result["character_accuracy"]
        == result["coverage_at_98"]
        == 1.0
    )  # it has learnt them
    # The objective of the run is the plain sum.
    np.testing.assert_allclose(
        result["cost"], sum(result["task_cross_entropy"].values()), rtol=1e-6
    )


def test_evaluate_for_a_person(command, trained):
    code, out, _ = command(
        "evaluate",
        f"--model_dir={trained.model_dir}",
        "--split=train",
        "--checkpoint=last",
        "--count=3",
    )
    assert code == 0
    assert out.startswith("npz, train, step 60\n")
    assert re.search(r"^examples +3$", out, re.MULTILINE) and re.search(
        r"^sequence accuracy +100.00%", out, re.MULTILINE
    )


def test_evaluate_on_another_data_set(command, trained):
    code, out, _ = command(
        "evaluate", f"--model_dir={trained.model_dir}", "--dataset=synthetic", "--count=9", "--json"
    )
    result = strict(out)
    assert code == 0 and (result["dataset"], result["examples"]) == ("synthetic", 9)


def test_evaluate_takes_the_path_of_a_checkpoint(command, trained):
    path = os.path.join(trained.model_dir, "model.ckpt-30")
    code, out, _ = command(
        "evaluate", f"--model_dir={trained.model_dir}", f"--checkpoint={path}", "--json"
    )
    assert code == 0 and strict(out)["step"] == 30


# -- predict ------------------------------------------------------------------------------------------------------------------


def test_predict_reads_pictures_in_the_order_given(command, trained, pictures):
    order = [3, 0, 4, 2, 0, 5, 6, 1]
    code, out, err = command(
        "predict", f"--model_dir={trained.model_dir}", "--json", *[pictures[i] for i in order]
    )
    assert (code, err) == (0, "")
    results = [strict(line) for line in out.splitlines()]
    assert [result["file"] for result in results] == [pictures[i] for i in order]
    wanted = [trained.examples.numbers[i] for i in order]
    assert [result["number"] for result in results] == [
        None if len(number) > 5 else number for number in wanted
    ]
    for result in results:
        assert list(result) == ["file", "number", "confidence", "length", "digits"]
        rows = [result["length"], *result["digits"]]
        assert [len(row) for row in rows] == [task.classes for task in tasks.NUMBER_TASKS]
        np.testing.assert_allclose([sum(row) for row in rows], 1.0, atol=1e-5)
        # The confidence is that of the number: its length and its digits, nothing of the positions beyond.
        count = tasks.LENGTH_X if result["number"] is None else len(result["number"])
        best = [max(row[:10]) for row in result["digits"][: min(count, 5)]]
        np.testing.assert_allclose(
            result["confidence"], result["length"][count] * np.prod(best), rtol=1e-5
        )


def test_predict_for_a_person(command, trained, pictures):
    code, out, _ = command(
        "predict", pictures[1], f"--model_dir={trained.model_dir}", pictures[2], pictures[4]
    )
    assert code == 0
    shown = [
        re.fullmatch(r"(.+\.png)  (.+)  (0\.\d{3}|1\.000)", line).groups()[:2]
        for line in out.splitlines()
    ]
    assert shown == [
        (pictures[1], "210"),
        (pictures[2], "no number"),
        (pictures[4], "more than 5 digits"),
    ]


def test_predict_reads_as_evaluate_does(command, trained, pictures):
    # evaluate on a folder of the same files: the whole picture is the window for both.
    folder = os.path.dirname(pictures[0])
    os.makedirs(os.path.join(folder, "test"), exist_ok=True)
    with open(os.path.join(folder, "test", "labels.csv"), "w", encoding="utf-8") as file:
        file.write("file,label\n")
        for i, (path, number) in enumerate(zip(pictures, trained.examples.numbers)):
            shutil.copy(path, os.path.join(folder, "test", f"{i}.png"))
            file.write(f"{i}.png,{number}\n")
    code, out, _ = command(
        "evaluate",
        f"--model_dir={trained.model_dir}",
        "--dataset=folder",
        f"--data_dir={folder}",
        "--json",
    )
    assert code == 0 and strict(out)["sequence_accuracy"] == 1.0


# -- as processes -------------------------------------------------------------------------------------------------------------


def test_a_process_writes_its_result_to_stdout_and_nothing_else(trained, pictures):
    arguments = [
        sys.executable,
        "-m",
        "mtl",
        "predict",
        f"--model_dir={trained.model_dir}",
        "--json",
        pictures[0],
    ]
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert strict(done.stdout)["number"] == "7"


def test_a_signal_saves_and_the_same_command_continues(trained, tmp_path):
    flags = [
        f"--model_dir={tmp_path / 'run'}",
        f"--flagfile={trained.model_dir}/flags.flags",
        "--log_every=1",
    ]
    flags += [
        "--verbosity=1",
        "--steps=3000",
    ]  # progress lines in a pipe, and an end should the signal be lost
    arguments, pipe = [sys.executable, "-m", "mtl", "train", *flags], subprocess.PIPE
    with subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True) as process:
        for line in process.stderr:
            if line.startswith("step 5/"):
                process.send_signal(signal.SIGTERM)
                break
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert out == "" and "Traceback" not in err
    last = err.splitlines()[-1]
    step = int(re.search(r"saved at step (\d+)", last)[1])
    assert last.startswith("mtl train: ") and step >= 5
    assert os.path.exists(tmp_path / "run" / f"model.ckpt-{step}.index")
