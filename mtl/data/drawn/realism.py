"""How closely a synthetic image imitates a photograph of a street."""

PLAIN = 0.2  # up to this difficulty, images are plain: the digits fill them
STREET = 0.5  # from this difficulty on, images look like street photographs


def realism_of(difficulty: float) -> float:
    """Return the realism of an image: 0 up to PLAIN, 1 from STREET on, linear between."""
    return min(max((difficulty - PLAIN) / (STREET - PLAIN), 0.0), 1.0)
