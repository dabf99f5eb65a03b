"""`mtl compare`: the grid, its folder, stopping and continuing, and bad input."""

import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from mtl.lab import work
from tests import html_check
from tests.lab.conftest import FAKE

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ["--dataset=npz", "--data_dir=data", "--tasks=a:2,h:real", "--steps=4", "--batch_size=8"]
GRID = [*DATA, "--objectives=linear,log_sum", "--seeds=2"]


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """Let processes run fake_mtl.py instead of mtl."""
    monkeypatch.setattr(work, "PROGRAM", FAKE)
    monkeypatch.setattr(work, "POLL", 0.01)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def rows(out):
    with open(out / "results.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def page(out):
    return html_check.tree((out / "index.html").read_text(encoding="utf-8"))


def starts(out):
    """Return how many processes each run has had, by name."""
    found = {}
    for path in out.glob("runs/*/starts"):
        found[path.parent.name] = len(path.read_text().splitlines())
    return found


# -- a whole comparison ----------------------------------------------------------------------------


def test_trains_the_grid_and_writes_the_page_and_the_table(command, out):
    code, stdout, stderr = command("compare", f"--out={out}", *GRID, "--jobs=2")
    assert code == 0, stderr
    lines = stdout.splitlines()
    # 0.6 or 0.7, 0.01 * seed, 10 * the default rate; t = 12.7 times 0.01 / 2.
    assert lines[1:3] == ["linear   0.6350 ± 0.0635", "log_sum  0.7350 ± 0.0635"]
    assert lines[3] == f"page: {out}/index.html"
    assert len(stderr.splitlines()) == 4, "one line for each finished run"
    assert re.match(r"1/4  linear-\w+-seed[01]  best validation score 0.6[34] at ", stderr)
    found = rows(out)
    assert [row["objective"] for row in found] == ["linear", "linear", "log_sum", "log_sum"]
    assert [row["validation_score"] for row in found] == ["0.63", "0.64", "0.73", "0.74"]
    assert page(out).one("h1").text == "Comparison: objective"


def test_first_seeds_choose_and_the_page_says_so(command, out):
    options = ["--learning_rates=1e-3,2e-3", "--choose_seeds=1", "--test"]
    code, stdout, stderr = command("compare", f"--out={out}", *GRID, *options)
    assert code == 0, stderr
    assert stdout.splitlines()[1:3] == ["linear   0.5250 ± 0.0635", "log_sum  0.6250 ± 0.0635"]
    found = [(row["learning_rate"], row["seed"], row["chosen"]) for row in rows(out)]
    assert found == 2 * [("0.001", "0", "0"), ("0.002", "0", "1"), ("0.002", "1", "1")]
    choice = page(out).one("section", id="choice").text
    assert "over the seeds 0; the others are trained only with the chosen setting" in choice
    assert "None: all runs have a result." in page(out).one("section", id="failed").text


def test_processes_share_the_cores(command, out, monkeypatch):
    from mtl import machine

    monkeypatch.setattr(machine, "cores", lambda: 7)
    command("compare", f"--out={out}", *GRID, "--jobs=2")
    threads = {path.read_text().split()[1] for path in out.glob("runs/*/starts")}
    assert threads == {"3"}
    log = next(out.glob("runs/*.log")).read_text()
    assert "--threads=3" in log and "--workers=3" in log and "--notensorboard" in log


def test_options_of_training_reach_the_runs_and_not_their_evaluation(command, out):
    options = ["--monitor_gradients", "--nogpu_memory_growth", "--test", "--seeds=1"]
    assert command("compare", f"--out={out}", *DATA, *options)[0] == 0
    for pattern, gradients in (("*-seed0.log", True), ("*.test.log", False)):
        (path,) = out.glob(f"runs/{pattern}")
        first = path.read_text().splitlines()[0]
        assert "--nogpu_memory_growth" in first
        assert ("--monitor_gradients" in first) == gradients


def test_given_threads_are_not_shared(command, out):
    command("compare", f"--out={out}", *GRID, "--jobs=2", "--threads=5")
    assert {path.read_text().split()[1] for path in out.glob("runs/*/starts")} == {"5"}


def test_repeating_the_command_trains_nothing(command, out):
    command("compare", f"--out={out}", *GRID)
    first = (out / "index.html").read_text()
    code, _, stderr = command("compare", f"--out={out}", *GRID)
    assert (code, stderr) == (0, "")
    assert set(starts(out).values()) == {1}
    assert (out / "index.html").read_text() == first


def test_another_grid_reuses_runs_and_shows_only_its_own(command, out):
    command("compare", f"--out={out}", *GRID)
    wider = [*DATA, "--objectives=log_sum,geometric", "--vary=dropout=0,0.5", "--seeds=2"]
    assert command("compare", f"--out={out}", *wider)[0] == 0
    assert len(starts(out)) == 4 + 8 - 2 and set(starts(out).values()) == {1}
    assert {row["objective"] for row in rows(out)} == {"log_sum", "geometric"}
    assert len(rows(out)) == 8


def test_validation_chooses_the_learning_rate(command, out):
    rates = ["--learning_rates=0.001,0.002", "--vary=weight_decay=0,0.1"]
    arguments = [*DATA, "--objectives=linear", *rates, "--choose=learning_rate,weight_decay"]
    code, stdout, _ = command("compare", f"--out={out}", *arguments)
    assert code == 0 and "linear  0.6200" in stdout
    chosen = [row for row in rows(out) if row["chosen"] == "1"]
    assert [(row["learning_rate"], row["weight_decay"]) for row in chosen] == [("0.002", "0.0")]
    table = page(out).one("section", id="choice").one("table").rows()
    assert [row[-1] for row in table[1:]] == ["", "", "yes", ""]


def test_single_task_networks_give_delta_m(command, out):
    objectives = "--objectives=linear,single"
    assert command("compare", f"--out={out}", *DATA, objectives, "--seeds=2")[0] == 0
    assert len(starts(out)) == 2 + 4
    table = page(out).one("section", id="results").all("table")[0].rows()
    # Accuracy 0.63 to 0.83 and RMSE 1.37 to 1.17: -24.1% and -17.1%.
    assert table[1][0] == "linear" and table[1][3].startswith("-20.5")
    assert table[2][3] == "–"


def test_flagfile_and_own_flags_reach_the_runs(command, out, tmp_path):
    (tmp_path / "f.flags").write_text("\n".join([*DATA, "--objective=linear", "--dropout=0.25"]))
    arguments = [f"--flagfile={tmp_path}/f.flags", "--objectives=log_sum,linear"]
    assert command("compare", f"--out={out}", *arguments)[0] == 0
    configs = [json.loads(path.read_text()) for path in out.glob("runs/*/config.json")]
    assert {config["dropout"] for config in configs} == {"0.25"}
    assert {config.get("objective", "log_sum") for config in configs} == {"linear", "log_sum"}


def test_seeds_start_at_the_seed(command, out):
    command("compare", f"--out={out}", *DATA, "--seeds=2", "--seed=5")
    assert [row["seed"] for row in rows(out)] == ["5", "6"]


# -- test ------------------------------------------------------------------------------------------


def test_test_is_evaluated_for_the_chosen_settings_once(command, out):
    rates = "--learning_rates=0.001,0.002"
    command("compare", f"--out={out}", *GRID, rates)
    assert not list(out.glob("runs/*.test.*"))
    assert "has not been used" in page(out).one("section", id="choice").text
    code, stdout, _ = command("compare", f"--out={out}", *GRID, rates, "--test")
    assert code == 0
    assert stdout.splitlines()[0].startswith("score on test")
    assert "linear   0.5250" in stdout  # 0.1 below validation
    assert len(list(out.glob("runs/*.test.json"))) == 4
    _, _, stderr = command("compare", f"--out={out}", *GRID, rates, "--test")
    assert stderr == ""
    assert "4 runs of this folder have been evaluated" in page(out).one("section", id="choice").text


# -- failures --------------------------------------------------------------------------------------


def test_a_run_that_fails_is_a_row_that_says_why(command, out):
    rates = "--learning_rates=0.001,0.9"
    code, stdout, stderr = command("compare", f"--out={out}", *GRID, rates)
    assert code == 0
    assert "exit code 3: mtl train: task a: loss is nan at step 2" in stderr
    assert "4 of 8 runs have no result: linear-" in stdout
    failed = [row for row in rows(out) if row["exit_code"] == "3"]
    assert len(failed) == 4 and "loss is nan" in failed[0]["error"]
    table = page(out).one("section", id="failed").one("table").rows()
    assert len(table) == 5 and "loss is nan" in table[1][1]


def test_if_all_runs_fail_the_exit_code_is_theirs(command, out):
    code, stdout, _ = command("compare", f"--out={out}", *GRID, "--learning_rate=0.9")
    assert code == 3 and "4 of 4 runs have no result" in stdout
    assert "No variant has a curve" in page(out).one("section", id="training").text


# -- stop and continue -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_runs_and_the_same_command_continues(command, out, signum, code):
    arguments = ["compare", f"--out={out}", *GRID, "--steps=77", "--jobs=2"]
    program = (
        "import sys; from mtl.lab import work; "
        f"work.PROGRAM = {work.PROGRAM!r}; from mtl.cli.main import run; sys.exit(run())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while sum("HERE" in path.read_text() for path in out.glob("runs/*.log")) < 2:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.02)
    os.kill(process.pid, signum)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, "")
    assert stderr.splitlines()[-1] == (
        f"mtl compare: {out}: stopped with 0 of 4 runs finished, the others saved; "
        "the same command continues"
    )
    assert [path.read_text() for path in out.glob("runs/*/signalled")] == [f"{signum.value}\n"] * 2
    assert len(rows(out)) == 4, "the page shows what there is"
    # The fake waits only in the first process of a run.
    for name in {row["run"] for row in rows(out)} - set(starts(out)):
        (out / "runs" / name).mkdir()
        (out / "runs" / name / "starts").write_text("0 0\n")
    assert command(*arguments)[0] == 0
    assert set(starts(out).values()) == {2}


# -- the status line -------------------------------------------------------------------------------


def test_terminal_has_a_status_line_that_is_gone_at_the_end(command, out, terminal):
    shown = terminal()
    assert command("compare", f"--out={out}", *GRID)[0] == 0
    states = re.findall(r"\r\x1b\[K([^\r\n]*)", shown.getvalue())
    assert states[0].startswith("0/4 runs  linear-") and len(states[0]) == 29
    kept = re.sub(r"[^\n]*\r\x1b\[K", "", shown.getvalue())
    assert [line[:4] for line in kept.splitlines()] == ["1/4 ", "2/4 ", "3/4 ", "4/4 "]


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, parts",
    [
        ([], ["nothing to compare; give --objectives=linear,log_sum"]),
        (["--objectives=linear,linaer"], ["linaer", "did you mean linear?"]),
        (["--objectives=,"], ["objective="]),
        (["--objectives=list"], ["mtl train --objective=list prints all of them"]),
        (["--objectives=linear,linear"], ["given twice"]),
        (["--vary=label_smothing=0,0.1"], ["did you mean label_smoothing?"]),
        (["--vary=label_smoothing=0,2"], ["label_smoothing=2", "from 0 to 1"]),
        (["--vary=label_smoothing="], ["no values for label_smoothing"]),
        (["--vary=steps=1,x"], ["steps=x"]),
        (["--vary=steps"], ["has no values"]),
        (["--objectives=linear", "--vary=objective=log_sum"], ["objective are given twice"]),
        (["--learning_rates=0.1,0"], ["learning_rate=0", "above 0"]),
        (["--learning_rates=0.1,0.10"], ["given twice"]),
        (["--learning_rates=nan"], ["learning_rate=nan"]),
        (
            ["--objectives=linear", "--vary=task_weights=1,2"],
            ["has 1 weight;", "separate values that contain commas by"],
        ),
        (["--objectives=linear", "--seeds=0"], ["seeds"]),
        (["--objectives=linear", "--choose_seeds=-1"], ["choose_seeds"]),
        (["--objectives=linear", "--seeds=x"], ["seeds"]),
        (["--objectives=linear", "--jobs=0"], ["jobs"]),
        (["--vary=seed=1,2", "--seeds=2"], ["--seeds and --vary=seed"]),
        (["--objectives=linear", "--choose=dropout"], ["--choose=dropout", "--vary=dropout="]),
        (["--objectives=linear", "--dataset=svhn"], ["--dataset=svhn has only numbers"]),
        (["--objectives=linear", "--clip_min=1e-6"], ["clip_min=1e-06 has no effect"]),
        (["--objectives=linear,answer"], ["objective=answer", "log_sum"]),
        (["--objectives=linear", "--stepps=3"], ["did you mean --steps?"]),
        (["--objectives=linear", "extra"], ["unexpected argument 'extra'"]),
    ],
)
def test_bad_flags_are_one_line_and_nothing_is_written(refused, out, arguments, parts):
    line = refused(1, "compare", f"--out={out}", *DATA, *arguments)
    for part in parts:
        assert part in line, line
    assert not out.exists()


def test_a_wrong_value_is_named_once(refused, out):
    line = refused(1, "compare", f"--out={out}", *DATA, "--objectives=linear,PCGrad")
    assert line.startswith("mtl compare: objective=PCGrad is unknown; did you mean pcgrad?")


def test_wrong_data_is_one_line_before_the_other_runs(refused, out):
    line = refused(2, "compare", f"--out={out}", *GRID, "--clip_norm=9")
    assert "data: no such file; choose another" in line
    assert len(starts(out)) == 1


def test_out_is_required(refused):
    assert "--out is required" in refused(1, "compare", *GRID)


def test_out_must_be_a_folder(refused, tmp_path):
    (tmp_path / "x").write_text("mine")
    assert "is not a folder" in refused(1, "compare", f"--out={tmp_path}/x", *GRID)
    assert "is not a folder" in refused(1, "compare", f"--out={tmp_path}/x/y", *GRID)
    assert (tmp_path / "x").read_text() == "mine"


def test_out_that_holds_something_else_is_not_touched(refused, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    line = refused(1, "compare", f"--out={tmp_path}", *GRID)
    assert "holds thesis.tex, and is not a comparison" in line
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_two_comparisons_in_one_folder_are_refused(command, refused, out):
    from mtl.lab import comparison, lock

    command("compare", f"--out={out}", *GRID)
    with lock.held(str(out / comparison.LOCK)) as free:
        assert free
        assert "another comparison runs here" in refused(1, "compare", f"--out={out}", *GRID)


def test_only_check_args_reads_and_writes_nothing(command, out):
    assert command("compare", f"--out={out}", *GRID, "--only_check_args") == (0, "", "")
    assert not out.exists()


def test_the_process_of_a_comparison_imports_no_tensorflow():
    # Its memory would count as that of the processes that it starts.
    program = (
        "import sys; from mtl.cli import compare; from mtl.lab import comparison, progress; "
        "print({'tensorflow', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
