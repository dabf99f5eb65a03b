"""A client that loads a server: requests are bytes made before, answers are only counted.

It needs little processor time, because it shares the cores with the server.
"""

import asyncio
import base64
import contextlib
import json
import multiprocessing
import random
import time
from typing import NamedTuple

import numpy as np

_END = b"\r\n\r\n"
PATIENCE = 20.0  # seconds that a client waits for an answer


class Measured(NamedTuple):
    """What a load measured."""

    seconds: float
    latencies: list  # seconds of each answer with status 200, in the order of the answers
    errors: int  # other answers, and broken connections

    @property
    def rate(self):
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share):
        """Return a quantile of the latencies in milliseconds."""
        return 1e3 * float(np.quantile(self.latencies, share)) if self.latencies else float("nan")


def request(path, body, **headers):
    """Return the bytes of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _END + body


def pixels_json(images, path="/v1/models/mtl:predict"):
    """Return a request for images, uint8 [n, h, w, c], as nested lists."""
    body = {"signature_name": "pixels", "instances": images.tolist()}
    return request(path, json.dumps(body, separators=(",", ":")).encode())


def pixels_binary(images, path="/v2/models/mtl/infer"):
    """Return a request for images as binary data of the Open Inference Protocol."""
    tensor = {"name": "pixels", "shape": list(images.shape), "datatype": "UINT8"}
    tensor["parameters"] = {"binary_data_size": images.nbytes}
    head = json.dumps({"inputs": [tensor]}).encode()
    return request(path, head + images.tobytes(), Inference_Header_Content_Length=len(head))


def encoded(files, path="/v1/models/mtl:predict"):
    """Return a request for the bytes of image files."""
    images = [{"b64": base64.b64encode(file).decode()} for file in files]
    return request(path, json.dumps({"instances": images}).encode())


class _Connection:
    """A connection that sends one request after the other."""

    def __init__(self, port):
        self._port = port
        self._reader = self._writer = None

    async def ask(self, data):
        """Send a request; return the status, 0 for a broken connection or no answer."""
        try:
            return await asyncio.wait_for(self._ask(data), PATIENCE)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError):
            self.close()
            return 0

    async def _ask(self, data):
        if self._writer is None:
            opened = await asyncio.open_connection("127.0.0.1", self._port)
            self._reader, self._writer = opened
        self._writer.write(data)
        head = await self._reader.readuntil(_END)
        lower = head.lower()
        start = lower.index(b"content-length:") + len(b"content-length:")
        await self._reader.readexactly(int(lower[start : lower.index(b"\r", start)]))
        if b"connection: close" in lower:
            self.close()
        return int(head[9:12])

    def close(self):
        """Close the connection; the next request opens another one."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def closed(port, requests, clients, seconds):
    """Load a server with clients that each wait for their answer; return Measured.

    Args:
      port: int.
      requests: list of bytes; the clients send them in turns.
      clients: int.
      seconds: float.
    """
    return asyncio.run(_closed(port, requests, clients, seconds))


async def _closed(port, requests, clients, seconds):
    latencies, errors = [], 0
    start = time.monotonic()

    async def client(number):
        nonlocal errors
        connection = _Connection(port)
        while (began := time.monotonic()) < start + seconds:
            status = await connection.ask(requests[number % len(requests)])
            number += 1
            if status == 200:
                latencies.append(time.monotonic() - began)
            else:
                errors += 1
        connection.close()

    await asyncio.gather(*map(client, range(clients)))
    return Measured(time.monotonic() - start, latencies, errors)


def arriving(port, data, rate, seconds, seed=None):
    """Load a server with requests that arrive at a rate, whatever it does; return Measured.

    A latency counts from the arrival, also where all connections were busy.

    Args:
      port: int.
      data: bytes of the request.
      rate: float, requests a second.
      seconds: float.
      seed: int of a Poisson process; None for equal distances.
    """
    rng = None if seed is None else random.Random(seed)
    return asyncio.run(_arriving(port, data, rate, seconds, rng))


async def _arriving(port, data, rate, seconds, rng):
    latencies, errors, free, tasks = [], 0, [], set()
    start = due = time.monotonic()

    async def one(arrival):
        nonlocal errors
        connection = free.pop() if free else _Connection(port)
        status = await connection.ask(data)
        free.append(connection)
        if status == 200:
            latencies.append(time.monotonic() - arrival)
        else:
            errors += 1

    while (due := due + (rng.expovariate(rate) if rng else 1 / rate)) < start + seconds:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(one(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    for connection in free:
        connection.close()
    return Measured(time.monotonic() - start, latencies, errors)


@contextlib.contextmanager
def slow(port, count):
    """Hold connections that each send one byte of a request a second, in `with`."""
    process = multiprocessing.get_context("spawn").Process(target=_drip, args=[port, count])
    process.start()
    time.sleep(2.0)  # until all are connected
    try:
        yield
    finally:
        process.kill()
        process.join()


def _drip(port, count):
    """Send slow requests until the process is killed. A closed connection is opened again."""

    async def one():
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
                for _ in range(8):
                    writer.write(b"x")
                    await asyncio.sleep(1.0)
                writer.close()
            await asyncio.sleep(0.1)

    async def everyone():
        await asyncio.gather(*(one() for _ in range(count)))

    asyncio.run(everyone())
