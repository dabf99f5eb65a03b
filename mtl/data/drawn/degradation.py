"""How a camera degrades a scene: light, haze, blur, noise, lens errors and compression."""

import functools
import io

import numpy as np
from PIL import Image, ImageFilter

from mtl.data.drawn.realism import realism_of
from mtl.inputs import NUMBERS


def degrade(image: np.ndarray, rng: np.random.Generator, difficulty: float) -> np.ndarray:
    """Photograph a scene and resize it to the window.

    Args:
      image: float [height, width, 3], mostly in 0..1; other values are clipped.
      rng: source of all randomness.
      difficulty: 0..1.

    Returns:
      uint8 [64, 64, 3].
    """
    height, width = image.shape[:2]
    image = image * _light((width, height), rng, difficulty)[:, :, None]
    image = _lose_contrast(image, rng, difficulty)
    photo = Image.fromarray((image * 255.0).clip(0, 255).astype(np.uint8))
    photo = _blur_and_sharpen(photo, rng, difficulty)
    photo = _add_noise(photo, rng, difficulty)
    if realism_of(difficulty):
        if rng.random() < 0.3 * difficulty:
            photo = _shift_colours(photo, rng)
        if rng.random() < 0.3 * difficulty:
            # SVHN's images end close to the number, so a grown box extends beyond them.
            cut = rng.uniform(-0.08, 0.09, 4) * [width, height, width, height]
            photo = _extend_edges(photo, np.maximum(cut, 0).astype(int))
    if rng.random() < 0.6 * difficulty:
        photo = _compress(photo, quality=int(rng.uniform(25, 92)))
    height, width = NUMBERS.shape[:2]
    return np.asarray(photo.resize((width, height), Image.Resampling.BILINEAR))


def _light(size, rng, difficulty):
    """Return the brightness of the light, [height, width]: a gradient, and sometimes a shadow."""
    width, height = size
    slope = rng.normal(0.0, 0.25, 2) * difficulty
    light = 1.0 + slope[0] * _ramp(width)[None, :] + slope[1] * _ramp(height)[:, None]
    if rng.random() < 0.12 * difficulty:
        angle = rng.uniform(0, 2 * np.pi)
        side = (
            np.cos(angle) * np.linspace(-1, 1, width)[None, :]
            + np.sin(angle) * np.linspace(-1, 1, height)[:, None]
        )
        strength = rng.uniform(0.2, 0.6)
        shadow = np.clip((side - rng.uniform(-0.5, 0.5)) * 8.0, 0.0, 1.0)
        light = light * (1.0 - strength * shadow)
    return light


@functools.cache
def _ramp(length):
    """Return `length` evenly spaced numbers from -0.5 to 0.5. Do not change the cached array."""
    return np.linspace(-0.5, 0.5, length)


def _lose_contrast(image, rng, difficulty):
    """Reduce the contrast, as haze and poor exposure do."""
    kept = 1.0 - rng.beta(1.0, 3.0) * 0.75 * difficulty
    haze = rng.uniform(0.0, 0.3) * difficulty * rng.random()
    return image * kept + haze


def _blur_and_sharpen(photo, rng, difficulty):
    """Blur a photograph; some cameras sharpen it afterwards, which leaves halos."""
    height = photo.height
    blur = rng.exponential(0.45 + 0.15 * realism_of(difficulty)) * difficulty * height / 32.0
    if rng.random() < 0.3 * difficulty:
        blur += rng.uniform(0.5, 1.8) * height / 32.0
    if blur > 0.15:
        photo = photo.filter(ImageFilter.GaussianBlur(min(blur, height / 15.0)))
    if rng.random() < 0.25 * difficulty:
        radius = rng.uniform(1.0, 2.5)
        percent = int(rng.uniform(50, 200))
        photo = photo.filter(ImageFilter.UnsharpMask(radius, percent, threshold=0))
    return photo


def _add_noise(photo, rng, difficulty):
    """Add the noise of a sensor, grey or coloured."""
    noise = rng.exponential(4.0) * difficulty
    if noise <= 0.5:
        return photo
    channels = 3 if rng.random() < 0.5 else 1
    grain = rng.normal(0.0, noise, (photo.height, photo.width, channels))
    noisy = np.asarray(photo, np.float32) + grain
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _shift_colours(photo, rng):
    """Shift red and blue against green, as the chromatic aberration of a lens does."""
    shift = rng.normal(0.0, 0.5, 2) * photo.height / 32.0
    red, green, blue = photo.split()
    photo = Image.merge("RGB", [_moved(red, -shift), green, _moved(blue, shift)])
    beyond = min(int(np.ceil(np.abs(shift).max())), min(photo.size) // 4)
    return _extend_edges(photo, np.full(4, beyond))


def _moved(band, shift):
    """Shift an image of one channel by fractions of pixels (x, y)."""
    matrix = (1, 0, shift[0], 0, 1, shift[1])
    return band.transform(band.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _extend_edges(photo, cut):
    """Replace `cut` pixels (left, top, right, bottom) at the edges with the nearest inner ones."""
    left, top, right, bottom = cut
    pixels = np.asarray(photo)
    inside = pixels[top : pixels.shape[0] - bottom, left : pixels.shape[1] - right]
    return Image.fromarray(np.pad(inside, ((top, bottom), (left, right), (0, 0)), "edge"))


def _compress(photo, quality):
    """Return a photograph after JPEG compression; quality: int, 1..95."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")
