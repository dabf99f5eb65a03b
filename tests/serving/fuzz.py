"""Random requests to a server: none may cause a fault, and others are answered as before.

    python -m tests.serving.fuzz --minutes=10

The suite runs the same for 20 seconds, see test_fuzz.py. Bodies are valid requests in which parts
were replaced, removed, repeated or cut, because random bytes rarely pass the first check.
"""

import argparse
import base64
import collections
import contextlib
import copy
import io
import itertools
import json
import random
import sys
import time

import hypothesis
from hypothesis import strategies
from PIL import Image

from mtl.serving.limits import Limits
from tests.serving import fake

LIMITS = Limits(body_mb=1, examples=8, megapixels=1, seconds=5)
REST, INFER, PREDICT = "/v1/models/mtl:predict", "/v2/models/mtl/infer", "/predict"
BATCH = 200  # requests between two looks at the time and at another client
ALL = list(hypothesis.HealthCheck)
STATUSES = {200, 400, 408, 413, 415, 503, 504}
HEADER = "Inference-Header-Content-Length"
ODD = [None, True, False, 0, -1, 1, 255, 256, 1.5, 10**30, -(2**63), "", "images", "pixels", "X"]
ODD += [
    "\u202e",
    "a" * 300,
    [],
    {},
    [[]],
    [{}],
    {"b64": ""},
    {"b64": "####"},
    [None],
    "serving_default",
    ["", "a" * 100_000, *[""] * 999],  # NumPy would take the memory of a thousand long texts
]


def png(rng):
    """Return the bytes of a small image."""
    file = io.BytesIO()
    size = (rng.randint(1, 40), rng.randint(1, 40))
    mode = rng.choice(["RGB", "L", "RGBA", "P", "1", "I;16"])
    Image.new(mode, size).save(file, "PNG")
    return file.getvalue()


def requests(rng):
    """Return valid requests: path, record or bytes, and headers."""
    image = png(rng)
    encoded = {"b64": base64.b64encode(image).decode()}
    height, width, channels = fake.INPUTS.shape
    pixels = [[[7] * channels] * width] * height
    tensor = {"name": "pixels", "shape": [1, *fake.INPUTS.shape], "datatype": "UINT8"}
    size = height * width * channels
    binary = {"inputs": [{**tensor, "parameters": {"binary_data_size": size}}]}
    head = json.dumps(binary).encode()
    texts = {"name": "images", "shape": [1], "datatype": "BYTES", "data": [encoded["b64"]]}
    asked = [{"name": "digits", "parameters": {"binary_data": True}}]
    return [
        (PREDICT, image, {}),
        (f"{PREDICT}?seen=1", image, {}),
        (REST, {"instances": [encoded, encoded]}, {}),
        (REST, {"inputs": {"images": [encoded]}}, {}),
        (REST, {"signature_name": "pixels", "instances": [{"pixels": pixels}]}, {}),
        (REST, {"signature_name": "pixels", "inputs": [pixels]}, {}),
        (INFER, {"id": "1", "inputs": [{**tensor, "data": [pixels]}], "outputs": asked}, {}),
        (INFER, {"inputs": [texts], "parameters": {"binary_data_output": True}}, {}),
        (INFER, head + bytes(size), {HEADER: str(len(head))}),
    ]


# -- mutations -------------------------------------------------------------------------------------


def places(record, found=None):
    """Return (container, key) of all values in a record."""
    found = [] if found is None else found
    items = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in list(items):
        found.append((record, key))
        if isinstance(value, (dict, list)):
            places(value, found)
    return found


def mutated_record(record, rng):
    """Return a record in which a few values were changed."""
    record = copy.deepcopy(record)
    for _ in range(rng.randint(1, 3)):
        spots = places(record)
        if not spots:
            break
        container, key = rng.choice(spots)
        action = rng.randrange(5)
        if action == 0:
            del container[key]
        elif action == 1 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif action == 2 and isinstance(container, dict):
            container[rng.choice(["inputs", "instances", "name", "\0", "b64"])] = container.pop(key)
        elif action == 3:
            container[key] = copy.deepcopy(rng.choice(spots)[0])
        else:
            container[key] = copy.deepcopy(rng.choice(ODD))
    return record


def mutated_bytes(body, rng):
    """Return a body in which a part was cut, repeated or replaced."""
    start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    part = rng.choice(
        [
            b"",
            body[start:end] * 3,
            rng.randbytes(rng.randint(1, 9)),
            b'"',
            b"[" * 2000,
            b"[" * 1000 + b"]" * 1000,
        ]
    )
    return body[:start] + part + body[end:]


def mutated(path, body, headers, rng):
    """Return a changed request as bytes."""
    if not isinstance(body, bytes):
        body = (
            json.dumps(mutated_record(body, rng)).encode()
            if rng.random() < 0.9
            else json.dumps(body).encode()
        )
    if rng.random() < 0.3:
        body = mutated_bytes(body, rng)
    if headers and rng.random() < 0.5:
        headers = {HEADER: str(rng.choice([0, -1, 5, len(body), len(body) + 1, "x", 10**12]))}
    if rng.random() < 0.05:
        headers = {**headers, "Content-Encoding": rng.choice(["gzip", "identity"])}
    return path, body, headers


# -- check -----------------------------------------------------------------------------------------


def ask(connection, path, body, headers):
    """Send a POST; return the status, the content type and the body of the answer."""
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def check(status, headers, body):
    """Raise AssertionError if an answer breaks a rule."""
    assert status in STATUSES, f"status {status}"
    if headers.get_content_type() == "application/json":
        size = len(body)
    else:
        size = int(headers[HEADER])
    record = json.loads(body[:size], parse_constant=_refuse)
    if status != 200:
        assert list(record) == ["error"] and isinstance(record["error"], str), record


def _refuse(name):
    raise AssertionError(f"{name} is not strict JSON")


def run(seconds, seed=0):
    """Send random requests for some seconds; return how many had each status.

    Raises:
      AssertionError: a request broke a rule. Hypothesis prints the smallest one that it finds.
    """
    counts = collections.Counter()
    with fake.serve(limits=LIMITS) as server, contextlib.closing(server.connect()) as connection:
        canary = requests(random.Random(1))[4]
        expected = server.json("POST", *canary)
        end = time.monotonic() + seconds
        for number in itertools.count(seed):
            if time.monotonic() > end:
                break
            _batch(number, connection, counts)
            assert server.json("POST", *canary) == expected
        assert len(server.lines) == 1, server.lines
    return dict(counts)


def _batch(number, connection, counts):
    """Send BATCH random requests; the same for the same number."""

    @hypothesis.seed(number)
    @hypothesis.settings(
        max_examples=BATCH, deadline=None, database=None, suppress_health_check=ALL
    )
    @hypothesis.given(strategies.randoms(use_true_random=False))
    def one(rng):
        request = mutated(*rng.choice(requests(rng)), rng)
        hypothesis.note(f"{request!r:.3000}")
        answer = ask(connection, *request)
        check(*answer)
        counts[answer[0]] += 1

    one()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    counts = run(60 * given.minutes, given.seed)
    print(f"seed {given.seed}: {sum(counts.values()):,} requests, by status {counts}")


if __name__ == "__main__":
    sys.exit(main())
