"""A model without a network, and a server of it in a thread of this process."""

import contextlib
import http.client
import json
import threading

import numpy as np

from mtl import tasks
from mtl.inputs import Inputs
from mtl.serving import models, outputs, server

INPUTS = Inputs((6, 5, 3), 0)
FEATURES = Inputs((3,), 0, "float32", ("age", "size", "mass"))
OWN = tasks.parse("colour:3,height:real")


def log_probs(first):
    """Return log probabilities of the number with one digit, first % 10, of each example."""
    found = {}
    for task in tasks.NUMBER_TASKS:
        best = np.full(len(first), task.outputs - 1)
        if task.name == "length":
            best[:] = 1
        elif task.name == "digit1":
            best = first.astype(int) % 10
        found[task.name] = np.full((len(first), task.outputs), -9.0, np.float32)
        found[task.name][np.arange(len(first)), best] = -0.001
    return found


class Model:
    """A model whose answer is the first value of each example."""

    views = 1

    def __init__(self, version=7, of=tasks.NUMBER_TASKS, inputs=INPUTS, before=None):
        self.version = version
        self.tasks = of
        self.inputs = inputs
        self.batches = []  # sizes
        self.closed = False
        self._before = before  # called with each batch

    def run(self, examples):
        assert not self.closed
        self.batches.append(len(examples))
        if self._before:
            self._before(examples)
        first = examples.reshape(len(examples), -1)[:, 0]
        if tasks.is_numbers(self.tasks):
            found = log_probs(first)
        else:
            colour = np.log(np.float32([[0.7, 0.2, 0.1]] * len(first)))
            found = {"colour": colour, "height": np.float32(first)[:, None]}
        return outputs.arrays(found, self.tasks, 1.0)

    def lanes(self):
        return [self.run]

    def close(self):
        self.closed = True


class Running:
    """A server that runs: its address, its lines, and requests to it."""

    def __init__(self, port, lines):
        self.port = port
        self.lines = lines

    def connect(self, timeout=10):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=()):
        """Return the status, the headers and the body of an answer."""
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def json(self, method, path, record=None, headers=()):
        """Return the status and the JSON of an answer; record: bytes, or a value for JSON."""
        body = json.dumps(record) if record is not None and type(record) is not bytes else record
        status, found, text = self.ask(method, path, body, headers)
        assert found.get_content_type() == "application/json", text
        return status, json.loads(text, parse_constant=_no_constant)


def _no_constant(name):
    raise AssertionError(f"{name} is not strict JSON")


def source(*found):
    """Return a Source of models, of which the last is the newest; the list may grow."""
    found = list(found)
    return models.Source(lambda: len(found) - 1, lambda index: found[index]), found


@contextlib.contextmanager
def serve(model=None, *, models_source=None, **settings):
    """Serve a model in a thread, in `with`; yield Running. Fail if the server does not end.

    Args:
      model: a model; default Model().
      models_source: models.Source instead.
      settings: of server.Settings.
    """
    settings = server.Settings(**{"port": 0, **settings})
    opened = server.listen(settings.host, settings.port)
    lines, stop, failed = [], threading.Event(), []
    started = threading.Event()

    def say(line):
        lines.append(line)
        started.set()

    def work():
        try:
            found = models_source or source(model or Model())[0]
            server.run(found, opened, settings, stopped=stop.is_set, say=say)
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert started.wait(20) and not failed, failed
        yield Running(opened.getsockname()[1], lines)
    finally:
        stop.set()
        thread.join(30)
        opened.close()
    assert not thread.is_alive() and not failed, failed
