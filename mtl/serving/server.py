"""Run the application: open the port, serve until a signal, drain, and end."""

import asyncio
import gc
import logging
import resource
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from aiohttp import web

from mtl.errors import UsageError
from mtl.serving import app as app_lib, guard, request_images
from mtl.serving.current import Current
from mtl.serving.limits import Limits
from mtl.serving.metrics import Metrics
from mtl.serving.models import Source

LOOK = 0.1  # seconds between two looks for a signal
IDLE = 30  # seconds until a connection without a complete request is closed
GARBAGE = 50_000  # new objects until Python searches for garbage
SPARE = 64  # open files besides the connections
BACKLOG = 1024  # connections that the system accepts before the server does
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Retry-After: 1\r\nContent-Length: 33\r\n\r\n" + b'{"error": "too many connections"}'
)


class Settings(NamedTuple):
    """What a server needs besides its model."""

    name: str = "mtl"  # of the model, in paths
    host: str = "127.0.0.1"
    port: int = 8501  # 0 is any free port
    batch_timeout: float = 0.002  # seconds
    limits: Limits = Limits()


def listen(host: str, port: int) -> socket.socket:
    """Open the port.

    Raises:
      UsageError: the address cannot be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return _listen(*found[0])
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        cure = "choose another --port or --host"
        raise UsageError(f"{host}:{port} cannot be used ({reason}); {cure}") from None


def _listen(family, kind, protocol, _, address):
    """Return a socket that listens at an address of getaddrinfo."""
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a client that reads nothing is disconnected
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * IDLE))
        opened.bind(address)
        opened.listen(BACKLOG)
        return opened
    except OSError:
        opened.close()
        raise


def connections(most: int) -> int:
    """Raise the limit of open files; return how many connections it allows, at most `most`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - SPARE)
    return most


def run(
    source: Source,
    opened: socket.socket,
    settings: Settings,
    *,
    stopped: Callable[[], Any],
    say: Callable[[str], Any],
) -> None:
    """Serve a model until `stopped` returns a true value; then answer the requests that came.

    Args:
      source: of the model.
      opened: of `listen`.
      settings: Settings.
      stopped: asked ten times a second.
      say: called with one line for each event. No line has a part of a request.

    Raises:
      MtlError: the model cannot be loaded.
    """
    # Its lines contain parts of wrong requests.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL + 1)
    request_images.silence()
    asyncio.run(_serve(source, opened, settings, stopped, say))


async def _serve(source, opened, settings, stopped, say):
    metrics, limits = Metrics(), settings.limits
    current = Current(source, metrics, timeout=settings.batch_timeout, queue=limits.queue, say=say)
    await current.load()
    # One image in JSON is 4,096 lists. By default Python searches for garbage after every 700 new
    # ones, also among the objects of TensorFlow, which takes several times as long as to parse it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    app, drain = app_lib.build(current, metrics, limits, settings.name, say)
    runner = web.AppRunner(app, shutdown_timeout=2 * limits.seconds)
    await runner.setup()
    metrics.connections.set_function(lambda: len(runner.server.connections))
    loop = asyncio.get_running_loop()
    factory = _Door(runner.server, loop, connections(limits.connections))
    server = await loop.create_server(factory, sock=opened, backlog=BACKLOG)
    host, port = opened.getsockname()[:2]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    say(f"serving {settings.name} version {current.serving.version} at http://{where}")
    following = loop.create_task(current.follow())
    while not stopped():
        await asyncio.sleep(LOOK)
    drain()
    say("stopping: no new connections; answering the requests that came")
    server.close()
    following.cancel()
    await runner.cleanup()  # waits for the requests that are being answered
    await current.close()


class _Door:
    """Makes the protocol of each connection; one too many gets an error at once."""

    def __init__(self, server, loop, most):
        self._server = server
        self._loop = loop
        self._most = most

    def __call__(self):
        if len(self._server.connections) >= self._most:
            return _Full()
        settings = {"access_log": None, "auto_decompress": False, "keepalive_timeout": IDLE}
        return _Connection(self._server, loop=self._loop, **settings)


class _Connection(web.RequestHandler):
    """A connection. Bytes that are not HTTP get an error like those of the application."""

    def handle_error(self, request, status=500, exc=None, message=None):
        """Return the answer. That of aiohttp contains its version and a part of the request."""
        super().handle_error(request, status, exc, message)  # raises if an answer has begun
        return guard.not_http(status)


class _Full(asyncio.Protocol):
    """Refuses a connection."""

    def connection_made(self, transport):
        transport.write(_FULL)
        transport.close()
