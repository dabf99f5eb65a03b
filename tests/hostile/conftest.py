"""A reader in its own process: a crash or a hang then fails one test, and the others go on."""

import json
import os
import pathlib
import select
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 60  # seconds; the slowest file takes two


class Reader:
    """The process of reader.py. It starts at the first call, and again after it died."""

    def __init__(self):
        self._process = None

    def __call__(self, kind, path, measured=False):
        """Read a file.

        Args:
          kind: str, a function of reader.py.
          path: str.
          measured: bool, whether "mb" must be accurate; this takes a quarter of a second.

        Returns:
          dict: "outcome" (read, rejected, raised, died or hung), "result" (what the function
          returned, or the error), "mb" and "seconds".
        """
        if self._process is None:
            self._start()
        self._process.stdin.write(json.dumps([kind, str(path), measured]).encode() + b"\n")
        self._process.stdin.flush()
        ready = select.select([self._process.stdout], [], [], TIMEOUT)[0]
        line = self._process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        self.close()
        outcome = "died" if ready else "hung"
        return {"outcome": outcome, "result": "", "mb": 0, "seconds": TIMEOUT}

    def _start(self):
        command = [sys.executable, str(pathlib.Path(__file__).with_name("reader.py"))]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

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
def read(reader):
    """A function that reads a file, which must give a result or an error of one line.

    Its arguments are the kind, the path, and what the error must name: one of `names`, by default
    the path. It returns the answer of Reader.
    """

    def read(kind, path, *names, measured=False):
        answer = reader(kind, path, measured)
        assert answer["outcome"] in ("read", "rejected"), answer
        if answer["outcome"] == "rejected":
            line = answer["result"]
            assert "\n" not in line and "\r" not in line, line
            assert len(line) < 2000, line
            assert any(str(name) in line for name in names or [path]), line
        return answer

    return read
