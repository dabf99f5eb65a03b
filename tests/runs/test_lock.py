"""mtl.runs.lock: one process to a run directory, and none after a removed one."""

import os
import shutil
import subprocess
import sys

import pytest

from mtl.errors import DataError, UsageError
from mtl.runs import lock

HOLDER = """
import sys, time
from mtl.cli import lock
with lock.held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_the_first_ones_pid_and_a_killed_one_lets_go(tmp_path):
    directory = str(tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, directory], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UsageError) as error, lock.held(directory):
            pass
        assert str(error.value).startswith(
            f"{directory}: process {process.pid} trains here; "
        ) and "--model_dir" in str(error.value)
    finally:
        process.kill()
        process.communicate()
    with lock.held(directory) as check:
        check()
        with open(os.path.join(directory, lock.FILE)) as file:
            assert file.read() == f"{os.getpid()}\n"


@pytest.mark.parametrize("again", [False, True])
def test_a_directory_that_was_removed_or_replaced_is_noticed(tmp_path, again):
    directory = str(tmp_path / "run")
    with lock.held(directory) as check:
        check()
        shutil.rmtree(directory)
        if again:
            with lock.held(directory) as other:
                other()
                with pytest.raises(DataError, match="removed or replaced"):
                    check()
        else:
            with pytest.raises(DataError, match="removed or replaced"):
                check()


def test_a_file_in_its_place_is_one_line(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(DataError, match="cannot be written"), lock.held(str(tmp_path / "run")):
        pass
