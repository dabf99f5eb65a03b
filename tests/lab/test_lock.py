"""Locks of files between processes."""

import subprocess
import sys

from mtl.lab import lock

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('HERE')"


def test_a_missing_file_is_not_held_and_not_created(tmp_path):
    assert not lock.is_held(str(tmp_path / "lock"))
    assert list(tmp_path.iterdir()) == []
    assert not lock.is_held("")


def test_a_held_lock_is_free_again_afterwards(tmp_path):
    path = str(tmp_path / "lock")
    with lock.held(path) as free:
        assert free
        assert lock.is_held(path)
        with lock.held(path) as again:
            assert not again
    assert not lock.is_held(path)


def test_another_process_holds_a_lock_until_it_is_killed(tmp_path):
    path = str(tmp_path / "lock")
    code = f"{HOLD}; sys.stdout.flush(); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-S", "-c", code, path], **pipes) as process:
        assert process.stdout.readline() == b"HERE\n"
        assert lock.is_held(path)
        process.kill()
        process.wait()
        assert not lock.is_held(path)
