"""Damage for several tests: what a disk, a network or an enemy makes of a file."""

import random

from hypothesis import HealthCheck, Phase, settings, strategies as st

KINDS = (
    "replace",
    "replace",
    "bit",
    "copy",
    "zeros",
    "ones",
    "cut out",
    "put in",
    "cut short",
    "grow",
)


def quick(examples):
    """Return the settings of a property: the same examples on every run, as many as are asked for, none of them timed."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        # The first failure is shown as it is: what kills a process, or hangs, is not to be tried a hundred times over.
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
    )


def damaged(whole):
    """Draw the bytes of a file with one to five wounds; now and then there is nothing of it left but noise."""
    # By a seed: what Hypothesis draws itself crowds at the ends of its range, and the wounds shall lie anywhere.
    return st.integers(0, 2**32).map(lambda seed: damage(whole, random.Random(seed)))


def damage(whole, rng):
    if rng.random() < 0.03:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(whole)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        kind, at, size = rng.choice(KINDS), rng.randrange(len(whole)), rng.choice([1, 1, 2, 4, 8])
        end = at + size
        if kind == "replace":
            data[at:end] = rng.randbytes(size)
        elif kind == "bit" and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == "copy":
            place = rng.randrange(len(whole))
            data[at:end] = whole[place : place + size]
        elif kind in ("zeros", "ones"):
            data[at:end] = (b"\0" if kind == "zeros" else b"\xff") * size
        elif kind == "cut out":
            del data[at : at + size * rng.choice([1, 20])]
        elif kind == "put in":
            data[at:at] = rng.randbytes(size)
        elif kind == "cut short":
            del data[at:]
        else:
            data += rng.randbytes(size)
    return bytes(data)
