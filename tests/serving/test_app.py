"""mtl.serving.app: each route, asked over HTTP; the protocols have their own tests."""

import base64
import io
import json
import re
import threading
import time

import numpy as np
import pytest
from PIL import Image

from mtl.serving.limits import Limits
from tests.serving import fake


@pytest.fixture(scope="module")
def server():
    with fake.serve(name="house") as running:
        yield running


def png(value, size=(5, 6)):
    file = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


PIXELS = np.full((1, *fake.INPUTS.shape), 3).tolist()


# -- one image -------------------------------------------------------------------------------------


def test_predict_takes_the_bytes_of_an_image(server):
    status, found = server.json("POST", "/predict", png(4))
    assert status == 200
    assert list(found) == ["number", "confidence", "length", "digits"]
    assert found["number"] == "4" and len(found["digits"]) == 5 and len(found["length"]) == 7


def test_predict_shows_what_the_network_saw_if_asked(server):
    found = server.json("POST", "/predict?seen=1", png(4, (50, 60)))[1]
    (seen,) = found["seen"]
    with Image.open(io.BytesIO(base64.b64decode(seen.split(",")[1]))) as image:
        assert image.size == (5, 6) and image.getpixel((2, 2)) == (4, 0, 0)
    assert "seen" not in server.json("POST", "/predict?seen=0", png(4))[1]


@pytest.mark.parametrize("body", [b"", b"text", png(4)[:40]])
def test_predict_refuses_what_is_not_an_image(server, body):
    status, found = server.json("POST", "/predict", body)
    assert status == 400 and list(found) == ["error"]


def test_predict_takes_features_of_a_table():
    with fake.serve(fake.Model(of=fake.OWN, inputs=fake.FEATURES)) as server:
        status, found = server.json("POST", "/predict", {"features": [1.5, 2, 3]})
        assert status == 200 and found["tasks"]["height"] == {"value": 1.5}
        assert found["tasks"]["colour"]["class"] == 0
        for wrong in ({"features": [1, 2]}, {"other": [1, 2, 3]}, {}, {"features": None}):
            assert server.json("POST", "/predict", wrong)[0] == 400
        assert server.json("POST", "/predict", png(1))[0] == 400
        found = server.json("POST", "/v1/models/mtl:predict", {"instances": [[4, 5, 6]]})[1]
        assert found["predictions"][0]["height_value"] == 4


# -- TensorFlow Serving ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/models/house", "/v1/models/house/versions/7"])
def test_rest_of_a_model_and_of_its_version(server, path):
    status, found = server.json("GET", path)
    assert status == 200 and found["model_version_status"][0]["version"] == "7"
    found = server.json("GET", f"{path}/metadata")[1]
    assert found["model_spec"]["name"] == "house"
    body = {"signature_name": "pixels", "instances": PIXELS}
    found = server.json("POST", f"{path}:predict", body)[1]
    assert found["predictions"][0]["number"] == "3"
    image = {"b64": base64.b64encode(png(8)).decode()}
    assert server.json("POST", f"{path}:predict", {"inputs": [image]})[1]["outputs"]["number"] == [
        "8"
    ]


@pytest.mark.parametrize(
    "path",
    ["/v1/models/other", "/v1/models/house/versions/8", "/v1/models/house/versions/07"],
)
def test_rest_of_another_model_or_version_does_not_exist(server, path):
    for method, end in (("GET", ""), ("GET", "/metadata"), ("POST", ":predict")):
        status, found = server.json(method, path + end, {"instances": []})
        assert status == 404 and found["error"].startswith("Servable not found for request: ")


# -- the Open Inference Protocol -------------------------------------------------------------------


def test_v2_describes_the_server_and_the_model(server):
    assert server.json("GET", "/v2")[1]["name"] == "mtl"
    assert server.json("GET", "/v2/health/live") == (200, {"live": True})
    assert server.json("GET", "/v2/health/ready") == (200, {"ready": True})
    for path in ("/v2/models/house", "/v2/models/house/versions/7"):
        assert server.json("GET", path)[1]["versions"] == ["7"]
        assert server.json("GET", f"{path}/ready")[0] == 200
    for path in ("/v2/models/other", "/v2/models/house/versions/1"):
        assert server.json("GET", path)[0] == server.json("GET", f"{path}/ready")[0] == 404
        assert server.json("POST", f"{path}/infer", {})[0] == 404


def test_v2_infers_with_json_and_with_binary_data(server):
    tensor = {"name": "pixels", "shape": [1, 6, 5, 3], "datatype": "UINT8"}
    record = {"inputs": [{**tensor, "data": PIXELS}]}
    status, found = server.json("POST", "/v2/models/house/infer", record)
    assert status == 200 and found["outputs"][0]["data"] == ["3"]
    head = {"inputs": [{**tensor, "parameters": {"binary_data_size": 90}}]}
    head["parameters"] = {"binary_data_output": True}
    head = json.dumps(head).encode()
    name = "Inference-Header-Content-Length"
    status, headers, body = server.ask(
        "POST", "/v2/models/house/infer", head + bytes([9] * 90), {name: str(len(head))}
    )
    assert status == 200
    record = json.loads(body[: int(headers[name])])
    assert record["outputs"][0]["parameters"] == {"binary_data_size": 5}
    assert body[int(headers[name]) :][:5] == b"\x01\0\0\x009"
    for wrong in ("x", "-1", "", "1" * 30, "1000000"):
        assert server.json("POST", "/v2/models/house/infer", head, {name: wrong})[0] == 400


# -- the rest --------------------------------------------------------------------------------------


def test_page_is_html_that_asks_nobody_else(server):
    status, headers, body = server.ask("GET", "/")
    assert status == 200 and headers.get_content_type() == "text/html"
    assert b"house" in body
    assert not re.search(rb"(src|href|action|url|import)\b[\s=(\"']*(https?:)?//", body)


def test_health_and_metrics(server):
    assert server.json("GET", "/healthz") == (200, {"status": "ok", "version": 7})
    server.json("POST", "/v1/models/house:predict", b"{")
    status, headers, body = server.ask("GET", "/metrics")
    assert status == 200 and headers.get_content_type() == "text/plain"
    assert b"mtl_model_version 7.0" in body and b"mtl_batch_examples_count" in body
    assert b'mtl_requests_total{code="400",route="/v1/models/{name}:predict"}' in body


def test_limits_of_the_server_reach_the_protocols():
    limits = Limits(examples=2, megapixels=1, body_mb=1)
    with fake.serve(limits=limits) as server:
        body = {"signature_name": "pixels", "instances": PIXELS * 3}
        assert server.json("POST", "/v1/models/mtl:predict", body)[0] == 413
        assert server.json("POST", "/predict", png(1, (1100, 1000)))[0] == 413
        assert server.json("POST", "/predict", b"x" * (1 << 20 | 1))[0] == 413
        assert server.json("POST", "/predict", png(1))[0] == 200


def test_network_that_is_too_slow_gives_504_and_recovers():
    go = threading.Event()
    go.set()
    model = fake.Model(before=lambda examples: go.wait(20))
    with fake.serve(model, limits=Limits(seconds=0.3)) as server:
        go.clear()
        status, found = server.json("POST", "/predict", png(1))
        assert status == 504 and "within 0.3 seconds" in found["error"]
        go.set()
        end = time.monotonic() + 20
        while (answer := server.json("POST", "/predict", png(2)))[0] == 504:
            assert time.monotonic() < end
        assert answer[1]["number"] == "2"
