"""A local web server that serves files from memory, and misbehaves on request."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Served:
    """What a server serves and how, and what was requested. May be changed at any time."""

    def __init__(self, files):
        self.files = files  # dict name -> bytes
        self.cut = None  # close each connection after this many bytes
        self.ranges = True  # support the header Range
        self.length = True  # send the header Content-Length
        self.codes = []  # status codes of the next answers, which then have no file
        self.redirect = None  # redirect each request to this address
        self.asked = []  # (name, Range or None) of each request
        self.url = None


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        served = self.server.served
        name, asked = self.path.lstrip("/"), self.headers.get("Range")
        served.asked.append((name, asked))
        if served.codes:
            self.send_error(served.codes.pop(0))
        elif served.redirect:
            self.send_response(302)
            self.send_header("Location", served.redirect)
            self.end_headers()
        elif name not in served.files:
            self.send_error(404)
        else:
            self._send(served.files[name], asked)

    def _send(self, content, asked):
        served = self.server.served
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and served.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            described = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", described)
        if served.length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        self.wfile.write(rest if served.cut is None else rest[: served.cut])


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # tests close connections early


@contextlib.contextmanager
def serve(files):
    """Serve a dict name -> bytes in a thread; yield a Served."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.served = Served(files)
    server.served.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
