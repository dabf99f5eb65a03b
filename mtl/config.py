"""The configuration of a run: every field with its default, choices and range.

Values from flags, Python callers and config.json are all validated here. This module does not
import TensorFlow, so that flags can be checked without it.
"""

import dataclasses
from typing import Any, Dict, Optional, Tuple

from mtl import catalogue, combinations, inputs, tasks as tasks_lib
from mtl.fields import (
    ABOVE_0,
    FLOAT32,
    FROM_0,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    SHARE_BELOW_1,
    Range,
    declared,
    names_function,
    setting,
)

# A bottom is a public function of bottoms.py, an objective a file of objectives/, and a dataset a
# module under data/ with a line DATASET = "name".
BOTTOMS = tuple(declared("bottoms.py", r"^def ([a-z]\w*)\("))
OBJECTIVES = catalogue.NAMES
DATASET_FILES = declared("data/**/*.py", r'^DATASET = "(\w+)"$')  # name -> path
DATASETS = tuple(sorted(DATASET_FILES))
SPLITS = ("train", "validation", "test")

PATHS = ("data_dir", "init_from")  # fields that name folders
# Of the log probabilities. It is fitted during training, so it is no field of Config.
TEMPERATURE = Range(0.01, 100.0)


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run, each with its help text. The defaults are flags/quickstart.flags."""

    # The network and its cost.
    tasks: str = setting(
        tasks_lib.NUMBERS,
        "what the network learns: numbers, the six tasks of the answer; or your own tasks, such as "
        "digit:10,odd:2,height:real, each with its number of classes, or real for one number",
    )
    bottom: str = setting(
        "light",
        "the layers that all tasks share; mlp also takes feature vectors; or module:function",
        choices=BOTTOMS,
        own=True,
    )
    objective: str = setting(
        "log_sum",
        f"how the losses of the tasks become one update\n{catalogue.help_text()}",
        choices=OBJECTIVES,
        own=True,
    )
    objective_options: str = setting(
        "",
        "numbers that the objective uses, such as mu:0.1 or a:1,b:2; --objective=list shows their "
        "names and defaults",
    )
    task_weights: str = setting(
        "", f"{catalogue.users('task_weights')}: weight of each task, such as 1,0.5; default all 1"
    )
    clip_min: float = setting(
        catalogue.CLIP_MIN,
        f"{catalogue.users('clip_min')}: a smaller loss counts as this number; its task has "
        "gradient 0, except in uw_so",
        range=FLOAT32,
    )
    clip_max: float = setting(
        catalogue.CLIP_MAX,
        f"{catalogue.users('clip_max')}: a larger loss counts as this number; its task has "
        "gradient 0, except in uw_so",
        range=FLOAT32,
    )
    absent: str = setting(
        "x",
        "how training treats a position without a digit: x gives it a class of its own, the "
        "answer's X; mask excludes it from the cost, as the paper does",
        choices=("x", "mask"),
    )
    label_smoothing: float = setting(
        0.1,
        "share of each label that training spreads over all classes; an evaluation measures its "
        "cost on hard labels, without smoothing, so the two costs differ",
        range=SHARE_BELOW_1,
    )
    brightness: str = setting(
        "ignore",
        "ignore subtracts the mean of each image; keep does not, for tasks such as day or night",
        choices=("ignore", "keep"),
    )
    dropout: float = setting(
        0.0,
        "share of hidden values set to 0 in training: of the last layer; of every layer in paper",
        range=SHARE_BELOW_1,
    )
    top_units: str = setting(
        "",
        "hidden layers of each task, such as 128,64 for two; default none, as in the answer",
    )
    top_dropout: float = setting(
        0.0, "share of values set to 0 in the hidden layers of the tasks", range=SHARE_BELOW_1
    )
    # The data.
    dataset: str = setting("synthetic", "the dataset", choices=DATASETS)
    data_dir: str = setting("", "folder of the dataset; synthetic has none")
    style: str = setting(
        "houses",
        "what synthetic images show: numbers on houses, or handwritten amounts",
        choices=("houses", "written"),
    )
    window: int = setting(
        0,
        "pixels, height and width to which images are resized; 0 is 64, or the size in an npz file",
        range=NOT_NEGATIVE,
    )
    crop: int = setting(
        -1,
        "pixels, height and width of the part of the window that the network sees: random in "
        "training, else central; 0 is the whole window; -1 is 54 for numbers, else 0",
        range=Range(-1),
    )
    difficulty: float = setting(0.2, "how distorted synthetic images are; 0 is plain", range=SHARE)
    augment: float = setting(
        0.0, "how much training distorts images on disk; 0 only crops them", range=SHARE
    )
    pool: int = setting(1024, "synthetic images in memory, a multiple of --reuse", range=POSITIVE)
    reuse: int = setting(
        4, "random crops taken of each synthetic image before it is replaced", range=POSITIVE
    )
    # The optimiser and the length of the run.
    batch_size: int = setting(64, "examples in a training step", range=POSITIVE)
    precision: str = setting(
        "fp32",
        "what the shared bottom computes in: bf16 is faster with Intel's AMX or AMD's AVX512-BF16 "
        "and slower elsewhere; variables, tops, losses and Adam are always float32",
        choices=("fp32", "bf16"),
    )
    learning_rate: float = setting(
        3e-3, "learning rate at the first step, or after --warmup_steps", range=ABOVE_0
    )
    schedule: str = setting(
        "linear",
        "how the learning rate changes; linear and cosine fall to 0 at the last step",
        choices=("constant", "linear", "cosine"),
    )
    warmup_steps: int = setting(
        100, "steps in which the learning rate rises linearly from 0", range=NOT_NEGATIVE
    )
    optimizer: str = setting(
        "adam", "how gradients become updates", choices=("adam", "momentum", "sgd")
    )
    momentum: float = setting(
        0.9, "share of the last update that momentum adds to the next", range=SHARE_BELOW_1
    )
    beta1: float = setting(0.9, "decay of Adam's mean of gradients", range=SHARE_BELOW_1)
    beta2: float = setting(0.999, "decay of Adam's mean of squared gradients", range=SHARE_BELOW_1)
    epsilon: float = setting(1e-8, "added to the denominator of Adam", range=ABOVE_0)
    clip_norm: float = setting(
        0.0,
        "largest norm of all gradients together; larger ones are scaled down; 0 is no limit",
        range=FROM_0,
    )
    weight_decay: float = setting(
        0.0,
        "each step multiplies the weights, not the biases, by 1 - this number * the learning rate",
        range=FROM_0,
    )
    steps: int = setting(
        1900,
        "training steps in all; a larger number continues a finished run, with its schedule "
        "stretched to the new end",
        range=POSITIVE,
    )
    seed: int = setting(0, "decides all random numbers", range=Range(0, 2**31 - 1))
    init_from: str = setting(
        "",
        "run directory, or path of a checkpoint, whose weights a new run starts from; pretrained "
        "is the packaged one, with --bottom=base",
    )
    on_nonfinite: str = setting(
        "stop",
        "what to do when a loss or gradient is infinite or NaN: stop the run, or skip the update",
        choices=("stop", "skip"),
    )
    # How the run is observed and executed. Another number of threads changes the last bits.
    log_every: int = setting(200, "steps between progress lines", range=POSITIVE)
    save_every: int = setting(
        1000, "steps between checkpoints; after each, validation is evaluated", range=POSITIVE
    )
    best_by: str = setting(
        "",
        "the metric on validation that selects the best weights: a task, or exact_match (all tasks "
        "of an example correct); default sequence accuracy for numbers, else the mean over the "
        "tasks of accuracy or R2",
    )
    patience: int = setting(
        0,
        "stop after this many evaluations in a row without a new best; 0 trains all --steps",
        range=NOT_NEGATIVE,
    )
    workers: int = setting(
        0, "processes that prepare images; 0 is one for each core", range=NOT_NEGATIVE
    )
    views: int = setting(
        1,
        "how many views of the window (the part of an image that contains the number) evaluate and "
        "predict average: 1 is the centre crop, 2 adds its negative, 4 adds the whole window and "
        "its negative; each view costs one more pass",
        choices=(1, 2, 4),
    )
    threads: int = setting(0, "threads of TensorFlow; 0 is one for each core", range=NOT_NEGATIVE)
    sync: str = setting(
        "all",
        "how the workers of a cluster train: all makes each step together, as one machine does "
        "with the whole batch; none lets each worker update the variables by itself",
        choices=("all", "none"),
    )
    backup_workers: int = setting(
        0,
        "with --sync=all in a cluster: how many workers a step does without, the slowest ones; "
        "the result then depends on their speed",
        range=NOT_NEGATIVE,
    )

    def __post_init__(self):
        """Validate all fields; raise ValueError, naming the first that is wrong."""
        for name in FIELDS:
            check(name, getattr(self, name))
        combinations.check(self)

    @property
    def is_numbers(self) -> bool:
        """Whether the tasks are those of the answer, decoded into a number."""
        return tasks_lib.is_numbers(tasks_lib.parse(self.tasks))

    @property
    def crop_size(self) -> int:
        """The height and width of the crop in pixels; 0 is no crop."""
        return self.crop if self.crop >= 0 else inputs.NUMBERS.crop * self.is_numbers

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
    if FIELDS[name].metadata["own"] and names_function(name, value):
        return
    if name == "tasks":
        tasks_lib.parse(value)
    if name == "objective" and value not in allowed:
        raise ValueError(catalogue.unknown(value))
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
