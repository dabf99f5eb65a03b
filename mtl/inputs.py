"""What a network takes: images or feature vectors, with their sizes and type."""

import math
from typing import Any, Dict, NamedTuple, Tuple

DTYPES = ("uint8", "float32")


class Inputs(NamedTuple):
    """The examples that a network takes. The default is that of house numbers."""

    # Of one example as a dataset delivers it: (height, width, channels), or (features,).
    shape: Tuple[int, ...] = (64, 64, 3)
    crop: int = 54  # pixels, height and width of the crop that the network takes; 0 is no crop
    dtype: str = "uint8"  # uint8: pixels 0..255; float32: pixels 0..1, or features
    # Of feature vectors: the names of the columns of a table, and the mean and the standard
    # deviation of each feature in train. The network takes (feature - mean) / std.
    names: Tuple[str, ...] = ()
    mean: Tuple[float, ...] = ()
    std: Tuple[float, ...] = ()

    @property
    def is_images(self) -> bool:
        """Whether the examples are images."""
        return len(self.shape) == 3

    @property
    def network_shape(self) -> Tuple[int, ...]:
        """The shape of one example after the crop."""
        return (self.crop, self.crop, self.shape[2]) if self.crop else self.shape

    @property
    def text(self) -> str:
        """What the examples are, for an error: "uint8 images [8, 8, 1]"."""
        what = "images" if self.is_images else "features"
        return f"{self.dtype} {what} {list(self.shape)}"


NUMBERS = Inputs()


def check(inputs: Inputs) -> Inputs:
    """Return inputs unchanged; raise ValueError, with a cure, if no network can take them."""
    shape = inputs.shape
    if len(shape) not in (1, 3) or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError(
            f"inputs of shape {list(shape)} must be [height, width, channels] or [features]"
        )
    if inputs.dtype not in DTYPES or (inputs.dtype == "uint8" and not inputs.is_images):
        raise ValueError(f"inputs of type {inputs.dtype} must be uint8 images, or float32")
    if inputs.is_images and inputs.shape[2] not in (1, 3):
        raise ValueError(f"images have {shape[2]} channels; use 1 (grey) or 3 (RGB)")
    if inputs.crop and not inputs.is_images:
        raise ValueError(f"--crop={inputs.crop} does not apply to feature vectors; remove it")
    if inputs.crop < 0 or (inputs.is_images and inputs.crop > min(shape[:2])):
        what = f"--crop={inputs.crop} does not fit images of {shape[0]} x {shape[1]} pixels"
        raise ValueError(f"{what}; use --crop={min(shape[:2])} or less, or --crop=0")
    _check_scales(inputs)
    return inputs


def _check_scales(inputs):
    """Raise ValueError if names, mean or std do not fit the features."""
    for what, values in (("names", inputs.names), ("mean", inputs.mean), ("std", inputs.std)):
        if values and (inputs.is_images or len(values) != inputs.shape[0]):
            raise ValueError(f"{len(values)} {what} for inputs of shape {list(inputs.shape)}")
    for value in (*inputs.mean, *inputs.std):
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"the scale of a feature is {value!r}, not a finite number")
    if any(value <= 0 for value in inputs.std) or len(inputs.mean) != len(inputs.std):
        raise ValueError("each feature with a mean needs a standard deviation above 0")


def to_json(inputs: Inputs) -> Dict[str, Any]:
    """Return inputs as a dict for JSON, without empty fields."""
    return {name: value for name, value in inputs._asdict().items() if value != ()}


def from_json(record: Dict[str, Any]) -> Inputs:
    """Return the inputs of `to_json`; raise ValueError or TypeError for another form."""
    fields = {}
    for name, value in record.items():
        fields[name] = tuple(value) if isinstance(value, list) else value
    return check(Inputs(**fields))
