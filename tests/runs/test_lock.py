import os
import shutil
import subprocess
import sys

import pytest

from helpers import one_line
from mtl import checkpoint
from mtl.errors import DataError, UsageError
from mtl.runs import lock

HOLDER = """
import sys, time
from mtl.runs import lock
with lock.held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_second_process_gets_the_pid_of_the_first(tmp_path):
    directory = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UsageError) as error, lock.held(str(directory)):
            pass
        one_line(error, f"{directory}: process {process.pid} trains here; ", "--model_dir")
    finally:
        process.kill()
        process.communicate()
    # The system releases the lock of a killed process.
    with lock.held(str(directory)) as check:
        check()
        assert (directory / checkpoint.LOCK).read_text() == f"{os.getpid()}\n"


def test_removes_only_an_empty_directory_of_its_own(tmp_path):
    kept, existing, empty = tmp_path / "kept", tmp_path / "existing", tmp_path / "empty"
    existing.mkdir()
    with lock.held(str(kept)), lock.held(str(existing)), lock.held(str(empty)):
        (kept / "file").write_text("")
    assert sorted(os.listdir(tmp_path)) == ["existing", "kept"]


@pytest.mark.parametrize("replaced", [False, True])
def test_notices_that_its_directory_is_gone(tmp_path, replaced):
    directory = str(tmp_path / "run")
    with lock.held(directory) as check:
        check()
        shutil.rmtree(directory)
        if replaced:
            with lock.held(directory) as other:
                other()
                with pytest.raises(DataError, match="removed or replaced"):
                    check()
        else:
            with pytest.raises(DataError, match="removed or replaced"):
                check()


def test_file_in_place_of_the_directory(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(DataError, match="cannot be written"), lock.held(str(tmp_path / "run")):
        pass


def test_lock_file_of_another_program_stays(tmp_path):
    (tmp_path / checkpoint.LOCK).write_text("of another program")
    with pytest.raises(DataError) as error, lock.held(str(tmp_path)):
        pass
    one_line(error, tmp_path / checkpoint.LOCK, "not a lock file of mtl", "--model_dir")
    assert (tmp_path / checkpoint.LOCK).read_text() == "of another program"
