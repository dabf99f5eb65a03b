"""`mtl convert`: turn the SVHN archives, or your own examples, into records."""

import functools

from absl import flags as absl_flags

from mtl import tasks as tasks_lib
from mtl.cli import console, flags, paths
from mtl.errors import UsageError

USAGE = "mtl convert --archive_dir=DIR|--dataset=NAME --out=DIR [--flag=value ...]"
SUMMARY = "turn the SVHN archives, or your own images, into records"
SPLITS = ("train", "test", "extra")
SOURCES = ("folder", "npz")  # of --dataset
# Flags of one source only.
_OF_ARCHIVES = ("download", "url", "checksums", "extra_into_train")
_OF_DATASETS = ("data_dir", "tasks", "window")


def define(values):
    """Define the flags: the source, the folder to write, and what to convert."""
    text = (
        "folder of train.tar.gz, test.tar.gz and extra.tar.gz, or of folders train, test and "
        "extra that contain PNG files and digitStruct.mat"
    )
    paths.define(values, "archive_dir", "", text)
    text = "instead of archives, a dataset of your own uint8 images"
    absl_flags.DEFINE_enum("dataset", None, SOURCES, text, flag_values=values)
    for name in _OF_DATASETS:
        flags.define_field(values, name)
    text = "folder to write; an unfinished conversion of archives in it is continued"
    paths.define(values, "out", "", text)
    text = (
        "parts to convert: train, test, extra (2 GB); every tenth image of train becomes "
        "validation; a --dataset may have a validation of its own, and no test"
    )
    absl_flags.DEFINE_list("splits", "train,test", text, flag_values=values)
    text = "download archives that --archive_dir lacks; a partial download is continued"
    absl_flags.DEFINE_boolean("download", False, text, flag_values=values)
    text = "address of the folder of archives, instead of SVHN's own"
    absl_flags.DEFINE_string("url", None, text, flag_values=values)
    text = "file of lines `md5  bytes  name`, for archives other than SVHN's own"
    paths.define(values, "checksums", None, text)
    text = "put the images of extra into train and validation instead of a split of their own"
    absl_flags.DEFINE_boolean("extra_into_train", False, text, flag_values=values)
    flags.define_field(values, "seed")
    text = "most images in a file of records"
    bounds = {"lower_bound": 1, "upper_bound": 10**6}
    absl_flags.DEFINE_integer("shard_size", 2048, text, flag_values=values, **bounds)


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_no_arguments(arguments)
    _check_source(values)
    if not values.out:
        raise UsageError("--out is required; name the folder to write: --out=data/records")
    splits = set(values.splits)
    if not splits or len(splits) < len(values.splits) or not splits <= set(SPLITS):
        names = ",".join(values.splits)
        raise UsageError(f"--splits={names} must name some of {', '.join(SPLITS)}, each once")
    if values.dataset is not None and "train" not in splits:
        raise UsageError("--splits must contain train, whose labels give the scales; add it")
    if values.extra_into_train and not splits >= {"train", "extra"}:
        cure = "use --splits=train,extra or --splits=train,test,extra"
        raise UsageError(f"--extra_into_train needs both splits; {cure}")
    if values.url is not None and not values.download:
        cure = "add --download, or remove --url"
        raise UsageError(f"--url={values.url} has no effect without --download; {cure}")
    if values.url is not None and not values.url.startswith(("http://", "https://")):
        raise UsageError(f"--url={values.url} must begin with http:// or https://")


def _check_source(values):
    """Raise UsageError unless the flags name either archives or a dataset."""
    if values.dataset is None and not values.archive_dir:
        cure = (
            "name the folder of the archives, or the folder that --download fills; or convert your "
            "own images with --dataset=folder|npz --data_dir=DIR"
        )
        raise UsageError(f"--archive_dir is required; {cure}")
    if values.dataset is not None and values.archive_dir:
        raise UsageError("--archive_dir and --dataset are two sources; choose one")
    others = _OF_DATASETS if values.dataset is None else _OF_ARCHIVES
    for name in others:
        if values[name].present:
            only = "--dataset" if values.dataset is None else "--archive_dir"
            raise UsageError(f"--{name} applies only to {only}; remove it")
    if values.dataset is None:
        return
    flags.check_data(values.dataset, values.data_dir)
    flags.check_tasks(values)


def main(values, arguments):
    """Convert; return the exit code."""
    console.start_tensorflow(values.verbosity)
    with _Bars() as progress:
        if values.dataset is None:
            manifest = _convert_archives(values, progress)
        else:
            manifest = _convert_dataset(values, progress)
    for name, split in manifest["splits"].items():
        print(f"{name:<12}{_summary(split)}")
    return 0


def _convert_archives(values, progress):
    """Convert the archives of SVHN; return the manifest."""
    from mtl.data.svhn import archives, checksums, convert

    table = checksums.read(values.checksums) if values.checksums else checksums.OFFICIAL
    prepare = functools.partial(
        archives.prepare,
        values.archive_dir,
        table=table,
        url=(values.url or archives.ADDRESS) if values.download else None,
        say=console.say,
        progress=progress,
    )
    manifest, worked = convert.convert(
        values.out,
        values.splits,
        prepare,
        seed=values.seed,
        shard_size=values.shard_size,
        extra_into_train=values.extra_into_train,
        say=console.say,
        progress=progress,
    )
    if not worked:
        print(f"{values.out}: nothing to do")
    return manifest


def _convert_dataset(values, progress):
    """Convert examples of the user; return the manifest."""
    from mtl.data import examples
    from mtl.data.records import write

    tasks = tasks_lib.parse(values.tasks)
    load = functools.partial(
        console.load, values.dataset, values.data_dir, tasks=tasks, window=values.window
    )
    suffix = ".npz" if values.dataset == "npz" else ""
    existing = examples.splits(values.data_dir, suffix)
    splits = ["train", "validation"]
    for name in values.splits:
        if name != "train" and (name in existing or values["splits"].present):
            splits.append(name)
    return write.write(
        values.out,
        load,
        splits,
        tasks,
        seed=values.seed,
        shard_size=values.shard_size,
        source=values.data_dir,
        progress=progress,
    )


def _summary(split):
    """Return the counts and size of a split of a manifest, on one line."""
    shards = split["shards"]
    size = sum(shard["bytes"] for shard in shards)
    skipped = sum(split["skipped"].values())
    return f"{split['records']} records  {len(shards)} shards  {size} bytes  {skipped} skipped"


class _Bars:
    """Shows one progress bar at a time, a new one for each kind of work."""

    def __init__(self):
        self._bar = None
        self._what = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._bar is not None:
            self._bar.close()

    def __call__(self, what, done, total):
        if what != self._what:
            self.__exit__()
            unit = "image" if what.startswith(("reading", "converting")) else "B"
            self._bar = console.bar(total, unit=unit)
            self._bar.set_description(what)
            self._what = what
        self._bar.update(done - self._bar.n)
