"""Slow links between processes of one machine: a proxy for each pair of hosts.

A host sends and receives at a limited rate, whoever the others are, as over one network card.
"""

import asyncio
import contextlib
import threading
import time

CHUNK = 1 << 16
QUEUED = 64  # chunks on their way
BURST = 0.01  # seconds that a busy machine may be late, without a loss of rate


class Pacer:
    """One direction of the link of a host."""

    def __init__(self):
        """Start with an idle link."""
        self.free = 0.0  # when it has sent what it was given

    def reserve(self, count, rate, now):
        """Return when a number of bytes is through; rate: bytes/s."""
        self.free = max(self.free, now - BURST) + count / rate
        return self.free


class Links:
    """The proxies. Set `rate` and `latency` at any time."""

    def __init__(self, pairs):
        """Start them.

        Args:
          pairs: list of (sender, receiver, address listened to, address of the receiver); sender
            is who opens the connections.
        """
        self.rate = 1e12  # bytes/s
        self.latency = 0.0  # seconds, one way
        hosts = {host for pair in pairs for host in pair[:2]}
        self._out = {host: Pacer() for host in hosts}
        self._into = {host: Pacer() for host in hosts}
        self._writers = set()  # of the open connections
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        for pair in pairs:
            asyncio.run_coroutine_threadsafe(self._listen(*pair), self._loop).result(10)

    def set(self, rate, latency=0.0):
        """Set the rate of each host in bytes/s, and the latency in seconds."""
        self.rate, self.latency = rate, latency

    def reset(self):
        """Break all connections. New ones may be opened."""
        self._loop.call_soon_threadsafe(self._reset)

    def _reset(self):
        for writer in list(self._writers):
            writer.transport.abort()

    async def _listen(self, sender, receiver, address, target):
        async def connected(reader, writer):
            try:
                other_reader, other_writer = await asyncio.open_connection(*_split(target))
            except OSError:  # the receiver has not started, or has ended
                writer.close()
                return
            both = {writer, other_writer}
            self._writers |= both
            there = self._copy(reader, other_writer, sender, receiver)
            back = self._copy(other_reader, writer, receiver, sender)
            await asyncio.gather(there, back)
            self._writers -= both

        await asyncio.start_server(connected, *_split(address))

    async def _copy(self, reader, writer, sender, receiver):
        """Copy what a host sends to another one, at the rate of both links."""
        queue = asyncio.Queue(QUEUED)
        delivering = asyncio.ensure_future(_deliver(queue, writer))
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK):
                now = time.monotonic()
                through = self._out[sender].reserve(len(chunk), self.rate, now)
                through = max(through, self._into[receiver].reserve(len(chunk), self.rate, now))
                await queue.put((max(through, now) + self.latency, chunk))
                # Without this wait, one connection would reserve the link for seconds.
                await asyncio.sleep(through - now)
        await queue.put((0.0, b""))
        await delivering


async def _deliver(queue, writer):
    """Write chunks when their time has come."""
    with contextlib.suppress(ConnectionError):
        while True:
            due, chunk = await queue.get()
            if not chunk:
                break
            await asyncio.sleep(due - time.monotonic())
            writer.write(chunk)
            await writer.drain()
    writer.close()


def _split(address):
    host, _, port = address.rpartition(":")
    return host, int(port)


@contextlib.contextmanager
def opened(pairs):
    """Open Links."""
    yield Links(pairs)
