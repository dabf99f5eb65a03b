"""Encoded images in the graph: decode, and resize to the window, as mtl/data/images.py does.

Two things differ, because TensorFlow has no operation for them: an image is not turned by its EXIF
orientation, and it must be in a format that TensorFlow decodes.
"""

import tensorflow.compat.v1 as tf

from mtl.inputs import Inputs
from mtl.serving.export import pillow

_EXACT = 1024  # pixels, the largest height and width of an image that is resized exactly
_GREY = 128.0  # behind transparent parts
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as mtl/data/adapt.py


def pixels(images, inputs: Inputs):
    """Decode images, and resize each to the window.

    Args:
      images: string [n], each a file in a format of TensorFlow, such as PNG or JPEG. Of several
        frames, the first counts.
      inputs: of images.

    Returns:
      [n, *inputs.shape] of type inputs.dtype.
    """
    signature = tf.TensorSpec(inputs.shape, inputs.dtype)
    return tf.map_fn(
        lambda file: _with_type(_resized(_decoded(file), inputs), inputs),
        images,
        fn_output_signature=signature,
    )


def _decoded(file):
    """Return an image, uint8 [height, width, 3]."""
    # DecodeImage decodes a JPEG with a faster, less exact transform, other than Pillow.
    return tf.cond(
        tf.io.is_jpeg(file),
        lambda: tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: _on_grey(tf.io.decode_image(file, channels=0, expand_animations=False)),
    )


def _on_grey(image):
    """Return an image of 1 to 4 channels as RGB, with its transparent parts over mid grey."""
    image.set_shape([None, None, None])
    channels = tf.shape(image)[2]
    colours = tf.where(channels < 3, [0, 0, 0], [0, 1, 2])
    rgb = tf.gather(image, colours, axis=2)

    def blended():
        alpha = tf.cast(image[:, :, channels - 1 :], tf.float32)
        mixed = tf.cast(rgb, tf.float32) * alpha + _GREY * (255.0 - alpha)
        return tf.cast(tf.round(mixed / 255.0), tf.uint8)

    return tf.cond(tf.equal(channels % 2, 0), blended, lambda: rgb)


def _resized(image, inputs):
    """Resize an image [rows, columns, 3] of uint8 to the window; float32 of integers."""
    height, width = inputs.shape[:2]
    return tf.cond(
        tf.reduce_max(tf.shape(image)) <= _EXACT,
        lambda: _exact(image, height, width),
        lambda: _approximate(image, height, width),
    )


def _exact(image, height, width):
    """Resize an image with Pillow's pixels. Its matrices are as high as the image."""
    rows, columns = tf.shape(image)[0], tf.shape(image)[1]
    x = tf.cast(tf.transpose(image, [0, 2, 1]), tf.float32)  # [rows, 3, columns]
    x = pillow.resized_last(tf.reshape(x, [-1, columns]), pillow.weights_of(columns, width))
    x = tf.transpose(tf.reshape(x, [rows, 3, width]), [2, 1, 0])
    x = pillow.resized_last(tf.reshape(x, [-1, rows]), pillow.weights_of(rows, height))
    return tf.transpose(tf.reshape(x, [width, 3, height]), [2, 0, 1])


def _approximate(image, height, width):
    """Resize an image with at most 1 level of difference from Pillow, and less memory."""
    # ScaleAndTranslate resizes the first axis first: of a turned image, the intermediate is small.
    narrow = _scaled(tf.transpose(image, [1, 0, 2]), width)  # [width, rows, 3]
    return _scaled(tf.transpose(narrow, [1, 0, 2]), height)


def _scaled(image, target):
    """Resize the first axis of an image to `target` pixels; float32 of integers."""
    size = tf.shape(image)[:2]
    scale = tf.cast(target, tf.float32) / tf.cast(size[0], tf.float32)
    scaled = tf.raw_ops.ScaleAndTranslate(
        images=tf.expand_dims(image, 0),
        size=tf.stack([target, size[1]]),
        scale=tf.stack([scale, 1.0]),
        translation=[0.0, 0.0],
        kernel_type="triangle",
        antialias=True,
    )
    return tf.floor(scaled[0] + 0.5)


def _with_type(image, inputs):
    """Convert an image, float32 [height, width, 3], to the channels and the type of inputs."""
    if inputs.shape[2] == 1:
        grey = tf.tensordot(tf.cast(image, tf.float64), tf.constant(_LUMA, tf.float64), 1)
        image = tf.cast(tf.round(grey)[:, :, None], tf.float32)
    if inputs.dtype == "uint8":
        image = tf.cast(image, tf.uint8)
    else:
        image = image / 255.0
    return tf.ensure_shape(image, inputs.shape)
