"""A reader in a process of its own, so that a crash is a failed test, and a hang is one after a while."""

import json
import os
import pathlib
import select
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds; the slowest of these readings takes two


class Reader:
    """The process of reader.py, begun when it is first asked, and anew where it died."""

    def __init__(self):
        self._process = None

    def __call__(self, kind, path, measured=False):
        """Return what came of reading a file: dict of "outcome" (read, refused, raised, died, hung), "told", "mb", "seconds".

        Args:
          kind: str, a function of reader.py.
          path: str.
          measured: bool, whether "mb" has to be right; it takes a quarter of a second.
        """
        if self._process is None:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
            command = [sys.executable, str(pathlib.Path(__file__).with_name("reader.py"))]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        self._process.stdin.write(json.dumps([kind, str(path), measured]).encode() + b"\n")
        self._process.stdin.flush()
        ready = select.select([self._process.stdout], [], [], PATIENCE)[0]
        line = self._process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        self.close()
        return {"outcome": "died" if ready else "hung", "told": "", "mb": 0, "seconds": PATIENCE}

    def close(self):
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="session")
def reader():
    reader = Reader()
    yield reader
    reader.close()


@pytest.fixture
def taken(reader):
    """A function (kind, path, what errors must name) that reads a file, which must give a result or one line; returns the answer."""

    def take(kind, path, *names, measured=False):
        answer = reader(kind, path, measured)
        assert answer["outcome"] in ("read", "refused"), answer
        if answer["outcome"] == "refused":
            line = answer["told"]
            assert "\n" not in line and "\r" not in line and len(line) < 2000, line
            assert any(str(name) in line for name in names or [path]), line
        return answer

    return take
