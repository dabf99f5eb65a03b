"""mtl.cli.serve: flags, errors in one line, and a server in a process of its own."""

import importlib.util
import os
import re
import shlex
import signal
import socket
import subprocess
import sys

import pytest

from mtl.serving.limits import Limits
from tests.serving import fake

README = os.path.join(os.path.dirname(__file__), "..", "..", "README.md")


@pytest.mark.parametrize(
    "arguments, text",
    [
        ([], "--model_dir is required"),
        (["--model_dir=pretrained", "x"], "unexpected argument 'x'"),
        (["--model_dir=pretrained", "--name=a/b"], "--name=a/b is not a valid name"),
        (["--model_dir=pretrained", "--name="], "--name= is not a valid name"),
        (["--model_dir=pretrained", "--name=.."], "--name=.. is not a valid name"),
        (["--model_dir=pretrained", "--host="], "--host names no address"),
        (["--model_dir=pretrained", "--port=65536"], "--port=65536"),
        (["--model_dir=pretrained", "--port=-1"], "--port=-1"),
        (["--model_dir=pretrained", "--views=3"], "--views=3"),
        (["--model_dir=pretrained", "--temperature=0"], "--temperature=0"),
        (["--model_dir=pretrained", "--batch_timeout_ms=nan"], "--batch_timeout_ms=nan"),
        (["--model_dir=pretrained", "--batch_timeout_ms=-1"], "--batch_timeout_ms=-1"),
        (["--model_dir=pretrained", "--request_timeout_s=0"], "--request_timeout_s=0"),
        (["--model_dir=pretrained", "--max_body_mb=0"], "--max_body_mb=0"),
        (["--model_dir=pretrained", "--max_images=0"], "--max_images=0"),
    ],
)
def test_wrong_flags_are_refused_before_tensorflow_starts(refused, arguments, text):
    assert text in refused(1, "serve", *arguments)


def test_missing_package_is_named_with_the_command_that_installs_it(refused, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "orjson" else find(name)
    )
    line = refused(1, "serve", "--model_dir=pretrained")
    assert "needs orjson" in line and "pip install 'mtl[serve]'" in line


@pytest.mark.slow
def test_what_cannot_be_served_is_an_error(refused, tmp_path):
    assert "not a run directory" in refused(2, "serve", f"--model_dir={tmp_path}", "--port=0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(1, "serve", "--model_dir=pretrained", f"--port={port}")
        assert f"127.0.0.1:{port} cannot be used" in line
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "mtl.json").write_text('{"format": "onnx"}')
    line = refused(2, "serve", f"--model_dir={tmp_path}", "--port=0")
    assert "a model of the format onnx" in line
    line = refused(1, "serve", f"--model_dir={tmp_path}", "--port=0", "--views=2")
    assert "--views=2 applies to a run" in line


def test_defaults_are_those_of_the_library():
    from absl import flags as absl_flags

    from mtl.cli import serve

    values = absl_flags.FlagValues()
    serve.define(values)
    values(["serve"])
    given = (values.max_body_mb, values.max_images, values.max_megapixels)
    given += (values.request_timeout_s, values.max_queue, values.max_connections)
    assert Limits(*given) == Limits()


# -- a process -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def process():
    """A server of the packaged network on the port of README.md; yield it and its Running."""
    command = [sys.executable, "-m", "mtl", "serve", "--model_dir=pretrained", "--port=0"]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = started.stderr.readline()
    port = int(re.search(r"at http://127\.0\.0\.1:(\d+)$", line)[1])
    try:
        yield started, fake.Running(port, [])
    finally:
        started.kill()
        started.communicate()


@pytest.mark.slow
def test_readme_asks_the_server(process, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(os.path.dirname(README))
    port = str(process[1].port)
    with open(README, encoding="utf-8") as file:
        section = file.read().split("## Serve and export")[1].split("\n## ")[0]
    section = section.replace("8501", port)
    curl = re.search(r"^    \$ (curl .+)$", section, re.MULTILINE)[1]
    done = subprocess.run(shlex.split(curl) + ["-s"], capture_output=True, text=True, timeout=30)
    shown = re.search(r'^    (\{"number":"2136","confidence":0\.99)', section, re.MULTILINE)[1]
    assert done.stdout.startswith(shown)
    exec(re.search(r"```python\n(.+?)```", section, re.DOTALL)[1], {})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [".readme/numbers/2136.png 2136 0.997", ".readme/numbers/39.png 39 0.997"]


@pytest.mark.slow
def test_sigterm_ends_the_server_with_code_0_and_without_a_trace(process):
    started, running = process
    with socket.create_connection(("127.0.0.1", running.port)):  # one that is idle
        started.send_signal(signal.SIGTERM)
        out, err = started.communicate(timeout=30)
    assert started.returncode == 0
    assert out == "" and err == "stopping: no new connections; answering the requests that came\n"
