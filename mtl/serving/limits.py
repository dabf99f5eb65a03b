"""The limits of the server: what one request may ask for, and how much may wait."""

from typing import NamedTuple


class Limits(NamedTuple):
    """Limits of a request, and of all requests together. The defaults are those of the flags."""

    body_mb: int = 16  # megabytes (2**20 bytes) of the body of a request
    examples: int = 256  # in a request
    megapixels: int = 32  # millions of pixels, of all encoded images of a request together
    seconds: float = 10.0  # until the body has arrived, and again until the answer is ready
    queue: int = 1024  # examples that wait for the network
    connections: int = 4096  # open at the same time

    @property
    def body(self) -> int:
        """Bytes of the body of a request."""
        return self.body_mb << 20

    @property
    def bodies(self) -> int:
        """Bytes of all bodies that are received or answered at the same time."""
        return 16 * self.body
