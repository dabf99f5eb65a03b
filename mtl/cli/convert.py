"""`mtl convert`: turn the SVHN archives, or folders of the same layout, into records."""

import functools

from absl import flags as absl_flags

from mtl.cli import console, flags, paths
from mtl.errors import UsageError

USAGE = "mtl convert --archive_dir=DIR --out=DIR [--download] [--splits=train,test]"
SUMMARY = "turn the SVHN archives into records, and download them on request"
SPLITS = ("train", "test", "extra")


def define(values):
    """Define the flags: the source, the folder to write, and what to convert."""
    text = (
        "folder of train.tar.gz, test.tar.gz and extra.tar.gz, or of folders train, test and "
        "extra that contain PNG files and digitStruct.mat"
    )
    paths.define(values, "archive_dir", "", text)
    text = "folder to write; an unfinished conversion in it is continued"
    paths.define(values, "out", "", text)
    text = (
        "parts to convert: train, test, extra (2 GB); every tenth image of train becomes validation"
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
    if not values.archive_dir:
        cure = "name the folder of the archives, or the folder that --download fills"
        raise UsageError(f"--archive_dir is required; {cure}")
    if not values.out:
        raise UsageError("--out is required; name the folder to write: --out=data/records")
    splits = set(values.splits)
    if not splits or len(splits) < len(values.splits) or not splits <= set(SPLITS):
        names = ",".join(values.splits)
        raise UsageError(f"--splits={names} must name some of {', '.join(SPLITS)}, each once")
    if values.extra_into_train and not splits >= {"train", "extra"}:
        cure = "use --splits=train,extra or --splits=train,test,extra"
        raise UsageError(f"--extra_into_train needs both splits; {cure}")
    if values.url is not None and not values.download:
        cure = "add --download, or remove --url"
        raise UsageError(f"--url={values.url} has no effect without --download; {cure}")
    if values.url is not None and not values.url.startswith(("http://", "https://")):
        raise UsageError(f"--url={values.url} must begin with http:// or https://")


def main(values, arguments):
    """Convert; return the exit code."""
    console.start_tensorflow(values.verbosity)
    from mtl.data.svhn import archives, checksums, convert

    table = checksums.read(values.checksums) if values.checksums else checksums.OFFICIAL
    with _Bars() as progress:
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
    for name, split in manifest["splits"].items():
        print(f"{name:<12}{_summary(split)}")
    return 0


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
