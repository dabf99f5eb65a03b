"""Random requests for 20 seconds; `python -m tests.serving.fuzz` sends them for longer."""

import random

import pytest

from tests.serving import fake, fuzz

SECONDS = 20


@pytest.mark.slow
def test_no_random_request_causes_a_fault():
    counts = fuzz.run(SECONDS)
    assert sum(counts.values()) > 20 * SECONDS, counts
    assert counts[200] > 0 and counts[400] > 0, counts


def test_unchanged_requests_are_answered():
    with fake.serve(limits=fuzz.LIMITS) as server:
        for path, body, headers in fuzz.requests(random.Random(3)):
            if isinstance(body, bytes):
                status, found, text = server.ask("POST", path, body, headers)
            else:
                status, found, text = server.ask("POST", path, fuzz.json.dumps(body), headers)
            fuzz.check(status, found, text)
            assert status == 200, (path, text)


@pytest.mark.parametrize(
    "status, body",
    [
        (500, b'{"error": "fault"}'),
        (200, b'{"a": NaN}'),
        (400, b'{"message": "wrong"}'),
        (400, b"<html>"),
    ],
)
def test_check_finds_what_it_looks_for(status, body):
    headers = fake.http.client.HTTPMessage()
    headers["Content-Type"] = "application/json"
    with pytest.raises((AssertionError, ValueError)):
        fuzz.check(status, headers, body)
