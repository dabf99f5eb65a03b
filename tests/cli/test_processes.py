"""The commands as processes: quiet in a pipe, progress on a terminal, and streams that fail.

Importing TensorFlow takes seconds, so one process runs most commands, each with its own streams.
"""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from mtl.cli import main
from mtl.data import npz
from mtl.data.examples import of_numbers
from tests import record_sets
from tests.svhn_files import boxes, draw

pytestmark = pytest.mark.slow

# TensorFlow as a user has it, without the settings that keep tests quiet. The backends are those
# that a notebook or another project may have set, for packages that are not installed.
QUIET = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in QUIET}
ENVIRONMENT |= {"MPLBACKEND": "module://no_such_backend.inline", "KERAS_BACKEND": "no_such_backend"}

linux = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full of Linux")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with npz/ of three splits, records/, svhn/test and a.png."""
    root = tmp_path_factory.mktemp("data")
    images = np.random.default_rng(2).integers(0, 256, (4, 64, 64, 3), np.uint8)
    examples = of_numbers(images, ["1", "", "23", "9"], list("abcd"))
    (root / "npz").mkdir()
    for split in ("train", "validation", "test"):
        npz.save(str(root / "npz" / f"{split}.npz"), examples)
    (root / "records").mkdir()
    record_sets.write(root / "records", extra=[record_sets.some(["7", "", "89"])])
    draw(root / "svhn" / "test", [(f"{i}.png", boxes(str(7 * i))) for i in range(1, 6)])
    Image.fromarray(images[0]).save(root / "a.png")
    return root


def valid_commands(folder, out):
    """Return a valid command line for each command, dict name -> list of str; they write to out."""
    data = ["--dataset=npz", f"--data_dir={folder / 'npz'}"]
    small = ["--bottom=mlp", "--crop=14", "--batch_size=2"]
    small += ["--steps=3", "--save_every=1", "--log_every=1"]
    return {
        "train": ["train", f"--model_dir={out / 'run'}", *data, *small],
        "evaluate": ["evaluate", "--model_dir=pretrained", *data],
        "predict": ["predict", f"--sheet={out / 'sheet.png'}", str(folder / "a.png")],
        "preview": ["preview", *data, f"--out={out / 'preview.png'}"],
        "convert": [
            "convert",
            f"--archive_dir={folder / 'svhn'}",
            f"--out={out / 'records'}",
            "--splits=test",
        ],
        "explain": ["explain", "--bottom=mlp", f"--out={out / 'graph.txt'}"],
        "compare": ["compare", f"--out={out / 'compare'}", "--seeds=1", *data, *small],
        "export": ["export", "--model_dir=pretrained", f"--out={out / 'exported'}"],
    }


# -- one process for many commands -----------------------------------------------------------------

# A progress bar appears at once, not after two seconds, if it appears at all.
SCRIPT = """
import json, os, sys, tqdm

class Bar(tqdm.tqdm):
    def __init__(self, *args, **options):
        super().__init__(*args, **{**options, "delay": 0, "mininterval": 0})

tqdm.tqdm = Bar
from mtl.cli import console
from mtl.cli.main import run

def redirect(descriptor, path):
    if path == "closed pipe":
        reader, target = os.pipe()
        os.close(reader)
    else:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOCTTY)
    os.dup2(target, descriptor)
    os.close(target)

console.set_backends()
codes = {}
stderr = os.dup(2)
for name, (arguments, out, err) in json.loads(sys.argv[1]).items():
    redirect(1, out)
    redirect(2, err)
    if os.isatty(2):
        os.write(2, f"<{name}>".encode())
    try:
        codes[name] = run(arguments)
    finally:
        os.dup2(stderr, 2)
        redirect(1, os.devnull)
        sys.stdout.flush()
with open(sys.argv[2], "w") as file:
    json.dump(codes, file)
"""


LONG = ("train", "evaluate", "predict", "preview", "convert")  # commands that show progress


class Outcome(NamedTuple):
    """What a command in the shared process did."""

    code: int
    out: str
    err: str


class Terminal:
    """A pseudoterminal of 100 columns that collects what is written to it, in `with`."""

    def __enter__(self):
        self._controller, self._terminal = pty.openpty()
        # A new one has no columns, so no bar would fit.
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
        self.path = os.ttyname(self._terminal)
        self._written = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def _read(self):
        try:
            while block := os.read(self._controller, 4096):
                self._written += block
        except OSError:  # EIO: the other end is closed
            pass

    def __exit__(self, *unused):
        os.close(self._terminal)
        self._thread.join()
        os.close(self._controller)

    def texts(self):
        """Return what each command wrote, dict name -> text."""
        _, *pieces = re.split(r"<([\w ]+)>", self._written.decode())
        return dict(zip(pieces[::2], pieces[1::2], strict=True))


def cases_of(folder, root, terminal):
    """Return the command lines of the shared process, and their streams that are not files.

    Returns:
      dict case -> (list of str, {} or paths for "out" and "err").
    """
    records = ["preview", "--dataset=records", f"--data_dir={folder / 'records'}", "--split=extra"]
    # The first two import TensorFlow.
    cases = {
        "records": ([*records, f"--out={root / 'extra.png'}"], {}),
        "missing run": (["evaluate", f"--model_dir={root}"], {}),
    }
    commands = valid_commands(folder, root)
    for name, command in commands.items():
        cases[name] = (command, {})
    predict = [*commands["predict"], "--json"]
    cases["closed stdout"] = (predict, {"out": "closed pipe"})
    if os.path.exists("/dev/full"):
        train = [*commands["train"], "--steps=1", f"--model_dir={root / 'full'}"]
        cases["full stdout"] = (predict, {"out": "/dev/full"})
        cases["full stderr"] = (train, {"err": "/dev/full"})
    commands = valid_commands(folder, root / "terminal")
    for name in LONG:
        cases[f"{name} on a terminal"] = (commands[name], {"err": terminal})
    return cases


@pytest.fixture(scope="module")
def outcomes(folder, tmp_path_factory):
    """Run many commands in one process; return dict case -> Outcome."""
    root = tmp_path_factory.mktemp("outcomes")
    (root / "terminal").mkdir()
    with Terminal() as terminal:
        cases = {}
        for name, (command, streams) in cases_of(folder, root, terminal.path).items():
            files = {"out": str(root / f"{name}.out"), "err": str(root / f"{name}.err"), **streams}
            cases[name] = [command, files["out"], files["err"]]
        command = [sys.executable, "-c", SCRIPT, json.dumps(cases), str(root / "codes")]
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    shown = terminal.texts()

    def text(name, suffix):
        path = root / f"{name}.{suffix}"
        return path.read_text() if path.exists() else ""

    codes = json.loads((root / "codes").read_text())
    return {
        name: Outcome(code, text(name, "out"), shown.get(name) or text(name, "err"))
        for name, code in codes.items()
    }


# What each command writes to stderr in a pipe.
PROGRESS = {
    "train": r"(step [123]: validation sequence accuracy \d+\.\d%\n){3}",
    "convert": r"\S+/svhn/test: .*test\.tar\.gz.*\n",
    "compare": r"1/1  log_sum-\w+-seed0  best validation score \S+ at step \d  \(\d:\d\d\)\n",
}


# A cluster is several processes of train, and a server does not end; they have tests of their own.
@pytest.mark.parametrize("name", sorted({*main.COMMANDS} - {"cluster", "serve"}))
def test_pipe_gets_no_bars_and_no_messages_of_tensorflow(outcomes, name):
    code, out, err = outcomes[name]
    assert code == 0 and out
    assert re.fullmatch(PROGRESS.get(name, ""), err), err


def test_preview_of_records_starts_tensorflow_quietly(outcomes):
    code, out, err = outcomes["records"]
    assert (code, err) == (0, "")
    assert out.endswith("extra.png: all 3 images of records, extra\n")


def test_error_is_one_line_without_messages_of_tensorflow(outcomes):
    code, out, err = outcomes["missing run"]
    assert (code, out) == (2, "")
    assert err.startswith("mtl evaluate: ") and "config.json: " in err and err.count("\n") == 1


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "convert"])
def test_terminal_shows_a_bar(outcomes, name):
    code, _, err = outcomes[f"{name} on a terminal"]
    assert code == 0
    assert re.search(r"\r *[^\r]*\d%\|.*image/s", err), err
    assert err.endswith(("\n", "\r")), "the bar is cleared at the end"


@pytest.mark.parametrize(
    "name, line",
    [
        ("train", "step 3/3  "),
        ("train", "reading npz, validation ..."),
        ("evaluate", "reading npz, test ..."),
        ("preview", "reading npz, train ..."),
    ],
)
def test_terminal_shows_a_line(outcomes, name, line):
    assert line in outcomes[f"{name} on a terminal"].err


def test_closed_stdout_ends_predict_silently(outcomes):
    assert outcomes["closed stdout"] == (128 + signal.SIGPIPE, "", "")


@linux
def test_full_stdout_is_one_line(outcomes):
    line = "mtl predict: output: No space left on device\n"
    assert outcomes["full stdout"] == (2, "", line)


@linux
def test_full_stderr_does_not_end_a_training(outcomes):
    code, out, _ = outcomes["full stderr"]
    assert code == 0 and "/full: step 1" in out


# -- a process for each command --------------------------------------------------------------------


def process(*arguments, **streams):
    """Run `mtl` as a shell does, with stdout and stderr captured unless given."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [sys.executable, "-m", "mtl", *arguments]
    return subprocess.run(command, text=True, env=ENVIRONMENT, timeout=120, **streams)


def test_verbosity_shows_messages_of_tensorflow(tmp_path):
    done = process("evaluate", f"--model_dir={tmp_path}", "--verbosity=1")
    *messages, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert messages and last.startswith(f"mtl evaluate: {tmp_path}/config.json: ")


def test_fatal_message_of_tensorflow_at_import_is_shown(folder, tmp_path):
    environment = {**ENVIRONMENT, "TF_XLA_FLAGS": "--no_such_flag"}
    command = [sys.executable, "-m", "mtl", *valid_commands(folder, tmp_path)["predict"]]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode in (1, -signal.SIGABRT), "depends on TensorFlow's version"
    assert done.stdout == ""
    assert "in TF_XLA_FLAGS: --no_such_flag" in done.stderr


@linux
@pytest.mark.parametrize("name", ["train --help", "preview"])
def test_full_stdout_keeps_the_exit_code_2(folder, tmp_path, name):
    commands = {**valid_commands(folder, tmp_path), "train --help": ["train", "--help"]}
    with open("/dev/full", "w") as full:
        done = process(*commands[name], stdout=full)
    line = f"mtl {name.split()[0]}: output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, line)


@pytest.mark.parametrize(
    "name, closed",
    [("preview", "0"), ("preview", "1"), ("preview", "2"), ("predict", "012")],
)
def test_closed_stream_is_like_dev_null(folder, tmp_path, name, closed):
    """As after `>&-` in a shell. The open streams are files, which show what is misdirected."""
    command = [sys.executable, "-m", "mtl", *valid_commands(folder, tmp_path)[name]]
    closing = " ".join(f"{descriptor}>&-" for descriptor in closed)
    with open(tmp_path / "out", "w") as out, open(tmp_path / "err", "w") as err:
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closing}', "sh", *command],
            stdout=out,
            stderr=err,
            env=ENVIRONMENT,
            timeout=120,
        )
    assert done.returncode == 0, (tmp_path / "err").read_text()
    assert (tmp_path / "err").read_text() == ""
    assert bool((tmp_path / "out").read_text()) == ("1" not in closed)
    written = {"preview": "preview.png", "predict": "sheet.png"}[name]
    with Image.open(tmp_path / written) as sheet:
        sheet.load()


@linux
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(
    "arguments, code",
    [("trian", 1), ("preview --dataset=npz --data_dir=/nowhere", 2)],
)
def test_error_keeps_its_exit_code_without_stderr(tmp_path, stderr, arguments, code):
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m mtl {arguments} {stderr}', sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
