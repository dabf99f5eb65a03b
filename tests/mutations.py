"""Random damage to the bytes of a file, for property tests."""

import random

from hypothesis import HealthCheck, Phase, settings, strategies as st

# "replace" is listed twice so that it is drawn twice as often.
KINDS = (
    "replace",
    "replace",
    "bit",
    "copy",
    "zeros",
    "ones",
    "delete",
    "insert",
    "truncate",
    "append",
)


def quick(examples):
    """Return Hypothesis settings: a number of examples, the same in every run, without timing."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        # No shrinking: an example that kills or hangs the process must not run a hundred times.
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
    )


def damaged(whole):
    """Return a strategy of damaged copies of some bytes; see `damage`."""
    # Hypothesis prefers the ends of a range. A seed spreads the damage over the whole file.
    return st.integers(0, 2**32).map(lambda seed: damage(whole, random.Random(seed)))


def damage(whole, rng):
    """Return a copy of some bytes, damaged in one to five places, or sometimes only noise."""
    if rng.random() < 0.03:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(whole)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        kind = rng.choice(KINDS)
        start = rng.randrange(len(whole))
        size = rng.choice([1, 1, 2, 4, 8])
        _damage_once(data, whole, rng, kind, start, size)
    return bytes(data)


def _damage_once(data, whole, rng, kind, start, size):
    end = start + size
    if kind == "replace":
        data[start:end] = rng.randbytes(size)
    elif kind == "bit" and start < len(data):
        data[start] ^= 1 << rng.randrange(8)
    elif kind == "copy":
        source = rng.randrange(len(whole))
        data[start:end] = whole[source : source + size]
    elif kind == "zeros":
        data[start:end] = b"\0" * size
    elif kind == "ones":
        data[start:end] = b"\xff" * size
    elif kind == "delete":
        del data[start : start + size * rng.choice([1, 20])]
    elif kind == "insert":
        data[start:start] = rng.randbytes(size)
    elif kind == "truncate":
        del data[start:]
    else:
        data += rng.randbytes(size)
