"""Labelled pictures of numbers in memory: what every data set with an end delivers."""

from typing import List, NamedTuple

import numpy as np


class Examples(NamedTuple):
    """n pictures of numbers, each cut to the window and resized."""

    images: np.ndarray  # uint8 [n, WINDOW, WINDOW, 3], RGB
    numbers: List[str]  # n strings of digits; "" is a picture without a number
    names: List[str]  # n names to show a person, mostly file names
