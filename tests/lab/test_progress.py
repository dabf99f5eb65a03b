"""The lines of a comparison while it runs."""

import pytest

from mtl.lab import progress, work
from mtl.lab.work import Ended, Job
from tests.lab import made

ENDED = Ended(0, "", 30.0, 5.0, 2)


class Terminal:
    """A Progress of four runs, with the lines that it wrote."""

    def __init__(self, folder, parallel=2):
        self.now, self.lines, self.states = 0.0, [], []
        self.folder = folder
        self.runs = {run.name: run for run in made.runs({"seed": [0, 1, 2, 3]})}
        self.jobs = [Job(name, []) for name in self.runs]
        self.progress = progress.Progress(
            str(folder),
            self.runs,
            parallel,
            self.lines.append,
            self.states.append,
            lambda: self.now,
        )

    def log(self, index, text):
        (self.folder / f"{self.jobs[index].name}.log").write_text(text)


@pytest.fixture
def terminal(tmp_path):
    return Terminal(tmp_path)


def test_each_ended_run_is_a_line(terminal):
    name = terminal.jobs[0].name
    folder = terminal.folder / name
    folder.mkdir()
    folder.joinpath("metrics.jsonl").write_text('{"step": 4, "score": 0.75}\n')
    terminal.progress.ended(terminal.jobs[0], ENDED)
    failed = ENDED._replace(code=3, error="mtl train: nan", seconds=3700.0)
    terminal.progress.ended(terminal.jobs[1], failed)
    assert terminal.lines == [
        f"1/4  {name}  best validation score 0.75 at step 4  (0:30)",
        f"2/4  {terminal.jobs[1].name}  exit code 3: mtl train: nan  (1:01:40)",
    ]


def test_runs_that_were_finished_before_count(tmp_path):
    first = Terminal(tmp_path)
    work.write_json(str(tmp_path / f"{first.jobs[0].name}.json"), ENDED._asdict())
    work.write_json(str(tmp_path / f"{first.jobs[1].name}.json"), {**ENDED._asdict(), "code": 143})
    again = Terminal(tmp_path)
    again.progress.ended(again.jobs[2], ENDED)
    assert again.lines[0].startswith("2/4  ")


def test_status_names_what_runs_and_has_no_time_before_a_speed_is_known(terminal):
    terminal.log(0, "step 1/100\n")
    terminal.progress.waiting([(terminal.jobs[0], 5.0), (terminal.jobs[1], 5.0)], 2)
    names = [job.name for job in terminal.jobs]
    assert terminal.states == [f"0/4 runs  {names[0]} 1%  {names[1]} 0%"]


def test_status_is_written_once_a_second(terminal):
    for now in (0.0, 0.5, 0.9, 1.1, 1.5, 2.2):
        terminal.now = now
        terminal.progress.waiting([], 1)
    assert len(terminal.states) == 3
    assert "waiting for another process" in terminal.states[0]


def test_time_left_is_that_of_all_runs_by_the_speed_so_far(terminal):
    terminal.log(0, "step 25/100\n")
    terminal.log(1, "step 50/100\n")
    terminal.progress.waiting([(terminal.jobs[0], 10.0), (terminal.jobs[1], 20.0)], 2)
    # The runs need 40 s each; 30 and 20 s are left of them, and 80 s for the others, on two.
    assert terminal.states[-1].endswith("about 1:05 left")


def test_time_left_is_at_least_that_of_the_longest_run(terminal):
    terminal.log(0, "step 10/100\n")
    terminal.progress.waiting([(terminal.jobs[0], 10.0)], 0)
    assert terminal.states[-1].endswith("about 1:30 left")


def test_a_continued_run_counts_from_where_it_continued(terminal):
    terminal.log(0, "x: continuing from step 50\nstep 75/100\n")
    terminal.progress.waiting([(terminal.jobs[0], 10.0)], 0)
    assert terminal.states[-1].endswith("75%  about 0:10 left")


def test_without_a_terminal_there_is_no_status(tmp_path):
    quiet = Terminal(tmp_path)
    quiet.progress._status = None
    quiet.progress.waiting([(quiet.jobs[0], 10.0)], 0)
    assert quiet.states == []


def test_many_running_runs_are_counted(tmp_path):
    four = Terminal(tmp_path, parallel=4)
    four.progress.waiting([(job, 1.0) for job in four.jobs], 0)
    assert four.states[0].endswith("0%  and 2 more")


@pytest.mark.parametrize("seconds, text", [(0.4, "0:00"), (61, "1:01"), (36_125, "10:02:05")])
def test_durations(seconds, text):
    assert progress.minutes(seconds) == text
