"""The process of a run: it runs a module, and ends with its parent; see also test_work.py."""

import os
import subprocess
import sys

import pytest

SHOW = "import sys; print(__name__, sys.argv[1:])"


def test_runs_the_module_with_its_arguments_and_exit_code(tmp_path):
    (tmp_path / "shown.py").write_text(f"{SHOW}; sys.exit(7)")
    command = [sys.executable, "-m", "mtl.runs.child", "shown", "a", "--b=c d"]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout == "__main__ ['a', '--b=c d']\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells processes of a dead parent")
def test_asks_for_a_signal_when_the_parent_dies(monkeypatch):
    from mtl.runs import child

    asked, modules = [], []

    class Library:
        def prctl(self, *arguments):
            asked.append(arguments)

    monkeypatch.setattr(child.ctypes, "CDLL", lambda name: Library())
    monkeypatch.setattr(child.runpy, "run_module", lambda name, **options: modules.append(name))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    child.main(["mtl", "train"])
    assert (asked, modules, sys.argv) == ([(1, 15)], ["mtl"], ["mtl", "train"])
    # A parent that is dead already sends no signal.
    parents = iter([5, 1])
    monkeypatch.setattr(child.os, "getppid", lambda: next(parents))
    with pytest.raises(SystemExit) as error:
        child.main(["mtl", "train"])
    assert error.value.code == 143 and modules == ["mtl"]
