"""The measured inputs of the model of scale.py.

`python -m tests.benchmarks --only=cluster` measures them again, and prints this file's records.
"""

from typing import NamedTuple, Tuple


class Network(NamedTuple):
    """A network, and how fast one worker computes its gradients."""

    name: str
    variables: Tuple[int, ...]  # bytes of each, in order of creation
    shared: int  # how many of them, the first ones, are those of the bottom
    tasks: int
    batch: int  # images of a worker in a step
    images: float  # images/s of a forward and backward pass, beside `fixed`
    fixed: float  # seconds of a pass, whatever its number of images


class Machine(NamedTuple):
    """How fast TensorFlow's runtime is on a machine."""

    name: str
    copy: float  # bytes/s that a server sends or receives if the network is not the limit
    message: float  # seconds for each tensor that is sent, whatever its size
    hop: float  # seconds for an empty message from one process to another
    add: float  # bytes/s of the gradients that are added to a sum
    update: float  # bytes/s of the variables that Adam updates
    spread: float  # standard deviation of the logarithm of the time of a pass


_DIGITS = (14080, 44) * 5
_CONVOLUTIONS = (9600, 128, 73728, 256, 221184, 384, 331776, 384, 663552, 768)
_PAPER_CONVOLUTIONS = (43200, 576, 307200, 256, 819200, 512, 2048000, 640, 3072000, 768)
_PAPER_LARGE = (*(3686400, 768) * 3, 58982400, 12288, *(37748736, 12288) * 2)

LIGHT = Network(
    name="light",
    variables=(*_CONVOLUTIONS, 1966080, 1280, 8960, 28, *_DIGITS),
    shared=12,
    tasks=6,
    batch=64,
    images=1717.0,
    fixed=0.0046,
)
PAPER = Network(
    name="paper",
    variables=(*_PAPER_CONVOLUTIONS, *_PAPER_LARGE, 86016, 28, *(135168, 44) * 5),
    shared=22,
    tasks=6,
    batch=32,
    images=83.0,
    fixed=0.075,
)
NETWORKS = {each.name: each for each in (LIGHT, PAPER)}

MACHINE = Machine(
    name="Intel Xeon with AVX-512 and AMX, 2 cores, TensorFlow 2.21",
    copy=1.37e9,
    message=4.57e-5,
    hop=5.57e-4,
    add=1.46e10,
    update=2.45e9,
    spread=0.056,
)
