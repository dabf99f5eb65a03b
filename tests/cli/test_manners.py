"""The commands as processes: silent in a pipe but for what they have to say, told on a terminal, short where nobody reads on."""

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

import numpy as np
import pytest
from PIL import Image

from mtl.data import npz
from mtl.data.examples import Examples
from tests.svhn_files import boxes, draw

# TensorFlow as a user has it: what tests set to keep it quiet is taken away.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
}
# A notebook and other projects set these, for packages that are not installed here.
ENVIRONMENT |= {"MPLBACKEND": "module://no_such_backend.inline", "KERAS_BACKEND": "no_such_backend"}

linux = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="only Linux has a disk that is always full"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of data: npz/ with three splits, svhn/test as of the archives, and a.png."""
    root = tmp_path_factory.mktemp("manners")
    images = np.random.default_rng(2).integers(0, 256, (4, 64, 64, 3), np.uint8)
    (root / "npz").mkdir()
    for split in ("train", "validation", "test"):
        npz.save(
            str(root / "npz" / f"{split}.npz"), Examples(images, ["1", "", "23", "9"], list("abcd"))
        )
    draw(root / "svhn" / "test", [(f"{i}.png", boxes(str(7 * i))) for i in range(1, 6)])
    Image.fromarray(images[0]).save(root / "a.png")
    return root


def arguments(folder, out):
    """Return a good command line of each command, dict name -> list of str; what they write goes into the folder `out`."""
    data = ["--dataset=npz", f"--data_dir={folder / 'npz'}"]
    return {
        "train": [
            "train",
            f"--model_dir={out / 'run'}",
            *data,
            "--bottom=mlp",
            "--batch_size=2",
            "--steps=3",
            "--save_every=1",
        ],
        "evaluate": ["evaluate", "--model_dir=pretrained", *data],
        "predict": ["predict", f"--sheet={out / 'read.png'}", str(folder / "a.png")],
        "preview": ["preview", *data, f"--out={out / 'sheet.png'}"],
        "convert": [
            "convert",
            f"--archive_dir={folder / 'svhn'}",
            f"--out={out / 'records'}",
            "--splits=test",
        ],
    }


# What each has to say on stderr in a pipe.
SAID = {
    "train": r"(step [123]: validation sequence accuracy \d+\.\d%\n){3}",
    "evaluate": "",
    "predict": "",
    "preview": "",
    "convert": r"\S+/svhn/test: taken as it is, for there is no test\.tar\.gz beside it\n",
}


def process(*command, **streams):
    """Run `mtl` as a user's shell does; stdout and stderr are caught where `streams` does not lead them elsewhere."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(
        [sys.executable, "-m", "mtl", *command], text=True, env=ENVIRONMENT, timeout=120, **streams
    )


# -- noise ----------------------------------------------------------------------------------------------------------------------------


def test_stderr_holds_what_the_command_says_and_nothing_of_tensorflows(folder, tmp_path):
    """The start is the same for all commands; test_a_pipe_shows_no_progress has each of them."""
    done = process(*arguments(folder, tmp_path)["train"])
    assert done.returncode == 0 and done.stdout, done.stderr
    assert re.fullmatch(SAID["train"], done.stderr), done.stderr


@pytest.mark.parametrize("verbosity", [0, 1])
def test_what_tensorflow_says_stands_before_an_error_only_where_it_was_asked_for(
    tmp_path, verbosity
):
    done = process("evaluate", f"--model_dir={tmp_path}", f"--verbosity={verbosity}")
    *others, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "") and last.startswith(
        f"mtl evaluate: {tmp_path}/config.json: no such file"
    )
    assert bool(others) == (verbosity == 1)


def test_a_fatal_message_of_tensorflow_at_import_is_shown():
    environment = {**ENVIRONMENT, "TF_XLA_FLAGS": "--no_such_flag"}
    command = [sys.executable, "-m", "mtl", "predict", "/nowhere.png"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode in (1, -signal.SIGABRT) and done.stdout == ""  # by TensorFlow's version
    assert "in TF_XLA_FLAGS: --no_such_flag" in done.stderr


# -- progress -------------------------------------------------------------------------------------------------------------------------

# All commands one after another in one process, each announced on stderr. A bar that is shown at all is shown at once: the two seconds
# that the commands wait would decide the test.
ALL = """
import functools, json, sys, tqdm
class Bar(tqdm.tqdm):
    def __init__(self, *args, **options):
        super().__init__(*args, **{**options, "delay": 0, "mininterval": 0})
tqdm.tqdm = Bar
from mtl.cli import console
from mtl.cli.main import run
console.set_backends()
for name, command in json.loads(sys.argv[1]).items():
    print(f"<{name}>", file=sys.stderr, flush=True)
    code = run(command)
    if code:
        sys.exit(code)
"""


def parts(text):
    """Cut what ALL wrote to stderr, dict name of the command -> text."""
    _, *pieces = re.split(r"<(\w+)>\r?\n", text)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def test_a_pipe_shows_no_progress(folder, tmp_path):
    command = [sys.executable, "-c", ALL, json.dumps(arguments(folder, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr
    said = parts(done.stderr)
    assert list(said) == list(SAID) and "\r" not in done.stderr
    for name, pattern in SAID.items():
        assert re.fullmatch(pattern, said[name]), said[name]


def test_a_terminal_shows_progress(folder, tmp_path):
    commands = arguments(folder, tmp_path)
    commands["train"] += ["--log_every=1"]
    terminal, stderr = pty.openpty()
    fcntl.ioctl(
        stderr, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0)
    )  # a new one has no columns, and no room for a bar
    command = [sys.executable, "-c", ALL, json.dumps(commands)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=ENVIRONMENT) as child:
        os.close(stderr)
        written = b""
        while True:
            try:
                written += os.read(terminal, 4096)
            except OSError:  # EIO: the last who could write is gone
                break
        os.close(terminal)
        child.stdout.read()
    said = parts(written.decode())
    assert child.returncode == 0, said
    assert "step 3/3  " in said["train"] and "reading npz, validation ..." in said["train"]
    assert (
        "reading npz, test ..." in said["evaluate"] and "reading npz, train ..." in said["preview"]
    )
    for name in ("train", "evaluate", "predict", "convert"):
        assert re.search(r"\r *[^\r]*\d%\|.*image/s", said[name]), said[name]
        assert said[name].endswith(("\n", "\r")), "a bar is cleared away"


# -- nobody reads on, nowhere to write --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, flags", [("predict", ["--json"]), ("preview", [])])
def test_nobody_reading_the_results_is_no_error_message(folder, tmp_path, name, flags):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = process(*arguments(folder, tmp_path)[name], *flags, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@linux
@pytest.mark.parametrize(
    "name, flags", [("train", ["--help"]), ("predict", ["--json"]), ("preview", [])]
)
def test_results_that_cannot_be_written_are_one_line(folder, tmp_path, name, flags):
    with open("/dev/full", "w") as full:
        done = process(*arguments(folder, tmp_path)[name], *flags, stdout=full)
    assert (done.returncode, done.stderr) == (2, f"mtl {name}: output: No space left on device\n")


@linux
def test_a_full_log_does_not_end_a_training(folder, tmp_path):
    with open("/dev/full", "w") as full:
        done = process(*arguments(folder, tmp_path)["train"], stderr=full)
    assert (done.returncode, done.stdout.split(",")[0]) == (0, f"{tmp_path / 'run'}: step 3")


@pytest.mark.parametrize("closed", [0, 1, 2], ids=["stdin", "stdout", "stderr"])
def test_a_stream_that_is_closed_is_as_one_that_leads_nowhere(folder, tmp_path, closed):
    # As the shell's `>&-`; the streams that are open are files, so that what goes astray is found in them.
    command = [sys.executable, "-m", "mtl", *arguments(folder, tmp_path)["predict"], "--json"]
    with open(tmp_path / "out", "w") as out, open(tmp_path / "err", "w") as err:
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command],
            stdout=out,
            stderr=err,
            env=ENVIRONMENT,
            timeout=120,
        )
    assert done.returncode == 0, (tmp_path / "err").read_text()
    assert (tmp_path / "err").read_text() == ""
    assert bool((tmp_path / "out").read_text()) == (closed != 1)
    with Image.open(tmp_path / "read.png") as sheet:
        sheet.load()


@linux
def test_an_error_that_cannot_be_shown_keeps_its_code_and_stays_out_of_the_results():
    for stderr in ("2>&-", "2>/dev/full"):
        for name, code in (("trian", 1), ("predict /nowhere.png", 2)):
            done = subprocess.run(
                ["sh", "-c", f'"$0" -m mtl {name} {stderr}', sys.executable],
                capture_output=True,
                text=True,
                env=ENVIRONMENT,
            )
            assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
