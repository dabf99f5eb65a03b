"""Hostile requests: each gets a 4xx within a second, and no other client notices.

The server has a model without a network, so only the server is tested.
"""

import base64
import io
import json
import socket
import struct
import time
import zlib

import pytest
from PIL import Image

from mtl.serving.limits import Limits
from tests.serving import fake

LIMITS = Limits(body_mb=1, megapixels=2, examples=16, seconds=0.6, connections=3000)
REST, INFER = "/v1/models/mtl:predict", "/v2/models/mtl/infer"
SECRET = b"s3cret"


@pytest.fixture(scope="module")
def server():
    with fake.serve(limits=LIMITS) as running:
        yield running
        assert len(running.lines) == 1, running.lines  # no fault of the server, no trace


@pytest.fixture(autouse=True)
def others_are_not_harmed(server, capfd):
    yield
    start = time.monotonic()
    assert server.json("POST", "/predict", png(4))[1]["number"] == "4"
    assert time.monotonic() - start < 1
    assert "".join(capfd.readouterr()) == ""


def png(value=1, size=(5, 6)):
    file = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def refused(server, path, body, headers=()):
    """Assert that a POST gets a 4xx with an error in JSON within a second; return its status."""
    start = time.monotonic()
    status, found = server.json("POST", path, body, headers)
    assert time.monotonic() - start < 1
    assert 400 <= status < 500 and list(found) == ["error"], (status, found)
    assert "\n" not in found["error"] and len(found["error"]) < 300
    return status


def raw(server, *parts, pause=0.0, until=3.0):
    """Send bytes as they are; return everything that comes back until the connection ends."""
    found = b""
    with socket.create_connection(("127.0.0.1", server.port), until) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                found += chunk
        except (ConnectionError, TimeoutError):
            pass
    return found


def statuses(found):
    """Return the statuses of all answers in some bytes."""
    return [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]]


# -- bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/predict", REST, INFER])
def test_body_over_the_limit(server, path):
    assert refused(server, path, b"x" * (LIMITS.body + 1)) == 413


def test_body_over_the_limit_in_chunks_without_a_length(server):
    head = f"POST {REST} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    found = raw(server, head, *[chunk] * 17, b"0\r\n\r\n")
    assert statuses(found)[:1] in ([413], [])  # the server may close before it is read


def test_length_that_promises_gigabytes(server):
    head = f"POST {REST} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    assert statuses(raw(server, head.encode())) == [413]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_compressed_bomb(server, encoding):
    body = zlib.compress(b"[" * 10_000_000)
    assert refused(server, REST, body, {"Content-Encoding": encoding}) == 415


def test_body_that_never_ends(server):
    head = f"POST {REST} HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n".encode()
    start = time.monotonic()
    assert statuses(raw_open(server, head + b"{")) == [408]
    assert time.monotonic() - start < LIMITS.seconds + 1


def raw_open(server, data):
    """Send bytes, then wait for the answer without closing the connection."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(data)
        return connection.recv(65536)


# -- JSON ------------------------------------------------------------------------------------------

DEEP = b"[" * 400_000
WRONG = {
    "empty": b"",
    "text": b"hello",
    "truncated": b'{"instances": [',
    "not UTF-8": b'{"instances": ["\xff"]}',
    "deep": b'{"instances": ' + DEEP,
    "deep and closed": b'{"instances": ' + DEEP + b"]" * len(DEEP) + b"}",
    "deep objects": b'{"inputs": ' + b'{"a":' * 150_000 + b"1" + b"}" * 150_001,
    "as deep as JSON allows": b'{"instances": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "deep name": b'{"signature_name": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "deep input": b'{"inputs": [{"name": ' + b"[" * 1000 + b"]" * 1000 + b"}]}",
    "one long text": b'{"signature_name": "pixels", "instances": ["%s", %s""]}'
    % (b"x" * 900_000, b'"",' * 20_000),
    "one long text as data": b'{"inputs": [{"name": "pixels", "datatype": "UINT8", '
    b'"shape": [1, 6, 5, 3], "data": ["%s", %s""]}]}' % (b"x" * 900_000, b'"",' * 20_000),
    "NaN": b'{"instances": [NaN]}',
    "infinity": b'{"instances": [1e999]}',
    "huge number": b'{"instances": [' + b"9" * 300_000 + b"]}",
    "many instances": b'{"instances": [' + b"1," * 500_000 + b"1]}",
    "many empty lists": b'{"instances": [' + b"[]," * 300_000 + b"[]]}",
    "many keys": b'{"instances": [{' + b",".join(b'"%d":1' % i for i in range(80_000)) + b"}]}",
    "null": b"null",
    "list": b"[]",
    "both": b'{"instances": [1], "inputs": [1]}',
    "wrong base64": b'{"instances": [{"b64": "%%%"}]}',
    "base64 of nothing": b'{"instances": [{"b64": ""}]}',
    "text as image": b'{"instances": ["s3cret"]}',
    "bool": b'{"signature_name": "pixels", "instances": [true]}',
    "ragged": b'{"signature_name": "pixels", "instances": [[[1], [2, 3]]]}',
    "negative": b'{"signature_name": "pixels", "instances": [-1]}',
    "unknown signature": b'{"signature_name": "../../etc/passwd", "instances": [1]}',
    "signature of another type": b'{"signature_name": {"a": 1}, "instances": [1]}',
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("path", [REST, INFER])
def test_wrong_json(server, path, name):
    refused(server, path, WRONG[name])


@pytest.mark.parametrize("length", ["-1", "0", "5", "99999999", "1e3", "\u0661", "", "0x10"])
def test_lies_about_binary_data(server, length):
    tensor = {"name": "pixels", "shape": [1, 6, 5, 3], "datatype": "UINT8"}
    tensor["parameters"] = {"binary_data_size": 10**9}
    body = json.dumps({"inputs": [tensor]}).encode() + b"xyz"
    refused(server, INFER, body, {"Inference-Header-Content-Length": length.encode("utf-8")})


def test_binary_image_that_claims_gigabytes(server):
    data = struct.pack("<I", 2**32 - 1) + b"x"
    tensor = {"name": "images", "shape": [1], "datatype": "BYTES"}
    tensor["parameters"] = {"binary_data_size": len(data)}
    head = json.dumps({"inputs": [tensor]}).encode()
    refused(server, INFER, head + data, {"Inference-Header-Content-Length": str(len(head))})


# -- images ----------------------------------------------------------------------------------------


def chunk(kind, data):
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png_of(width, height, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


ZEROS = zlib.compress(b"\0" * 20_000_000)
IMAGES = {
    "30000 x 30000": png_of(30_000, 30_000, chunk(b"IDAT", ZEROS)),
    "2 ** 31 wide": png_of(2**31 - 1, 1, chunk(b"IDAT", ZEROS)),
    "text bomb": png_of(9, 9, *[chunk(b"zTXt", b"a\0\0" + ZEROS)] * 9, chunk(b"IDAT", b"")),
    "profile bomb": png_of(9, 9, chunk(b"iCCP", b"a\0\0" + ZEROS), chunk(b"IDAT", b"")),
    "too many frames": b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0) + b"\x2c" * 99,
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "tiff that points to itself": b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 256, 4, 1, 8),
    "jpeg without data": b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9",
    "zip": b"PK\x03\x04" + b"\0" * 60,
    "netpbm without pixels": b"P6 1400 1400 255\n",
}


@pytest.mark.parametrize("name", IMAGES)
def test_wrong_image(server, name):
    refused(server, "/predict", IMAGES[name])
    refused(server, REST, {"instances": [{"b64": base64.b64encode(IMAGES[name]).decode()}]})


def test_many_small_images_with_too_many_pixels_together(server):
    image = {"b64": base64.b64encode(png(size=(800, 800))).decode()}
    assert refused(server, REST, {"instances": [image] * 4}) == 413


# -- HTTP ------------------------------------------------------------------------------------------

BODY = b'{"inputs": []}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
POST = f"POST {REST} HTTP/1.1\r\nHost: a\r\n".encode()
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
TRICKS = {
    "length and chunks": POST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + LENGTH + b"Content-Length: 3\r\n\r\n" + BODY + SMUGGLED,
    "list of lengths": POST + b"Content-Length: 14, 3\r\n\r\n" + BODY,
    "signed length": POST + b"Content-Length: +14\r\n\r\n" + BODY,
    "negative length": POST + b"Content-Length: -14\r\n\r\n" + BODY,
    "hidden chunks": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "twice chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "space before the colon": POST + b"Content-Length : 14\r\n\r\n" + BODY,
    "folded header": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "null in a header": POST + b"X: a\0b\r\n" + LENGTH + b"\r\n" + BODY,
    "bad chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "huge chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\na",
    "long header": POST + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
    "long path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /s3cret\r\n\r\n",
    "other version": b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "unknown method": b"S3CRET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tunnel": b"CONNECT example.org:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "proxy": b"GET http://example.org/s3cret HTTP/1.1\r\nHost: a\r\n\r\n",
    "binary": bytes(range(256)) * 4,
    "tls": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"x" * 200 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", TRICKS)
def test_tricks_of_http_are_refused_and_nothing_is_smuggled(server, name):
    start = time.monotonic()
    found = raw(server, TRICKS[name])
    assert time.monotonic() - start < 1.5
    codes = statuses(found)
    assert all(400 <= code < 500 for code in codes), found[:500]
    assert b'"status":"ok"' not in found  # the answer of SMUGGLED


def test_many_headers(server):
    headers = b"".join(b"X-%d: a\r\n" % index for index in range(20_000))
    codes = statuses(raw(server, b"GET /nowhere HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n"))
    assert all(400 <= code < 500 for code in codes)


def test_pipelined_requests_are_answered_in_order(server):
    found = raw_all(server, SMUGGLED * 3, 3)
    assert statuses(found) == [200, 200, 200]


def raw_all(server, data, count):
    """Send bytes; return the answers until there are `count`."""
    found = b""
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(data)
        while len(statuses(found)) < count or not found.endswith(b"}"):
            found += connection.recv(65536)
    return found


NAMES = [
    "..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cwindows",
    "mtl%00",
    "mtl%0d%0aX-Injected:%20yes",
    "%ff%fe",
    "m" * 5000,
    "mtl/../mtl",
    "mtl:predict:predict",
    "mtl%2fversions%2f7",
    "MTL",
    "%E2%80%AE",
    "mtl/versions/../7",
    "mtl/versions/-1",
    "mtl/versions/" + "7" * 3000,
    "mtl/versions/7%20",
    "mtl/labels/stable",
]


@pytest.mark.parametrize("name", NAMES)
def test_tricks_in_names_of_models(server, name):
    for path in (f"/v1/models/{name}", f"/v1/models/{name}/metadata", f"/v2/models/{name}/ready"):
        start = time.monotonic()
        status, headers, _ = server.ask("GET", path)
        assert 400 <= status < 500 and headers["X-Injected"] is None
        assert time.monotonic() - start < 1
    assert 400 <= server.ask("POST", f"/v1/models/{name}:predict", BODY)[0] < 500
    assert 400 <= server.ask("POST", f"/v2/models/{name}/infer", BODY)[0] < 500


# -- slow clients ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_thousand_slow_clients_do_not_stop_a_quick_one(server):
    head = POST + b"Content-Length: 90\r\n\r\n{"
    slow = []
    try:
        for _ in range(1000):
            connection = socket.create_connection(("127.0.0.1", server.port), 5)
            connection.sendall(POST if len(slow) % 2 else head)
            slow.append(connection)
        for _ in range(20):
            start = time.monotonic()
            assert server.json("POST", "/predict", png(6))[1]["number"] == "6"
            assert time.monotonic() - start < 0.5
    finally:
        for connection in slow:
            connection.close()


def test_client_that_reads_nothing_does_not_stop_another(server):
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.5)
        try:
            connection.sendall(request * 20_000)
        except OSError:
            pass
        assert server.json("GET", "/healthz")[0] == 200
