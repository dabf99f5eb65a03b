"""mtl.serving.bodies: what is held, and what ends a body that is too large, slow or compressed."""

import asyncio
import types

import pytest

from mtl.serving.bodies import SMALL, Bodies
from mtl.serving.limits import Limits
from mtl.serving.refusals import Refused

LIMITS = Limits(body_mb=1, seconds=0.05)
MEGABYTE = 1 << 20


def request(*chunks, length=None, pause=0.0, **headers):
    """Return a request whose body arrives in chunks."""

    async def iter_any():
        for chunk in chunks:
            await asyncio.sleep(pause)
            yield chunk

    content = types.SimpleNamespace(iter_any=iter_any, is_eof=lambda: not pause)
    return types.SimpleNamespace(content=content, content_length=length, headers=headers)


def refused(bodies, given):
    with pytest.raises(Refused) as caught:
        asyncio.run(bodies.read(given))
    return caught.value.status


def test_chunks_are_joined():
    assert asyncio.run(Bodies(LIMITS).read(request(b"ab", b"", b"c"))) == b"abc"


def test_body_over_the_limit_is_refused_with_and_without_its_length():
    bodies = Bodies(LIMITS)
    assert refused(bodies, request(length=MEGABYTE + 1)) == 413
    assert refused(bodies, request(b"x" * MEGABYTE, b"y")) == 413
    assert len(asyncio.run(bodies.read(request(b"x" * MEGABYTE, length=MEGABYTE)))) == MEGABYTE


def test_slow_body_is_refused():
    assert refused(Bodies(LIMITS), request(b"a", b"b", pause=0.04)) == 408


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"])
def test_compressed_body_is_refused(encoding):
    given = request(b"abc", **{"Content-Encoding": encoding})
    assert refused(Bodies(LIMITS), given) == 415


def test_uncompressed_body_may_say_so():
    given = request(b"abc", **{"Content-Encoding": "identity"})
    assert asyncio.run(Bodies(LIMITS).read(given)) == b"abc"


def test_all_bodies_together_have_a_limit_until_they_are_released():
    bodies = Bodies(LIMITS)
    full = b"x" * MEGABYTE
    held = [asyncio.run(bodies.read(request(full))) for _ in range(16)]
    large = b"y" * (SMALL + 1)
    assert refused(bodies, request(large)) == 503
    small = asyncio.run(bodies.read(request(b"z" * SMALL)))
    assert len(small) == SMALL, "a few slow clients with large bodies keep out nobody else"
    bodies.release(small)
    bodies.release(held[0])
    assert asyncio.run(bodies.read(request(full))) == full


def test_refused_bodies_are_not_held():
    bodies = Bodies(LIMITS)
    for _ in range(40):
        refused(bodies, request(b"x" * MEGABYTE, b"y"))
        refused(bodies, request(b"x" * MEGABYTE, b"y", pause=0.04))
    assert asyncio.run(bodies.read(request(b"z"))) == b"z"
