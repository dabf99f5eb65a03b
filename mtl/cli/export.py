"""`mtl export`: write a trained network as a model that other programs load or serve."""

import contextlib

from absl import flags as absl_flags

from mtl import fields
from mtl.cli import console, flags, paths, stderr
from mtl.errors import MtlError, UsageError, shown
from mtl.serving import formats

USAGE = "mtl export --model_dir=DIR --out=DIR [--format=saved_model] [--flag=value ...]"
SUMMARY = "write a trained network as a SavedModel, TensorFlow Lite, ONNX or frozen graph"
EXAMPLES = 200  # of validation, from which --quantize=int8 takes the ranges of values


def define(values):
    """Define the flags: the network, the folder, and the format."""
    text = "run directory of the network; pretrained is the packaged one, which reads numbers"
    flags.define_model_dir(values, text)
    text = "folder of the model; each export writes a new version: OUT/1, OUT/2, ..."
    paths.define(values, "out", "", text)
    each = [f"{name}: {fields.summary(path)}" for name, path in formats.FILES.items()]
    text = "\n".join(["the format of the model", *each])
    absl_flags.DEFINE_enum("format", formats.DEFAULT, formats.NAMES, text, flag_values=values)
    paths.define(values, "checkpoint", "best", "best, last, or the path of a checkpoint")
    flags.define_field(values, "views", follows_run=True)
    flags.define_temperature(values)
    with_it = [name for name in formats.NAMES if len(formats.quantizations(name)) > 1]
    text = (
        f"only with --format={'|'.join(with_it)}: how weights are stored: float16 halves the file; "
        "dynamic stores 8-bit integers; int8 also computes with them"
    )
    absl_flags.DEFINE_enum("quantize", "none", _quantizations(), text, flag_values=values)
    text = (
        f"with --quantize=int8: folder of the run's dataset, whose first {EXAMPLES} validation "
        "examples show the ranges of values" + flags.AS_THE_RUN
    )
    paths.define(values, "data_dir", None, text)
    flags.define_gpu(values)


def _quantizations():
    """List the values of --quantize of all formats, none first."""
    found = dict.fromkeys(each for name in formats.NAMES for each in formats.quantizations(name))
    return ["none", *(each for each in found if each != "none")]


def check(values, arguments):
    """Validate combinations of flags. Reads no file."""
    flags.check_no_arguments(arguments)
    flags.check_model_dir(values, "name a run, such as --model_dir=runs/mine, or pretrained")
    flags.check_temperature(values)
    if not values.out:
        raise UsageError("--out is required; name a folder for the model: --out=runs/exported")
    if values.quantize not in formats.quantizations(values.format):
        able = [name for name in formats.NAMES if values.quantize in formats.quantizations(name)]
        what = f"--quantize={values.quantize} does not work with --format={values.format}"
        raise UsageError(f"{what}; use --format={'|'.join(able)}, or remove --quantize")
    if values.data_dir is not None and values.quantize != "int8":
        cure = "add it, or remove --data_dir"
        raise UsageError(f"--data_dir={values.data_dir} applies only to --quantize=int8; {cure}")


def main(values, arguments):
    """Export; return the exit code."""
    check_packages = getattr(formats.find(values.format), "check", None)
    if check_packages:
        check_packages()
    console.start_tensorflow(values.verbosity, values.gpu_memory_growth)
    from mtl import run_files
    from mtl.runs import find
    from mtl.serving.export import folder, freeze

    run = run_files.read(find.directory(values.model_dir))
    flags.find_own_code(run.config)
    flags.check_numbers_only(values, run.config)
    folder.check(values.out, values.format)  # before the work
    console.notice("restoring the network ...")
    frozen = freeze.network(values.model_dir, values.checkpoint)
    options = formats.Options(values.quantize, lambda: _examples(values, run))
    console.notice(f"writing {values.format} ...")
    written = _write(values, frozen, options)
    print(f"{shown(written.path)}: step {frozen.step}, {_size(written.size)}")
    for name, signature in written.signatures.items():
        outputs = ", ".join(map(_text, signature.outputs))
        print(f"  {name}: {_text(signature.input)} -> {outputs}")
    return 0


def _write(values, frozen, options):
    """Write the model without the messages of converters; return a write.Written."""
    from mtl.serving.export import write

    run, failed = frozen.run, None
    with stderr.silent() if values.verbosity < 1 else contextlib.nullcontext():
        try:
            written = write.write(
                frozen,
                values.out,
                values.format,
                where=shown(values.model_dir),
                count=flags.value_or_run(values, "views", run.config)
                if run.config.is_numbers
                else 1,
                temperature=values.temperature or run.temperature,
                options=options,
            )
        except MtlError as error:
            failed = error  # its message has the first line of the converter; hide the others
    if failed:
        raise failed
    return written


def _size(count):
    """Return a number of bytes as text."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} KB"


def _text(tensor):
    """Return an input or an output as text: "pixels uint8 [n, 64, 64, 3]"."""
    return f"{tensor.name} {tensor.dtype} [{', '.join(map(str, ['n', *tensor.shape]))}]"


def _examples(values, run):
    """Return some inputs of validation, [n, *inputs.shape]."""
    config = run.config
    data_dir = values.data_dir or config.data_dir
    flags.check_data(config.dataset, data_dir)
    return console.load(
        config.dataset,
        data_dir,
        "validation",
        count=EXAMPLES,
        style=config.style,
        difficulty=config.difficulty,
        tasks=run.tasks,
        inputs=run.inputs,
    ).inputs
