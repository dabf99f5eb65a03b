"""Average the predictions for several views of an image: they have different errors.

Krizhevsky et al. 2012 (section 4.1) average five crops and their mirror images. A mirrored digit is
not a digit, but the negative of an image shows the same number.
"""

import numpy as np
from PIL import Image

from mtl.data.batches import centre_crop


def views(images: np.ndarray, count: int, size: int) -> list[np.ndarray]:
    """Return views of images.

    Args:
      images: uint8 [n, height, width, channels]. A single view may also have float32.
      count: one of config.choices("views"): 1 is the centre crop, 2 adds its negative, 4 adds the
        whole image, resized to the crop, and its negative.
      size: height and width of a view in pixels.

    Returns:
      list of `count` arrays [n, size, size, channels] of the same type.

    Raises:
      ValueError: the images have another type or shape.
    """
    made = [centre_crop(images, size)]
    if count == 1:
        return made
    if images.dtype != np.uint8:
        raise ValueError(f"{count} views need images of uint8, got {images.dtype}; use 1 view")
    if count >= 4:
        made.append(np.empty_like(made[0]))
        for small, image in zip(made[1], images):
            # Pillow takes grey images without the axis of channels.
            whole = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
            resized = np.asarray(whole.resize((size, size), Image.Resampling.BILINEAR))
            small[...] = resized.reshape(small.shape)
    return made + [255 - view for view in made]


def average(outputs: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Average the probabilities of several views of the same images.

    Args:
      outputs: one dict task name -> float32 [n, classes], log probabilities, for each view.

    Returns:
      dict task name -> float32 [n, classes], log of the mean probability. A single view is returned
      unchanged.
    """
    if len(outputs) == 1:
        return outputs[0]
    count = np.float32(np.log(len(outputs)))
    means = {}
    with np.errstate(invalid="ignore"):  # the caller reports NaN
        for name in outputs[0]:
            means[name] = np.logaddexp.reduce([each[name] for each in outputs]) - count
    return means
