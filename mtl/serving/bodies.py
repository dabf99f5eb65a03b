"""Receive the bodies of requests: slow clients and large bodies must not take all memory."""

import asyncio

from aiohttp import web

from mtl.serving.limits import Limits
from mtl.serving.refusals import Refused, busy, too_large

# Bytes of a body that is received even if large ones fill the limit, so that a few slow clients
# cannot keep out everybody else. The limit of connections also limits these bodies.
SMALL = 1 << 16


class Bodies:
    """Receives bodies within the limits of a server."""

    def __init__(self, limits: Limits):
        """Start with no body."""
        self._limits = limits
        self._held = 0  # bytes of all bodies

    async def read(self, request: web.Request) -> bytes:
        """Return the body of a request. It counts as held until `release`.

        Raises:
          Refused: it is too large, too slow or compressed, or too many bytes are held.
        """
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            # A compressed body may be a thousand times as large as what is sent.
            raise Refused(415, "Content-Encoding is not supported; send the body uncompressed")
        if (request.content_length or 0) > self._limits.body:
            raise self._too_large()
        found = bytearray()
        try:
            if request.content.is_eof():  # nothing to wait for: a timer would take longer
                await self._receive(request, found)
            else:
                await asyncio.wait_for(self._receive(request, found), self._limits.seconds)
        except asyncio.TimeoutError:
            self._held -= len(found)
            what = f"the body has not arrived within {self._limits.seconds:g} seconds"
            raise Refused(408, f"{what}; send less, or faster") from None
        except BaseException:
            self._held -= len(found)
            raise
        return bytes(found)

    async def _receive(self, request, found):
        async for chunk in request.content.iter_any():
            found += chunk
            self._held += len(chunk)
            if len(found) > self._limits.body:
                raise self._too_large()
            if len(found) > SMALL and self._held > self._limits.bodies:
                raise busy("the server holds too many requests; try again in a second")

    def _too_large(self):
        return too_large(f"the body is larger than {self._limits.body_mb} MB; send less")

    def release(self, body: bytes) -> None:
        """Stop counting a body."""
        self._held -= len(body)
