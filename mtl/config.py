"""The plain record a run is made from, and the names it may use. Free of TensorFlow, so that flags can be checked without it."""

import dataclasses
from typing import Any, Dict, List

BOTTOMS = ("mlp", "small", "base", "paper")
OBJECTIVES = ("log_sum", "linear")
DATASETS = ("synthetic", "svhn", "folder", "npz", "records")
SPLITS = ("train", "validation", "test")
SCHEDULES = ("constant", "linear", "cosine")
PRECISIONS = ("fp32", "bf16")
ABSENT = ("x", "mask")
NONFINITE = ("stop", "skip")
CHOICES = {
    "bottom": BOTTOMS,
    "objective": OBJECTIVES,
    "absent": ABSENT,
    "dataset": DATASETS,
}  # of fields of Config
CHOICES |= {
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "style": ("houses", "written"),
    "views": (1, 2, 4),
    "on_nonfinite": NONFINITE,
}

PATHS = ("data_dir", "init_from")  # fields of Config that name folders

WINDOW = 64  # pixels, height and width of the picture of a number as data sets deliver it
CROP = 54  # pixels, height and width of what the network sees: a random part of the window in training, the centre otherwise
CHANNELS = 3


@dataclasses.dataclass(frozen=True)
class Config:
    """All that decides what a run computes. Defaults are those of flags/quickstart.flags."""

    # The network and its cost.
    bottom: str = "small"
    objective: str = "log_sum"
    absent: str = "x"  # a digit that is not there: the answer's class X, or the paper's mask, which leaves it out of the cost
    label_smoothing: float = 0.1  # share of each label spread over all classes
    dropout: float = 0.0
    # The data.
    dataset: str = "synthetic"
    data_dir: str = ""
    style: str = "houses"  # of the synthetic images: numbers on houses, or amounts written by hand
    difficulty: float = 0.2  # of the synthetic images, 0 to 1
    augment: float = (
        0.0  # of images on disk: how much each showing changes them, 0 (cropped alone) to 1
    )
    pool: int = 4096  # synthetic: drawn images held in memory at a time
    reuse: int = 8  # synthetic: how many fresh crops are taken of each drawn image before another takes its place
    # The optimiser and the length of the run.
    batch_size: int = 32
    precision: str = "fp32"  # of the shared bottom in training; weights, tops, losses and Adam are float32 in any case
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    steps: int = 5500
    seed: int = 0
    init_from: str = ""
    on_nonfinite: str = "stop"  # what a step does whose cross entropies or gradients are not finite: end the run, or leave the weights be
    # What does not change the result.
    log_every: int = 200
    save_every: int = 1000
    workers: int = 0  # processes that draw or read images; 0 is one for each core
    views: int = (
        1  # of each picture that `mtl evaluate` and `mtl predict` average; see data/views.py
    )
    threads: int = 0  # of TensorFlow's operations; 0 is one for each core

    @classmethod
    def from_dict(cls, values: Dict[str, Any]) -> "Config":
        """Make a record of a dict of its fields; ValueError where one is unknown, of another type, or names what there is not."""
        types = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        for name, value in values.items():
            if name not in types:
                raise ValueError(f"unknown field {name!r}")
            if type(value) is not types[name] and not (types[name] is float and type(value) is int):
                raise ValueError(
                    f"field {name!r} must be of type {types[name].__name__}, got {value!r}"
                )
            if value not in CHOICES.get(name, [value]):
                raise ValueError(
                    f"field {name!r} must be one of {', '.join(map(str, CHOICES[name]))}, got {value!r}"
                )
        return cls(**values)


# Fields that a run may be continued with changed: they say how long and how closely watched, not what is computed.
MAY_CHANGE = (
    "steps",
    "log_every",
    "save_every",
    "workers",
    "views",
    "threads",
    "data_dir",
    "init_from",
    "on_nonfinite",
)


def differences(old: Config, new: Config) -> List[str]:
    """Name the fields in which two records differ beyond MAY_CHANGE, as "--field=old (now new)"."""
    return [
        f"--{field.name}={getattr(old, field.name)} (now {getattr(new, field.name)})"
        for field in dataclasses.fields(Config)
        if field.name not in MAY_CHANGE and getattr(old, field.name) != getattr(new, field.name)
    ]
