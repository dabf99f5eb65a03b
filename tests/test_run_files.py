"""The text files of a run directory, and the directories in which a run may begin or continue."""

import dataclasses
import json
import math
import os

import pytest

from helpers import one_line, touch
from mtl import checkpoint, config, inputs, run_files, tasks
from mtl.errors import DataError

ROWS = [{"step": step, "sequence_accuracy": step / 100} for step in (10, 20, 30)]
DATA_20 = "model.ckpt-20.data-00000-of-00001"
DATA_40 = "model.ckpt-40.data-00000-of-00001"
NESTED = 100_000  # deeper than the JSON parser can follow


def fill(directory, names):
    """Create files that contain their own names; config.json is the record of a run."""
    for name in names:
        touch(str(directory / name))
        (directory / name).write_text(name)
    if "config.json" in names:
        (directory / "config.json").write_text(json.dumps({"config": {}}))


def contents(directory):
    """Return the content and time of modification of each file."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# -- check_directory -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["lock"],
        ["notes.txt", "train.log"],
        ["lock", "config.json.tmp"],
        ["events.out.tfevents.1.host"],
        ["vectors.index"],
        ["config.json"],
        ["config.json", "flags.flags", "versions.json"],  # killed before the first save
        ["config.json", DATA_20],  # killed during the first save
        ["config.json", "metrics.jsonl", "checkpoint", "best/x", "model.ckpt-40.index"],
        ["config.json", "model.ckpt-40.index"],
    ],
)
def test_run_may_use_an_empty_directory_or_its_own(tmp_path, names):
    fill(tmp_path, names)
    run_files.check_directory(str(tmp_path))


def test_run_may_use_a_missing_directory(tmp_path):
    run_files.check_directory(str(tmp_path / "missing"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "names",
    [
        ["checkpoint", "model.ckpt-100.index", "model.ckpt-100.data-00000-of-00001"],
        ["checkpoint"],
        ["best/x"],
        ["flags.flags"],
        ["versions.json"],
        ["metrics.jsonl"],
        ["monitor.json"],
        ["ckpt-7.index"],
        ["model-7.meta"],
        ["weights.data-00001-of-00002"],
    ],
)
def test_directory_of_another_program_is_refused_and_not_changed(tmp_path, names):
    fill(tmp_path, names)
    before = contents(tmp_path)
    with pytest.raises(DataError) as error:
        run_files.check_directory(str(tmp_path))
    what = f"holds {names[0].split('/')[0]} but no config.json"
    one_line(error, tmp_path, what, "not a run of mtl", "choose another --model_dir")
    assert contents(tmp_path) == before


def test_config_of_another_program_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError) as error:
        run_files.check_directory(str(tmp_path))
    what = "not the record of a run of mtl"
    one_line(error, tmp_path / "config.json", what, "choose another --model_dir")


@pytest.mark.parametrize(
    "names, signs",
    [
        (["metrics.jsonl"], "metrics.jsonl"),
        (["checkpoint"], "checkpoint"),
        (["best/model.ckpt-20.index"], "best/"),
        (["checkpoint", "best/x", "metrics.jsonl", DATA_20], "checkpoint, metrics.jsonl, best/"),
        ([DATA_20, DATA_40], DATA_20),
    ],
)
def test_run_that_lost_its_checkpoints_is_refused_and_not_changed(tmp_path, names, signs):
    fill(tmp_path, ["config.json", *names])
    before = contents(tmp_path)
    with pytest.raises(DataError) as error:
        run_files.check_directory(str(tmp_path))
    what = f"{signs} show that steps were saved"
    one_line(error, tmp_path, what, "restore model.ckpt-* from a copy")
    assert contents(tmp_path) == before


# -- write_records ---------------------------------------------------------------------------------


def test_writes_texts_and_all_metrics(tmp_path):
    run = tmp_path / "a" / "run"
    rows = [
        {"step": 4, "sequence_accuracy": 0.25, "cost": None},
        {"step": 8, "sequence_accuracy": 0.5, "cost": -1.5},
    ]
    texts = {"config.json": "{}\n", "flags.flags": "--größe=1\n"}
    for metrics in (rows, rows[:1]):
        run_files.write_records(str(run), texts, metrics)
        lines = (run / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == metrics
        texts = {}  # the second call leaves them as they are
    assert sorted(os.listdir(run)) == ["config.json", "flags.flags", "metrics.jsonl"]
    assert (run / "config.json").read_text() == "{}\n"
    assert (run / "flags.flags").read_text(encoding="utf-8") == "--größe=1\n"


class FullDisk:
    """A file that takes half of what is written."""

    def __init__(self, path, *args, **options):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text[: len(text) // 2])
        raise OSError(28, "No space left on device")


def fail_to_replace(source, target):
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("moment", ["write", "replace"])
def test_failed_write_keeps_the_old_text(tmp_path, monkeypatch, moment):
    run_files.write_records(str(tmp_path), {"config.json": "old\n"}, [])
    if moment == "write":
        monkeypatch.setattr(checkpoint, "open", FullDisk, raising=False)
    else:
        monkeypatch.setattr(checkpoint.os, "replace", fail_to_replace)
    with pytest.raises(DataError) as error:
        run_files.write_records(str(tmp_path), {"config.json": "new and longer\n"}, [])
    monkeypatch.undo()
    one_line(error, tmp_path, "cannot be written")
    assert (tmp_path / "config.json").read_text() == "old\n"


def test_records_are_not_written_over_a_file(tmp_path):
    touch(str(tmp_path / "file"))
    with pytest.raises(DataError) as error:
        run_files.write_records(str(tmp_path / "file"), {"config.json": "{}"}, [])
    one_line(error, tmp_path / "file", "cannot be written")


# -- read_config -----------------------------------------------------------------------------------


def written(tmp_path, run, **changed):
    """Write the config.json of a Run, with changes."""
    record = {"config": dataclasses.asdict(run.config), **run_files.to_json(run), **changed}
    run_files.write_records(str(tmp_path), {"config.json": json.dumps(record)}, [])


def test_reads_the_run_that_was_written(tmp_path):
    record = config.Config(bottom="mlp", steps=7, learning_rate=0.5, data_dir="dätä")
    run = run_files.Run(record, tasks.NUMBER_TASKS, inputs.NUMBERS)
    written(tmp_path, run)
    assert run_files.read(str(tmp_path)) == run
    assert run_files.read_config(str(tmp_path)) == record


OWN = config.Config(tasks="a:3,b:real", dataset="table", bottom="mlp")


def own_run():
    """Return the Run of two tasks on a table of two features."""
    scaled = tasks.parse(OWN.tasks)[1]._replace(mean=17.1, std=0.1)
    features = inputs.Inputs((2,), 0, "float32", ("x", "y"), (0.1, 2.0), (1.0, 0.3))
    return run_files.Run(OWN, (tasks.Task("a", 3), scaled), features)


def test_reads_own_tasks_with_their_scales_and_inputs(tmp_path):
    written(tmp_path, own_run())
    assert run_files.read(str(tmp_path)) == own_run()


def test_reads_the_image_sizes_of_earlier_versions(tmp_path):
    image = {"window": 48, "crop": 40, "channels": 1}
    (tmp_path / "config.json").write_text(json.dumps({"config": {}, "image": image}))
    assert run_files.read(str(tmp_path)).inputs == inputs.Inputs((48, 48, 1), 40)


@pytest.mark.parametrize("objective", ["answer", "linear", "log_sum"])
def test_runs_of_earlier_versions_have_the_cost_that_they_had(tmp_path, objective):
    record = dataclasses.asdict(config.Config(objective=objective))
    for name in ("objective_options", "task_weights", "clip_min", "clip_max"):
        del record[name]
    (tmp_path / "config.json").write_text(json.dumps({"config": record}))
    held = run_files.read_config(str(tmp_path))
    assert held == config.Config(objective=objective)
    assert (held.clip_min, held.clip_max, held.task_weights) == (1e-37, 1e37, "")
    assert run_files.differences(held, config.Config(objective=objective)) == []


@pytest.mark.parametrize("record, steps", [({}, 0), ({"warmup_steps": 7}, 7)])
def test_runs_of_earlier_versions_have_no_warmup(tmp_path, record, steps):
    (tmp_path / "config.json").write_text(json.dumps({"config": record}))
    assert run_files.read_config(str(tmp_path)).warmup_steps == steps


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"tasks": [["a", 4], ["b", "real"]]}, '"tasks" is [["a", 4], ["b", "real"]]'),
        ({"scales": {"b": {"mean": 1.0, "std": 0.0}}}, "task b has mean=1.0 and std=0.0"),
        ({"scales": {"b": {"colour": 1.0}}}, "colour"),
        ({"scales": []}, "not the record of a run"),
        ({"inputs": {"shape": [2, 3]}}, "inputs of shape [2, 3]"),
        ({"inputs": {"shape": [2, 3, 1], "crop": 3}}, "--crop=3 does not fit"),
        ({"inputs": {"shape": [2], "crop": 0, "dtype": "float64"}}, "type float64"),
        ({"inputs": {"shape": [2], "crop": 0, "dtype": "float32", "mean": [1.0]}}, "1 mean"),
        ({"inputs": {"size": 3}}, "size"),
    ],
)
def test_a_record_that_no_network_fits_is_refused(tmp_path, changed, message):
    written(tmp_path, own_run(), **changed)
    with pytest.raises(DataError) as error:
        run_files.read(str(tmp_path))
    one_line(error, tmp_path / "config.json", "not the record of a run", message)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"config": null}',
        b'{"config": []}',
        b'{"config": "x"}',
        b'{"config": {"steps": "many"}}',
        b'{"config": {"colour": 1}}',
        b'{"config": {"steps": 1',
        b"\xff\xfe\x00",
        pytest.param(b"[" * NESTED, id="nested"),
    ],
)
def test_damaged_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DataError) as error:
        run_files.read_config(str(tmp_path))
    one_line(error, tmp_path / "config.json", "not the record of a run")


def test_missing_config_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        run_files.read_config(str(tmp_path))
    one_line(error, tmp_path / "config.json", "no such file", "mtl train --model_dir=")


def test_config_that_is_a_folder_is_refused(tmp_path):
    os.mkdir(tmp_path / "config.json")
    with pytest.raises(DataError) as error:
        run_files.read_config(str(tmp_path))
    what = "cannot be read (not a file); make it a readable file"
    one_line(error, tmp_path / "config.json", what)


# -- temperature -----------------------------------------------------------------------------------


def test_reads_the_temperature(tmp_path):
    (tmp_path / "config.json").write_text('{"config": {}, "temperature": 0.437}')
    assert run_files.read(str(tmp_path)).temperature == 0.437


def test_a_run_without_a_temperature_has_1(tmp_path):
    (tmp_path / "config.json").write_text('{"config": {}}')
    assert run_files.read(str(tmp_path)).temperature == 1.0


DAMAGED = ["0", "-1", "NaN", "Infinity", '"0.5"', "null", "[1]", "true", "1e-3", "1" + "0" * 400]


@pytest.mark.parametrize("value", DAMAGED, ids=lambda value: value[:8])
def test_damaged_temperature_is_refused(tmp_path, value):
    (tmp_path / "config.json").write_text(f'{{"config": {{}}, "temperature": {value}}}')
    with pytest.raises(DataError) as error:
        run_files.read(str(tmp_path))
    one_line(error, tmp_path / "config.json", "not the record of a run")


def test_temperature_of_a_history_is_that_of_the_best_step():
    rows = [row_of(2, 0.5, 0.7), row_of(4, 0.9, 0.8), row_of(6, 0.6, 0.9)]
    assert run_files.temperature_of(rows) == 0.8


@pytest.mark.parametrize("damaged", [None, "0.5", math.nan, math.inf, 0, -1, True, 10**400, [1]])
def test_the_newest_valid_temperature_replaces_a_missing_one_of_the_best_step(damaged):
    rows = [row_of(2, 0.5, 0.7), row_of(4, 0.9, damaged), row_of(6, 0.6, 0.9), row_of(8, 0.6, None)]
    assert run_files.temperature_of(rows) == 0.9
    assert run_files.temperature_of(rows[1:2]) == 1.0
    del rows[1]["temperature"]
    assert run_files.temperature_of(rows) == 0.9
    assert run_files.temperature_of([]) == 1.0


def row_of(step, accuracy, temperature):
    return {"step": step, "sequence_accuracy": accuracy, "temperature": temperature}


# -- best ------------------------------------------------------------------------------------------


def test_best_is_the_first_evaluation_of_the_highest_accuracy():
    rows = [{"step": step, "sequence_accuracy": share} for step, share in [(2, 0), (4, 1), (6, 1)]]
    assert run_files.best(rows) is rows[1]
    assert run_files.best([]) is None


# -- read_metrics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("up_to, count", [(0, 0), (9, 0), (10, 1), (29, 2), (30, 3), (1000, 3)])
def test_reads_metrics_up_to_a_step(tmp_path, up_to, count):
    run_files.write_records(str(tmp_path), {}, ROWS)
    assert run_files.read_metrics(str(tmp_path), up_to) == ROWS[:count]


@pytest.mark.parametrize(
    "end",
    [
        '{"step": 20, "sequ',
        "\x00\x00\x00",
        "7\n",
        "[]\n",
        '{"cost": 1}\n',
        '{"step": "20"}\n',
        "\n",
        pytest.param("[" * NESTED, id="nested"),
    ],
)
def test_damaged_line_ends_the_metrics(tmp_path, end):
    (tmp_path / "metrics.jsonl").write_text(json.dumps(ROWS[0]) + "\n" + end)
    assert run_files.read_metrics(str(tmp_path), 100) == ROWS[:1]


def test_run_without_metrics_has_none(tmp_path):
    assert run_files.read_metrics(str(tmp_path), 100) == []


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_metrics_that_are_not_a_file_are_refused(tmp_path, make):
    make(tmp_path / "metrics.jsonl")
    with pytest.raises(DataError) as error:
        run_files.read_metrics(str(tmp_path), 100)
    one_line(error, tmp_path / "metrics.jsonl", "cannot be read (not a file)")
