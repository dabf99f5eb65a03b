"""`mtl evaluate` with a fake network; a trained one is evaluated in tests/end_to_end."""

import csv
import json
import shlex
import sys

import numpy as np
import pytest
from html_check import tree
from PIL import Image

from mtl import config, run_files, tasks
from mtl.data import batches, npz
from mtl.data.drawn import synthetic
from mtl.data.examples import of_numbers
from mtl.inference.network import Network
from mtl.inputs import NUMBERS, Inputs


@pytest.mark.parametrize(
    "flag, named",
    [
        ("--split=tset", "split"),
        ("--dataset=mnist", "--dataset=mnist must be one of"),
        ("--count=0", "count"),
        ("--views=3", "--views=3 must be one of 1, 2, 4"),
        ("--difficulty=2", "--difficulty=2.0 must be from 0 to 1"),
        ("--json=perhaps", "json"),
        ("extra", "'extra'"),
    ],
)
def test_bad_flag_is_named(refused, flag, named):
    assert named in refused(1, "evaluate", "--model_dir=x", flag)


def test_model_dir_is_required(refused):
    assert "--model_dir" in refused(1, "evaluate")


@pytest.mark.parametrize("flag", ["--data_dir=photos", "--split=extra"])
def test_synthetic_has_no_folder_and_no_extra(refused, flag):
    assert flag in refused(1, "evaluate", "--model_dir=x", "--dataset=synthetic", flag)


def test_missing_run_is_named(refused, tmp_path):
    run = tmp_path / "nowhere"
    assert str(run) in refused(2, "evaluate", f"--model_dir={run}")


# -- flags that follow the run ---------------------------------------------------------------------


@pytest.fixture
def trained_with(monkeypatch):
    """Return a function (**fields): the run directory then has this Config."""

    def set_config(**fields):
        run = config.Config(**fields)
        monkeypatch.setattr(run_files, "read_config", lambda model_dir: run)

    return set_config


@pytest.fixture
def five(network, trained_with, tmp_path):
    """Return flags that evaluate the fake on five images, of which it reads two wrong."""
    trained_with()
    images = np.zeros((5, *NUMBERS.shape), np.uint8)
    images[..., 0] = np.array([7, 12, 210, 99, 3])[:, None, None]
    folder = tmp_path / "data"
    folder.mkdir()
    numbers = ["7", "17", "210", "9", "3"]
    npz.save(str(folder / "validation.npz"), of_numbers(images, numbers, list("abcde")))
    return ["--model_dir=run", "--dataset=npz", f"--data_dir={folder}", "--split=validation"]


@pytest.mark.parametrize(
    "run_views, flags, expected",
    [(1, [], 1), (4, [], 4), (4, ["--views=1"], 1), (1, ["--views=2"], 2)],
)
def test_views_follow_the_run_unless_given(
    five, network, command, trained_with, run_views, flags, expected
):
    trained_with(views=run_views)
    code, out, _ = command("evaluate", *five, *flags, "--json")
    assert code == 0 and json.loads(out)["examples"] == 5
    assert [len(crops) for crops in network.seen] == [5 * expected]


@pytest.mark.parametrize("flags, expected", [([], "fp32"), (["--precision=bf16"], "bf16")])
def test_precision_is_given_to_the_network(five, network, command, monkeypatch, flags, expected):
    opened = []
    monkeypatch.setattr(Network, "open", lambda *arguments: opened.append(arguments) or network)
    assert command("evaluate", *five, *flags)[0] == 0
    assert opened == [("run", "best", expected)]


def test_unknown_precision_is_refused(refused):
    line = refused(1, "evaluate", "--model_dir=run", "--precision=fp8")
    assert "--precision" in line and "fp32|bf16" in line


@pytest.mark.parametrize("value", ["0", "-2", "nan", "inf"])
def test_bad_temperature_is_named(refused, value):
    assert "--temperature" in refused(1, "evaluate", "--model_dir=run", f"--temperature={value}")


@pytest.mark.slow
def test_temperature_changes_confidences_and_keeps_the_cost(five, network, command, tmp_path):
    results, errors = [], []
    for run_temperature, flags in [(1.0, []), (0.5, []), (0.5, ["--temperature=1"])]:
        network.temperature = run_temperature
        report = tmp_path / "report"
        code, out, _ = command("evaluate", *five, *flags, "--json", f"--report={report}")
        assert code == 0
        results.append(json.loads(out))
        errors.append((report / "reliability.csv").read_text())
    assert results[0] == results[2]
    assert errors[0] == errors[2] != errors[1]
    assert results[0]["cost"] == results[1]["cost"]
    assert results[0]["task_cross_entropy"] == results[1]["task_cross_entropy"]


@pytest.mark.parametrize(
    "flags, style, difficulty",
    [
        ([], "written", 0.75),
        (["--style=houses"], "houses", 0.75),
        (["--difficulty=0"], "written", 0.0),
    ],
)
def test_style_and_difficulty_follow_the_run_unless_given(
    network, command, trained_with, flags, style, difficulty
):
    trained_with(style="written", difficulty=0.75)
    assert command("evaluate", "--model_dir=pretrained", "--count=3", *flags)[0] == 0
    drawn = synthetic.load("", "test", count=3, style=style, difficulty=difficulty)
    np.testing.assert_array_equal(network.seen[0], batches.centre_crop(drawn.inputs))


# -- the report ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_report_holds_the_printed_metrics(five, command, tmp_path):
    directory = tmp_path / "reports" / "first"
    code, out, err = command("evaluate", *five, "--json", f"--report={directory}")
    assert (code, err) == (0, "")
    assert json.loads(out)["sequence_accuracy"] == 0.6
    assert (directory / "metrics.json").read_text() == out
    rows = list(csv.reader((directory / "mistakes.csv").read_text().splitlines()))
    assert [row[:3] for row in rows[1:]] == [["b", "17", "12"], ["d", "9", "99"]]
    assert [float(row[3]) for row in rows[1:]] == pytest.approx([0.9**3] * 2)
    assert {path.suffix for path in directory.iterdir()} == {".csv", ".json", ".png", ".html"}
    assert command("evaluate", *five)[1].startswith("npz, validation, step 30\n")


def page_of(directory):
    return tree((directory / "index.html").read_text(encoding="utf-8"))


@pytest.fixture
def damaged_run(tmp_path, monkeypatch):
    """Write a run directory `run` with a damaged last line of metrics; go to its parent."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    (run / "flags.flags").write_text("--bottom=mlp\n")
    (run / "versions.json").write_text('{"numpy": "0.1"}')
    rows = [{"step": step, "sequence_accuracy": 0.25} for step in (10, 30)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run / "metrics.jsonl").write_text(text + "[")


@pytest.mark.slow
def test_page_describes_the_run(damaged_run, five, command, tmp_path):
    code, _, err = command("evaluate", *five, "--report=report")
    assert (code, err) == (0, "")
    page = page_of(tmp_path / "report")
    assert page.one("h1").text == "run on npz, validation, step 30"
    assert "60.00%" in page.one("header").text
    run = page.one("section", id="run")
    assert run.one("pre").text == "--bottom=mlp"
    assert "metrics.jsonl, line 3, is damaged" in run.text
    assert "0.1" in run.one("table").text
    curve = page.one("section", id="training").all("table")[0].rows()[1:]
    assert [row[:2] for row in curve] == [["10", "25.00%"], ["30", "25.00%"]]


@pytest.mark.slow
def test_command_on_the_page_repeats_the_report(damaged_run, five, command, tmp_path):
    assert command("evaluate", *five, "--report=a b")[0] == 0
    directory = tmp_path / "a b"
    evaluate, train = [pre.text for pre in page_of(directory).one("section", id="again").all("pre")]
    assert train == "mtl train --flagfile=run/flags.flags --model_dir=runs/again"
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    # A shell joins lines at a backslash.
    program, *arguments = shlex.split(evaluate.replace("\\ ", ""))
    assert program == "mtl" and command(*arguments)[0] == 0
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.slow
def test_page_of_the_packaged_network_lists_what_is_missing(network, command, tmp_path):
    flags = ["--model_dir=pretrained", "--count=3", "--views=1"]
    assert command("evaluate", *flags, f"--report={tmp_path / 'report'}")[0] == 0
    page = page_of(tmp_path / "report")
    assert "has no metrics.jsonl" in page.text
    assert "--steps=42000" in page.one("section", id="run").one("pre").text
    assert not (tmp_path / "report" / "curves.csv").exists()


@pytest.mark.slow
def test_hostile_file_name_is_escaped(network, command, tmp_path):
    name = "<img src=x onerror=alert(1)>.png"
    (tmp_path / "test").mkdir()
    Image.new("RGB", (64, 64), (12, 0, 0)).save(tmp_path / "test" / name)
    (tmp_path / "test" / "labels.csv").write_text(f"file,label\n{name},7\n")
    flags = ["--model_dir=pretrained", "--dataset=folder", f"--data_dir={tmp_path}", "--views=1"]
    assert command("evaluate", *flags, f"--report={tmp_path / 'report'}")[0] == 0
    (image,) = page_of(tmp_path / "report").one("section", id="mistakes").all("img")
    assert name in image.attributes["alt"] and "0.729" in image.attributes["alt"]


def test_report_without_matplotlib_has_no_plots(five, command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = command("evaluate", *five, f"--report={tmp_path / 'report'}")
    assert code == 0 and err.count("\n") == 1 and "pip install 'mtl[plot]'" in err
    assert len(page_of(tmp_path / "report").all("img")) == 2


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_report_folder_is_checked_before_the_work(five, network, refused, tmp_path, path):
    (tmp_path / "file").write_text("")
    line = refused(2, "evaluate", *five, f"--report={tmp_path / path}")
    assert f"mtl evaluate: {tmp_path / 'file'}: " in line and "--report" in line
    assert network.seen == []


def test_failed_evaluation_leaves_no_report(five, refused, tmp_path):
    flags = [*five[:-1], "--split=test", f"--report={tmp_path / 'report'}"]
    assert "npz" in refused(2, "evaluate", *flags)
    assert not (tmp_path / "report").exists()


# -- your own tasks --------------------------------------------------------------------------------


class OwnNetwork:
    """A network of two tasks that gives the first feature as class and as value."""

    config = config.Config(tasks="kind:3,height:real", dataset="npz", data_dir="none")
    tasks, inputs = tasks.parse("kind:3,height:real"), Inputs((4,), 0, "float32")
    step, temperature = 30, 1.0

    def outputs(self, features):
        rows = np.full((len(features), 3), np.log(0.1), np.float32)
        rows[np.arange(len(features)), features[:, 0].astype(int)] = np.log(0.8)
        return {"kind": rows, "height": features[:, :1]}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass


@pytest.fixture
def own(monkeypatch, tmp_path):
    """Return flags that evaluate a network of own tasks on five examples."""
    monkeypatch.setattr(Network, "open", lambda model_dir, which, precision: OwnNetwork())
    monkeypatch.setattr(run_files, "read_config", lambda model_dir: OwnNetwork.config)
    features = np.zeros((5, 4), np.float32)
    features[:, 0] = [0, 1, 2, 1, 0]
    labels = {"kind": np.int32([0, 1, 1, -1, 0]), "height": np.float32([0, 1, 2, 2, np.nan])}
    np.savez(tmp_path / "test.npz", features=features, **labels)
    return ["--model_dir=run", f"--data_dir={tmp_path}"]


def test_own_tasks_have_a_table_and_json(own, command):
    code, out, err = command("evaluate", *own)
    assert (code, err) == (0, "")
    assert out.startswith("npz, test, step 30\nexamples            5\n")
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    assert "75.00%" in rows["kind"] and "0.2500" in rows["height"]
    code, out, err = command("evaluate", *own, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    head = {"dataset": "npz", "split": "test", "examples": 5, "step": 30, "exact_match": None}
    assert dict(list(found.items())[:5]) == head
    assert found["tasks"]["kind"]["accuracy"] == 0.75
    assert found["tasks"]["height"]["examples"] == 4
    assert found["tasks"]["height"]["mae"] == 0.25


def test_report_of_own_tasks(own, command, tmp_path):
    directory = tmp_path / "report"
    code, out, err = command("evaluate", *own, "--json", f"--report={directory}")
    assert (code, err) == (0, "")
    assert (directory / "metrics.json").read_text() == out
    assert "height" in page_of(directory).text


@pytest.mark.parametrize("flag", ["--views=4", "--temperature=0.5"])
def test_flags_of_numbers_are_refused_for_own_tasks(own, refused, flag):
    line = refused(1, "evaluate", *own, flag)
    assert f"{flag} applies only to numbers, but run has other tasks; remove the flag" in line


def test_dataset_that_has_only_numbers_is_refused_for_own_tasks(own, refused):
    line = refused(2, "evaluate", "--model_dir=run", "--dataset=synthetic")
    assert "has only numbers, not the tasks kind:3,height:real" in line


def test_other_inputs_than_those_of_the_run_are_refused(own, refused, tmp_path):
    np.savez(tmp_path / "test.npz", features=np.zeros((2, 7), np.float32), kind=np.int32([0, 1]),
             height=np.float32([1, 2]))  # fmt: skip
    line = refused(2, "evaluate", *own)
    assert "test.npz" in line and "7" in line and "4" in line
