"""The contrast of two colours, and the colours that a dark page gives to a plot."""

import numpy as np

INVERTED = 0.88  # as in page.css
# The matrix of hue-rotate(180deg), from the W3C's Filter Effects Module.
_LUMA = np.array([[0.213, 0.715, 0.072]] * 3)
HUE_ROTATED = 2 * _LUMA - np.eye(3)


def contrast(first, second):
    """Return the contrast of two colours #rrggbb, from 1 to 21, as WCAG 2 defines it."""
    low, high = sorted(map(_luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


def in_dark_mode(colour):
    """Return what filter: invert(.88) hue-rotate(180deg) makes of a colour #rrggbb."""
    values = _values(colour)
    turned = HUE_ROTATED @ (values * (1 - INVERTED) + (1 - values) * INVERTED)
    return "#" + "".join(f"{round(255 * value):02x}" for value in turned.clip(0, 1))


def _values(colour):
    """Return red, green and blue of #rrggbb, each in 0..1."""
    return np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])


def _luminance(colour):
    values = _values(colour)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
