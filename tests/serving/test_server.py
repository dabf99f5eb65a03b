"""mtl.serving.server: the port, the connections, and the end."""

import collections
import contextlib
import json
import re
import resource
import socket
import threading
import time

import numpy as np
import pytest

from mtl.errors import UsageError
from mtl.serving import current, server
from mtl.serving.limits import Limits
from tests.serving import fake

PIXELS = np.full((1, *fake.INPUTS.shape), 3).tolist()
BODY = json.dumps({"signature_name": "pixels", "instances": PIXELS}).encode()


def test_only_this_machine_is_answered_by_default():
    assert server.Settings().host == "127.0.0.1"
    with contextlib.closing(server.listen("127.0.0.1", 0)) as opened:
        assert opened.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "host", ["256.0.0.1", "no.such.host.invalid", "a" * 300, "\udc80", "198.51.100.1"]
)
def test_wrong_address_is_an_error_with_a_cure(host):
    with pytest.raises(UsageError, match="cannot be used .*; choose another --port or --host"):
        server.listen(host, 0)


def test_port_in_use_is_an_error():
    with contextlib.closing(server.listen("127.0.0.1", 0)) as opened:
        with pytest.raises(UsageError, match="in use"):
            server.listen("127.0.0.1", opened.getsockname()[1])


def test_limit_of_open_files_is_raised_for_the_connections():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100 + server.SPARE, hard))
        assert server.connections(50) == 50
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 100 + server.SPARE
        assert server.connections(200) == 200
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 200 + server.SPARE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connection_over_the_limit_gets_an_error_at_once():
    with fake.serve(limits=Limits(connections=2)) as running:
        held = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(2)]
        time.sleep(0.1)
        status, found = running.json("GET", "/healthz")
        assert status == 503 and found == {"error": "too many connections"}
        held.pop().close()
        _until(lambda: running.json("GET", "/healthz")[0] == 200)
        held.pop().close()


def test_open_connections_are_reported():
    def count():
        text = running.ask("GET", "/metrics")[2].decode()
        return float(re.search(r"^mtl_connections (.+)$", text, re.MULTILINE)[1])

    with fake.serve() as running:
        held = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(3)]
        _until(lambda: count() == 4)
        for connection in held:
            connection.close()
        _until(lambda: count() == 1)


def test_line_names_the_version_and_the_address():
    with fake.serve(name="house") as running:
        assert running.lines == [f"serving house version 7 at http://127.0.0.1:{running.port}"]


def test_request_in_flight_is_answered_before_the_server_ends():
    entered, go = threading.Event(), threading.Event()

    def before(examples):
        if entered.is_set() or len(examples) == 1 and armed:
            entered.set()
            assert go.wait(10)

    armed, answers = [], []
    with fake.serve(fake.Model(before=before)) as running:
        armed.append(True)
        asking = threading.Thread(
            target=lambda: answers.append(running.json("POST", "/v1/models/mtl:predict", BODY))
        )
        asking.start()
        assert entered.wait(10)
        threading.Timer(0.3, go.set).start()  # after the server was told to stop
    asking.join(10)
    assert answers[0][0] == 200 and answers[0][1]["predictions"][0]["number"] == "3"
    assert running.lines[-1].startswith("stopping: ")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", running.port), 1)


def test_no_request_fails_while_versions_are_replaced(monkeypatch):
    monkeypatch.setattr(current, "LOOK", 0.01)
    given, versions = fake.source(fake.Model(1, before=lambda examples: time.sleep(0.002)))
    statuses, stop = collections.Counter(), threading.Event()

    def ask():
        with contextlib.closing(running.connect()) as connection:
            while not stop.is_set():
                connection.request("POST", "/v1/models/mtl:predict", BODY)
                answer = connection.getresponse()
                assert b'"number":"3"' in answer.read()
                statuses[answer.status] += 1

    with fake.serve(models_source=given) as running:
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        for version in range(2, 12):
            versions.append(fake.Model(version))
            _until(lambda version=version: f"version {version} replaces" in running.lines[-1])
        _until(lambda: all(model.closed for model in versions[:-1]))
        stop.set()
        for client in clients:
            client.join(10)
        assert running.json("GET", "/healthz")[1]["version"] == 11
    assert list(statuses) == [200] and statuses[200] > 40


def test_connection_without_a_complete_request_is_closed(monkeypatch):
    monkeypatch.setattr(server, "IDLE", 0.3)
    with fake.serve() as running:
        for start in (b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "):
            with socket.create_connection(("127.0.0.1", running.port), 5) as slow:
                slow.sendall(start)
                began = time.monotonic()
                slow.recv(1000)  # an error, or the end
                assert time.monotonic() - began < 3


def test_slow_headers_do_not_keep_a_connection_open(monkeypatch):
    monkeypatch.setattr(server, "IDLE", 0.3)
    with fake.serve() as running:
        with socket.create_connection(("127.0.0.1", running.port), 5) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
            with pytest.raises(OSError):
                for _ in range(100):
                    slow.sendall(b"X")
                    time.sleep(0.03)


def _until(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
