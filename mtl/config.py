"""The configuration of a run: every field with its default, choices and range.

Values from flags, Python callers and config.json are all validated here. This module does not
import TensorFlow, so that flags can be checked without it.
"""

import dataclasses
import math
import pathlib
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

PACKAGE = pathlib.Path(__file__).resolve().parent


def declared(files, line):
    """Return the names that source files of the package declare, dict name -> path of the file.

    The files are read, not imported, because importing them would import TensorFlow. Hidden files
    and folders are skipped: macOS and editors leave them beside the sources.

    Args:
      files: str, a glob pattern relative to the package.
      line: str, a regular expression; its group is the name.
    """
    found = {}
    for path in sorted(PACKAGE.glob(files)):
        if any(part.startswith(".") for part in path.relative_to(PACKAGE).parts):
            continue
        for name in re.findall(line, path.read_text(encoding="utf-8"), re.MULTILINE):
            found[name] = path
    return found


def _summary(path):
    """Return the first line of the docstring of a source file."""
    return path.read_text(encoding="utf-8").split('"""')[1].splitlines()[0].rstrip(".")


# A bottom is a public function of bottoms.py, an objective a file of objectives/, and a dataset a
# module under data/ with a line DATASET = "name".
BOTTOMS = tuple(declared("bottoms.py", r"^def ([a-z]\w*)\("))
_OBJECTIVE_FILES = sorted(PACKAGE.glob("objectives/[a-z]*.py"))
OBJECTIVES = tuple(path.stem for path in _OBJECTIVE_FILES)
DATASETS = tuple(sorted(declared("data/**/*.py", r'^DATASET = "(\w+)"$')))
SPLITS = ("train", "validation", "test")

WINDOW = 64  # pixels, height and width of the images that datasets deliver
CROP = 54  # pixels, the input of the network: a random crop of the window in training, else central
CHANNELS = 3

PATHS = ("data_dir", "init_from")  # fields that name folders


class Range(NamedTuple):
    """The numbers that a field accepts."""

    low: float
    high: float = math.inf
    above_low: bool = False  # whether low itself is excluded
    below_high: bool = False  # whether high itself is excluded

    def contains(self, value) -> bool:
        """Return whether a number is in the range. NaN never is, because it fails comparisons."""
        above = value > self.low if self.above_low else value >= self.low
        below = value < self.high if self.below_high else value <= self.high
        return above and below

    def text(self) -> str:
        """Return the range in words, such as "from 0 to 1"."""
        if math.isinf(self.high):
            return "above 0 and finite" if self.above_low else f"at least {self.low:g}"
        ends = f"from {self.low:g} to {self.high:.10g}"
        return f"{ends}, {self.high:g} excluded" if self.below_high else ends


# Of the log probabilities. It is fitted during training, so it is no field of Config.
TEMPERATURE = Range(0.01, 100.0)


def _field(default, text, *, choices=None, range=None):
    metadata = {"help": text, "choices": choices, "range": range}
    return dataclasses.field(default=default, metadata=metadata)


SHARE = Range(0.0, 1.0)
SHARE_BELOW_1 = Range(0.0, 1.0, below_high=True)
POSITIVE = Range(1)
NOT_NEGATIVE = Range(0)


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run, each with its help text. The defaults are flags/quickstart.flags."""

    # The network and its cost.
    bottom: str = _field("small", "the layers that all tasks share", choices=BOTTOMS)
    objective: str = _field(
        "log_sum",
        "what training minimises; "
        + "; ".join(f"{path.stem}: {_summary(path)}" for path in _OBJECTIVE_FILES),
        choices=OBJECTIVES,
    )
    absent: str = _field(
        "x",
        "how training treats a position without a digit: x gives it a class of its own, the "
        "answer's X; mask excludes it from the cost, as the paper does",
        choices=("x", "mask"),
    )
    label_smoothing: float = _field(
        0.1,
        "share of each label that training spreads over all classes; an evaluation measures its "
        "cost on hard labels, without smoothing, so the two costs differ",
        range=SHARE_BELOW_1,
    )
    dropout: float = _field(
        0.0,
        "share of hidden values set to 0 in training: of the last layer; of every layer in paper",
        range=SHARE_BELOW_1,
    )
    # The data.
    dataset: str = _field("synthetic", "the dataset", choices=DATASETS)
    data_dir: str = _field("", "folder of the dataset; synthetic has none")
    style: str = _field(
        "houses",
        "what synthetic images show: numbers on houses, or handwritten amounts",
        choices=("houses", "written"),
    )
    difficulty: float = _field(0.2, "how distorted synthetic images are; 0 is plain", range=SHARE)
    augment: float = _field(
        0.0, "how much training distorts images on disk; 0 only crops them", range=SHARE
    )
    pool: int = _field(
        4096, "synthetic images kept in memory, a multiple of --reuse", range=POSITIVE
    )
    reuse: int = _field(
        8, "random crops taken of each synthetic image before it is replaced", range=POSITIVE
    )
    # The optimiser and the length of the run.
    batch_size: int = _field(32, "images in a training step", range=POSITIVE)
    precision: str = _field(
        "fp32",
        "what the shared bottom computes in: bf16 is faster with Intel's AMX or AMD's AVX512-BF16 "
        "and slower elsewhere; variables, tops, losses and Adam are always float32",
        choices=("fp32", "bf16"),
    )
    learning_rate: float = _field(
        2e-3,
        "learning rate of Adam at the first step",
        range=Range(0.0, above_low=True, below_high=True),
    )
    schedule: str = _field(
        "cosine",
        "how the learning rate changes; linear and cosine fall to 0 at the last step",
        choices=("constant", "linear", "cosine"),
    )
    steps: int = _field(
        5500,
        "training steps in all; a larger number continues a finished run, with its schedule "
        "stretched to the new end",
        range=POSITIVE,
    )
    seed: int = _field(0, "decides all random numbers", range=Range(0, 2**31 - 1))
    init_from: str = _field(
        "",
        "run directory, or path of a checkpoint, whose weights a new run starts from; pretrained "
        "is the packaged one, with --bottom=base",
    )
    on_nonfinite: str = _field(
        "stop",
        "what to do when a loss or gradient is infinite or NaN: stop the run, or skip the update",
        choices=("stop", "skip"),
    )
    # How the run is observed and executed. Another number of threads changes the last bits.
    log_every: int = _field(200, "steps between progress lines", range=POSITIVE)
    save_every: int = _field(
        1000, "steps between checkpoints; after each, validation is evaluated", range=POSITIVE
    )
    workers: int = _field(
        0, "processes that prepare images; 0 is one for each core", range=NOT_NEGATIVE
    )
    views: int = _field(
        1,
        "how many views of the window (the part of an image that contains the number) evaluate and "
        "predict average: 1 is the centre crop, 2 adds its negative, 4 adds the whole window and "
        "its negative; each view costs one more pass",
        choices=(1, 2, 4),
    )
    threads: int = _field(0, "threads of TensorFlow; 0 is one for each core", range=NOT_NEGATIVE)

    def __post_init__(self):
        """Validate all fields; raise ValueError, naming the first that is wrong."""
        for name in FIELDS:
            check(name, getattr(self, name))
        if self.pool % self.reuse:
            raise ValueError(f"--pool={self.pool} must be a multiple of --reuse={self.reuse}")
        if self.augment and self.dataset == "synthetic":
            cure = "synthetic images differ already; remove the flag"
            raise ValueError(f"--augment={self.augment} does not apply to synthetic; {cure}")
        if self.objective == "answer" and self.absent != "x":
            what = f"--absent={self.absent} does not work with --objective=answer"
            raise ValueError(f"{what}; use --objective=log_sum")

    @classmethod
    def from_dict(cls, values: Dict[str, Any]) -> "Config":
        """Return the Config of a dict of fields; raise ValueError for an unknown or wrong one."""
        for name in values:
            if name not in FIELDS:
                raise ValueError(f"unknown field {name!r}")
        return cls(**values)


FIELDS = {field.name: field for field in dataclasses.fields(Config)}
_ACCEPTED = {int: (int,), float: (float, int), str: (str,)}  # `check` rejects bool, a kind of int


def help_of(name: str) -> str:
    """Return the help text of a field."""
    return FIELDS[name].metadata["help"]


def choices(name: str) -> Optional[Tuple]:
    """Return the values that a field allows, or None if it has no list of choices."""
    return FIELDS[name].metadata["choices"]


def range_of(name: str) -> Optional[Range]:
    """Return the Range of a field, or None if it has none."""
    return FIELDS[name].metadata["range"]


def check(name: str, value: Any) -> None:
    """Raise ValueError if a field rejects a value: its type, choices or range."""
    kind = type(FIELDS[name].default)
    allowed, limits = choices(name), range_of(name)
    if isinstance(value, bool) or not isinstance(value, _ACCEPTED[kind]):
        raise ValueError(f"{name}={value!r} must be of type {kind.__name__}")
    if allowed and value not in allowed:
        raise ValueError(f"{name}={value} must be one of {', '.join(map(str, allowed))}")
    if limits and not limits.contains(value):
        raise ValueError(f"{name}={value} must be {limits.text()}")


def check_data(dataset: str, data_dir: str) -> None:
    """Raise ValueError if a dataset on disk has no folder, or synthetic has one."""
    if dataset != "synthetic" and not data_dir:
        raise ValueError(f"--data_dir is required with --dataset={dataset}; name its folder")
    if dataset == "synthetic" and data_dir:
        on_disk = "|".join(name for name in DATASETS if name != "synthetic")
        cure = f"choose --dataset={on_disk}, or remove --data_dir"
        raise ValueError(f"--data_dir={data_dir} does not apply to --dataset=synthetic; {cure}")


# Fields that may change when a run continues: its length, what it reports, how fast it is, paths.
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
    """List the fields that differ, beyond MAY_CHANGE, as "--field=old (now new)"."""
    changed = []
    for name in FIELDS:
        before, after = getattr(old, name), getattr(new, name)
        if name not in MAY_CHANGE and before != after:
            changed.append(f"--{name}={before} (now {after})")
    return changed
