"""`mtl convert`: the SVHN archives, or a folder of the same layout, as records."""

from absl import flags as absl_flags

from mtl.cli import console, flags, paths
from mtl.errors import UsageError

USAGE = "mtl convert --archive_dir=DIR --out=DIR [--download] [--splits=train,test]"
SUMMARY = "turn the SVHN archives into records, fetched first where wanted"
SPLITS = ("train", "test", "extra")


def define(values):
    """Define the flags: where from, where to, what."""
    text = "where train.tar.gz, test.tar.gz, extra.tar.gz lie, or folders train, test, extra of PNG files and digitStruct.mat"
    paths.define(values, "archive_dir", "", text)
    paths.define(
        values, "out", "", "the folder to write; an unfinished conversion in it is continued"
    )
    text = "the parts to convert, of train, test, extra (2 GB); of train every tenth picture becomes validation"
    absl_flags.DEFINE_list("splits", "train,test", text, flag_values=values)
    text = "fetch the archives that are not in --archive_dir, going on where it was cut off"
    absl_flags.DEFINE_boolean("download", False, text, flag_values=values)
    absl_flags.DEFINE_string(
        "url",
        None,
        "the address of the folder of archives, in place of SVHN's own",
        flag_values=values,
    )
    text = "a file of lines `md5  bytes  name` for archives other than SVHN's own"
    paths.define(values, "checksums", None, text)
    text = (
        "puts extra's pictures into train and validation, too, instead of into a part of their own"
    )
    absl_flags.DEFINE_boolean("extra_into_train", False, text, flag_values=values)
    bounds = {"lower_bound": 0, "upper_bound": 2**31 - 1}
    absl_flags.DEFINE_integer(
        "seed",
        0,
        "decides what becomes validation, and the order of the records",
        flag_values=values,
        **bounds,
    )
    bounds = {"lower_bound": 1, "upper_bound": 10**6}
    absl_flags.DEFINE_integer(
        "shard_size", 2048, "pictures in a file of records at most", flag_values=values, **bounds
    )


def check(values, arguments):
    """Hold the flags against each other; reads no file."""
    flags.check_no_arguments(arguments)
    if not values.archive_dir:
        raise UsageError(
            "--archive_dir is required; say where the archives lie, or where --download shall put them"
        )
    if not values.out:
        raise UsageError(
            "--out is required; say where the records shall be written: --out=data/records"
        )
    unknown = [split for split in values.splits if split not in SPLITS]
    if unknown or not values.splits or len(set(values.splits)) < len(values.splits):
        raise UsageError(
            f"--splits={','.join(values.splits)} must name some of {', '.join(SPLITS)}, each once"
        )
    if values.extra_into_train and not {"train", "extra"} <= set(values.splits):
        raise UsageError(
            "--extra_into_train needs both: --splits=train,extra or --splits=train,test,extra"
        )
    if values.url is not None and not values.download:
        raise UsageError(
            f"--url={values.url} means nothing without --download; add it, or leave --url out"
        )
    if values.url is not None and not values.url.startswith(("http://", "https://")):
        raise UsageError(f"--url={values.url} must begin with http:// or https://")


def main(values, arguments):
    """Convert; return the exit code."""
    console.start_tensorflow(values.verbosity)
    from mtl.data.svhn import archives, convert

    table = archives.read_checksums(values.checksums) if values.checksums else archives.OFFICIAL
    url = (values.url or archives.ADDRESS) if values.download else None
    with _Bars() as progress:

        def prepare(split, folder):
            return archives.prepare(
                values.archive_dir,
                split,
                folder,
                table=table,
                url=url,
                say=console.say,
                progress=progress,
            )

        manifest, worked = convert.convert(
            values.out, values.splits, prepare, seed=values.seed, shard_size=values.shard_size,
            extra_into_train=values.extra_into_train, say=console.say, progress=progress,
        )  # fmt: skip
    if not worked:
        print(f"{values.out}: nothing to do")
    for name, split in manifest["splits"].items():
        size, skipped = (
            sum(shard["bytes"] for shard in split["shards"]),
            sum(split["skipped"].values()),
        )
        print(
            f"{name:<12}{split['records']} records  {len(split['shards'])} shards  {size} bytes  {skipped} skipped"
        )
    return 0


class _Bars:
    """One bar after another: a new one wherever other work begins."""

    def __init__(self):
        self._bar, self._what = None, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._bar is not None:
            self._bar.close()

    def __call__(self, what, done, total):
        if what != self._what:
            self.__exit__()
            self._bar, self._what = (
                console.bar(
                    total, unit="image" if what.startswith(("reading", "converting")) else "B"
                ),
                what,
            )
            self._bar.set_description(what)
        self._bar.update(done - self._bar.n)
