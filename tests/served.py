"""A web server on this machine that serves files from memory, as well or as badly as a test wants."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Served:
    """What is served, how, and what was asked for."""

    def __init__(self, files):
        self.files = files  # dict name -> bytes
        self.cut = None  # bytes after which each connection is cut
        self.ranges = True  # whether Range is heeded
        self.length = True  # whether Content-Length is told
        self.codes = []  # answers to give first, in place of files
        self.redirect = None  # where to send everybody
        self.asked = []  # (name, Range or None)
        self.url = None


@contextlib.contextmanager
def serve(files):
    """Serve a dict name -> bytes in a thread; yields a Served, whose fields may be changed at any time."""
    served = Served(files)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
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
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and served.ranges else 0
            if start >= len(content) and start:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            if served.length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            rest = content[start:]
            self.wfile.write(rest if served.cut is None else rest[: served.cut])

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # clients that leave are what is tested

    server = Server(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
