"""mtl.serving.guard: errors as JSON, headers of security, and logs without requests."""

import io
import json
import socket

from PIL import Image

from tests.serving import fake

SECRET = "s3cret"


def png():
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    return file.getvalue()


def test_unknown_paths_and_methods_are_errors_in_json():
    with fake.serve() as server:
        for path in ("/nowhere", "/v1/models", "/v2/models", "/predict/x", "/..%2f..%2fetc/passwd"):
            assert server.json("GET", path) == (
                404,
                {"error": "no such path; GET /openapi.json lists them"},
            )
        status, found = server.json("GET", "/predict")
        assert status == 405 and found == {"error": "this path takes POST, not GET"}
        assert server.ask("GET", "/predict")[1]["Allow"] == "POST"


def test_answers_have_headers_of_security_and_no_versions():
    with fake.serve() as server:
        for method, path in (("GET", "/"), ("GET", "/nowhere"), ("POST", "/predict")):
            headers = server.ask(method, path, b"")[1]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cache-Control"] == "no-store"
            assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
            assert headers["Server"] == "mtl"
            assert headers["Access-Control-Allow-Origin"] is None


def test_fault_of_the_server_is_500_without_details_and_one_line_without_the_request():
    armed = []

    def fail(examples):
        if armed:
            raise RuntimeError(SECRET)

    with fake.serve(fake.Model(before=fail)) as server:
        armed.append(True)
        status, found = server.json("POST", "/predict", png())
        armed.clear()
        assert status == 500 and found == {"error": "fault of the server; its log has the place"}
        assert server.json("POST", "/predict", png())[0] == 200
        (line,) = [line for line in server.lines if "fault" in line]
    assert "RuntimeError in fail, " in line and SECRET not in line


def test_busy_server_says_when_to_try_again():
    def no_memory(examples):
        if len(armed):
            raise MemoryError

    armed = []
    with fake.serve(fake.Model(before=no_memory)) as server:
        armed.append(True)
        status, headers, _ = server.ask("POST", "/predict", png())
        assert status == 503 and headers["Retry-After"] == "1"


def test_requests_leave_no_trace(capfd):
    with fake.serve() as server:
        server.json("POST", f"/predict?{SECRET}", SECRET.encode())
        server.json("GET", f"/{SECRET}")
        server.json("POST", f"/v1/models/{SECRET}:predict", {SECRET: SECRET})
        server.json("POST", "/v1/models/mtl:predict", {"signature_name": SECRET, "inputs": []})
        with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
            connection.sendall(f"{SECRET}\r\n\r\n".encode())
            connection.recv(1000)
        metrics = server.ask("GET", "/metrics")[2].decode()
        assert SECRET not in "\n".join(server.lines) + metrics
    assert SECRET not in "".join(capfd.readouterr())


def test_bytes_that_are_not_http_get_an_error_in_json_without_versions():
    with fake.serve() as server:
        for sent in (
            b"hello\r\n\r\n",
            b"GET /s3cret HTTP/x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
                connection.sendall(sent)
                found = b"".join(iter(lambda: connection.recv(65536), b""))
            head, body = found.split(b"\r\n\r\n")
            assert head.split()[1] == b"400" and b"\r\nServer: mtl\r\n" in head
            assert b"\r\nContent-Type: application/json\r\n" in head and b"aiohttp" not in found
            assert list(json.loads(body)) == ["error"] and SECRET.encode() not in found
