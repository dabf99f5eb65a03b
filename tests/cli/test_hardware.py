"""mtl.cli.hardware: the threads of a run, and warnings when a continued run differs in bits."""

import json

import pytest

from mtl import checkpoint, config, devices, machine, sessions
from mtl.cli import hardware
from mtl.runs import environment


@pytest.fixture
def said(monkeypatch):
    """The list of lines that are reported."""
    lines = []
    monkeypatch.setattr(hardware.console, "say", lines.append)
    return lines


def write_run(directory, threads, versions):
    record = {"config": {"threads": threads}}
    (directory / checkpoint.CONFIG).write_text(json.dumps(record))
    (directory / checkpoint.VERSIONS).write_text(json.dumps(versions))
    return str(directory)


@pytest.mark.parametrize("given, expected", [(0, 6), (2, 2)])
def test_a_new_run_takes_one_thread_for_each_core(monkeypatch, said, given, expected):
    monkeypatch.setattr(machine, "cores", lambda: 6)
    found = hardware.with_threads(config.Config(threads=given), "new", None)
    assert (found.threads, said) == (expected, [])


def test_a_continued_run_keeps_its_threads(monkeypatch, said, tmp_path):
    monkeypatch.setattr(machine, "cores", lambda: 6)
    run = write_run(tmp_path, 4, environment.versions())
    assert hardware.with_threads(config.Config(), run, "saved").threads == 4
    assert said == [f"{run}: keeps its 4 threads; this machine has 6 cores"]
    del said[:]
    assert hardware.with_threads(config.Config(threads=3), run, "saved").threads == 3
    assert said[0].startswith("warning: --threads=3, but the run began with 4")


def test_versions_that_decide_bits_are_compared(said, tmp_path):
    now = environment.versions()
    others = {**now, "numpy": "1.0", "python": "2.7"}
    run = write_run(tmp_path, 1, others)
    hardware.with_threads(config.Config(threads=1), run, "saved")
    changed = f"warning: {run} was last trained with numpy 1.0 (now {now['numpy']})"
    assert len(said) == 1 and said[0].startswith(changed) and "python" not in said[0]


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_damaged_versions_are_ignored(said, tmp_path, text):
    run = write_run(tmp_path, 1, {})
    (tmp_path / checkpoint.VERSIONS).write_text(text)
    hardware.with_threads(config.Config(threads=1), run, "saved")
    assert said == []


def test_other_thread_pools_for_the_same_threads_are_reported(said, tmp_path):
    run = write_run(tmp_path, 8, environment.versions())
    now = sessions.pools(sessions.session_config(8, 32))
    record = json.loads((tmp_path / checkpoint.CONFIG).read_text())
    for before, count in ((now, 0), ({**now, "inter_op": 7}, 1), ("damaged", 1)):
        (tmp_path / checkpoint.CONFIG).write_text(json.dumps({**record, "threads": before}))
        hardware.with_threads(config.Config(threads=8), run, "saved")
        assert len(said) == count, said
        del said[:]
    hardware.with_threads(config.Config(threads=4), run, "saved")
    assert len(said) == 1 and "the run began with 8" in said[0]


@pytest.mark.parametrize(
    "found, terminal, line",
    [
        ([], False, ""),
        ([], True, "training on the processor, with 2 threads and 2 towers\n"),
        (["H100", "T4"], False, "training on H100 (GPU 0 of 2)\n"),
    ],
)
def test_reports_the_device(monkeypatch, capsys, found, terminal, line):
    monkeypatch.setattr(devices, "gpus", lambda: found)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    hardware.report_device(config.Config(threads=2))
    assert capsys.readouterr().err == line
