"""Train, evaluate, predict and continue, by the command line alone."""

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
from mtl.data.examples import held_out, select
from tests.run_directories import fingerprint, metrics_of

pytestmark = pytest.mark.slow

KEYS = [
    "dataset",
    "split",
    "examples",
    "step",
    "sequence_accuracy",
    "character_accuracy",
    "coverage_at_98",
    "cost",
    "task_accuracy",
    "task_cross_entropy",
]
TASKS = ["length", "digit1", "digit2", "digit3", "digit4", "digit5"]


def strict(text):
    """Parse JSON that must not hold NaN or infinity."""

    def reject(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=reject)


# -- train -----------------------------------------------------------------------------------------


def test_a_masked_run_never_predicts_x(command, trained, image_files, tmp_path):
    run = f"--model_dir={tmp_path / 'run'}"
    flags = [f"--data_dir={trained.data_dir}", *trained.flags]
    masked = [*flags, "--absent=mask", "--objective=log_sum"]
    assert command("train", run, *masked)[0] == 0
    code, out, _ = command("evaluate", run, "--json")
    result = strict(out)
    assert code == 0 and result["sequence_accuracy"] == 1.0 and result["cost"] is not None
    assert result["task_accuracy"] == dict.fromkeys(TASKS, 1.0)
    assert all(value < 0.5 for value in result["task_cross_entropy"].values())
    code, out, _ = command("predict", run, "--json", *image_files)
    for line in out.splitlines():
        digits = strict(line)["digits"]
        assert [row[10] for row in digits] == [0.0] * 5
        assert [sum(row) for row in digits] == pytest.approx([1.0] * 5, rel=1e-5)
    code, _, err = command("train", run, *flags, "--steps=70")
    assert code == 1 and "--absent=mask (now x)" in err


def test_files_of_a_run_directory(trained):
    names = set(os.listdir(trained.model_dir))
    documented = {"config.json", "flags.flags", "versions.json", "metrics.jsonl", "checkpoint"}
    assert documented | {"monitor.json", "best", "model.ckpt-60.index"} <= names
    assert not [name for name in names if name.endswith(".tmp")]
    with open(os.path.join(trained.model_dir, "metrics.jsonl"), encoding="utf-8") as file:
        assert [strict(line)["step"] for line in file] == [30, 60]
    with open(os.path.join(trained.model_dir, "checkpoint"), encoding="utf-8") as file:
        assert os.sep not in file.read()  # relative paths: the run may be moved
    best = os.listdir(os.path.join(trained.model_dir, "best"))
    assert any(re.fullmatch(r"model\.ckpt-\d+\.index", name) for name in best)


def test_a_finished_run_does_nothing(command, trained, tmp_path):
    run = shutil.copytree(trained.model_dir, tmp_path / "run")
    before = fingerprint(run)
    code, out, err = command("train", f"--model_dir={run}", f"--flagfile={run}/flags.flags")
    assert code == 0 and out.startswith(f"{run}: step 60, best validation sequence accuracy")
    assert err == f"{run}: finished at step 60; nothing to do\n"
    assert fingerprint(run) == before


def test_a_dataset_too_small_for_validation_trains(command, trained, tmp_path):
    # Every tenth name is held out; these few all stay in train.
    keep = [i for i, name in enumerate(trained.examples.names) if not held_out(name)]
    npz.save(str(tmp_path / "train.npz"), select(trained.examples, keep))
    run = f"--model_dir={tmp_path / 'run'}"
    flags = [f"--flagfile={trained.model_dir}/flags.flags", f"--data_dir={tmp_path}", "--steps=3"]
    code, out, err = command("train", run, *flags)
    assert (code, out) == (0, f"{tmp_path / 'run'}: step 3\n") and "no validation" in err
    code, out, _ = command("evaluate", run, "--split=train", "--json")
    assert code == 0 and strict(out)["examples"] == len(keep)


def test_more_steps_continue_a_moved_run(command, trained, tmp_path):
    moved = shutil.copytree(trained.model_dir, tmp_path / "elsewhere")
    flags = [f"--flagfile={moved}/flags.flags", "--steps=61", "--save_every=1"]
    code, out, err = command("train", f"--model_dir={moved}", *flags)
    assert code == 0 and "step 61" in out and "step 60" in err
    assert [row["step"] for row in metrics_of(moved)] == [30, 60, 61]


# -- evaluate --------------------------------------------------------------------------------------


def test_evaluate_prints_one_strict_object(command, trained):
    code, out, _ = command("evaluate", f"--model_dir={trained.model_dir}", "--json")
    assert code == 0 and out.count("\n") == 1
    result = strict(out)
    assert list(result) == KEYS
    assert list(result["task_accuracy"]) == list(result["task_cross_entropy"]) == TASKS
    assert (result["dataset"], result["split"], result["examples"]) == ("npz", "test", 7)
    for name in ("sequence_accuracy", "character_accuracy", "coverage_at_98"):
        assert result[name] == 1.0
    # The objective of the run is the plain sum.
    total = sum(result["task_cross_entropy"].values())
    np.testing.assert_allclose(result["cost"], total, rtol=1e-6)


def test_evaluate_prints_a_table(command, trained):
    flags = ["--split=train", "--checkpoint=last", "--count=3"]
    code, out, _ = command("evaluate", f"--model_dir={trained.model_dir}", *flags)
    assert code == 0 and out.startswith("npz, train, step 60\n")
    assert re.search(r"^examples +3$", out, re.MULTILINE)
    assert re.search(r"^sequence accuracy +100.00%", out, re.MULTILINE)


def test_evaluate_on_another_dataset(command, trained):
    flags = ["--dataset=synthetic", "--count=9", "--json"]
    code, out, _ = command("evaluate", f"--model_dir={trained.model_dir}", *flags)
    result = strict(out)
    assert code == 0 and (result["dataset"], result["examples"]) == ("synthetic", 9)


def test_evaluate_takes_the_path_of_a_checkpoint(command, trained):
    path = os.path.join(trained.model_dir, "model.ckpt-30")
    flags = [f"--checkpoint={path}", "--json"]
    code, out, _ = command("evaluate", f"--model_dir={trained.model_dir}", *flags)
    assert code == 0 and strict(out)["step"] == 30


# -- predict ---------------------------------------------------------------------------------------


def test_predict_answers_in_the_order_given(command, trained, image_files):
    order = [3, 0, 4, 2, 0, 5, 6, 1]
    files = [image_files[i] for i in order]
    code, out, err = command("predict", f"--model_dir={trained.model_dir}", "--json", *files)
    assert (code, err) == (0, "")
    results = [strict(line) for line in out.splitlines()]
    assert [result["file"] for result in results] == files
    numbers = [trained.examples.numbers[i] for i in order]
    expected = [None if len(number) > 5 else number for number in numbers]
    assert [result["number"] for result in results] == expected
    for result in results:
        assert list(result) == ["file", "number", "confidence", "length", "digits"]
        rows = [result["length"], *result["digits"]]
        assert [len(row) for row in rows] == [task.outputs for task in tasks.NUMBER_TASKS]
        np.testing.assert_allclose([sum(row) for row in rows], 1.0, atol=1e-5)
        # The confidence multiplies the length and its digits; later positions do not count.
        count = tasks.LENGTH_X if result["number"] is None else len(result["number"])
        best = [max(row[:10]) for row in result["digits"][: min(count, 5)]]
        confidence = result["length"][count] * np.prod(best)
        np.testing.assert_allclose(result["confidence"], confidence, rtol=1e-5)


def test_predict_prints_one_line_an_image(command, trained, image_files):
    files = image_files[1], f"--model_dir={trained.model_dir}", image_files[2], image_files[4]
    code, out, _ = command("predict", *files)
    assert code == 0
    pattern = r"(.+\.png)  (.+)  (0\.\d{3}|1\.000)"
    shown = [re.fullmatch(pattern, line).groups()[:2] for line in out.splitlines()]
    assert shown == [
        (image_files[1], "210"),
        (image_files[2], "no number"),
        (image_files[4], "more than 5 digits"),
    ]


def test_evaluate_on_a_folder_agrees_with_predict(command, trained, image_files, tmp_path):
    # Both take the whole image as the window.
    test = tmp_path / "test"
    test.mkdir()
    lines = ["file,label"]
    for i, (path, number) in enumerate(zip(image_files, trained.examples.numbers)):
        shutil.copy(path, test / f"{i}.png")
        lines.append(f"{i}.png,{number}")
    (test / "labels.csv").write_text("\n".join(lines) + "\n")
    flags = ["--dataset=folder", f"--data_dir={tmp_path}", "--json"]
    code, out, _ = command("evaluate", f"--model_dir={trained.model_dir}", *flags)
    assert code == 0 and strict(out)["sequence_accuracy"] == 1.0


# -- as processes ----------------------------------------------------------------------------------


def test_a_process_writes_only_its_result_to_stdout(trained, image_files):
    arguments = ["predict", f"--model_dir={trained.model_dir}", "--json", image_files[0]]
    environment = {key: os.environ[key] for key in os.environ if key != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "mtl", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert strict(done.stdout)["number"] == "7"


def test_a_process_saves_on_sigterm_and_exits_143(trained, tmp_path):
    run = tmp_path / "run"
    flags = [f"--model_dir={run}", f"--flagfile={trained.model_dir}/flags.flags", "--log_every=1"]
    # Progress lines in a pipe, and an end in case the signal is lost.
    flags += ["--verbosity=1", "--steps=3000"]
    command, pipe = [sys.executable, "-m", "mtl", "train", *flags], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        for line in process.stderr:
            if line.startswith("step 5/"):
                process.send_signal(signal.SIGTERM)
                break
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "") and "Traceback" not in err
    last = err.splitlines()[-1]
    step = int(re.search(r"saved at step (\d+)", last)[1])
    assert last.startswith("mtl train: ") and step >= 5
    assert os.path.exists(run / f"model.ckpt-{step}.index")
