"""A call of a network: the signature of a request, and its examples."""

from typing import NamedTuple

import numpy as np

from mtl.serving.signatures import Signature


class Call(NamedTuple):
    """What a request asks of a network, whatever its protocol."""

    signature: str  # its name
    examples: list[bytes] | np.ndarray  # encoded images, or [n, *shape] of the type of the input
    form: object = None  # how the protocol writes the answer


Signatures = dict[str, Signature]  # by name, the default first
