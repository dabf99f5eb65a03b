"""multimnist: `mtl train` against the same network in Keras, with the plain sum of the losses.

    python -m tests.benchmarks.multimnist_keras [--seeds=5]

Both take data, batch size, learning rate, schedule, label smoothing and number of steps from
flags/multimnist.flags, and draw their initial weights from the same distributions. Each side has a
process of its own, and they take turns. The clock runs from the reading of the data to the last
step. It includes building the graph and the evaluations of validation. Of both sides, the last
weights are evaluated on test, after the clock has stopped.
"""

import argparse
import contextlib
import os
import tempfile
import time

import numpy as np

from mtl import examples as examples_lib
from tests.benchmarks import sharing, tables, turns

NAME = "multimnist"
TASKS = ("left", "right")
IDLE = 0.1  # cores; below this the machine counts as idle
STEPS_PER_EXECUTION = 50  # of Keras; faster than its default, 1, with the same results
KERAS = {"KERAS_BACKEND": "tensorflow"}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.multimnist_keras")
    parser.add_argument("--seeds", type=int, choices=range(2, 11), default=5)
    seeds = parser.parse_args().seeds
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        examples_lib.write(examples_lib.find(NAME), folder)
        sides = [
            turns.Player("mtl", opened_mtl, folder, []),
            turns.Player("mtl, --objective=linear", opened_mtl, folder, ["--objective=linear"]),
            turns.Player("Keras", opened_keras, folder, environment=KERAS),
        ]
        players = [stack.enter_context(side) for side in sides]
        test = read(folder, "test")
        found = {player.name: [] for player in players}
        for seed in range(seeds):
            for player in players if seed % 2 == 0 else reversed(players):
                turns.settle([other for other in players if other is not player])
                found[player.name].append(_measured(player, seed, test))
    _print(found)


def read(folder, split):
    """Return the arrays of a split, dict name -> array."""
    with np.load(os.path.join(folder, f"{split}.npz"), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _measured(player, seed, test):
    """Train one side.

    Returns:
      list of float: the exact match, the accuracies, the seconds, the seconds of processor time
      including the predictions of test, and the number of parameters.
    """
    _wait()
    since, busy, own = time.perf_counter(), _busy(), player.processor_seconds()
    seconds, parameters, classes = player.ask("train", seed)
    used = player.processor_seconds() - own
    share = (_busy() - busy - used) / (time.perf_counter() - since)
    correct = np.array([classes[task] == test[task] for task in TASKS])
    both = correct.all(axis=0).mean()
    print(
        f"{player.name}, seed {seed}: {both:.2%}, {seconds:.1f} s, {used:.1f} s of processor time; "
        f"other processes used {share:.0%} of a core",
        flush=True,
    )
    return [both, *correct.mean(axis=1), seconds, used, parameters]


def _wait(patience=60.0):
    """Wait until the machine is idle, because other processes slow the next turn."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = _busy()
        time.sleep(2.0)
        if _busy() - before < 2.0 * IDLE:
            return
    print(f"Still busy after {patience:.0f} s, which slows the next turn.", flush=True)


def _busy():
    """Return the seconds that all processors have worked since the machine started."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system = map(int, file.readline().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def _print(found):
    """Print the table; found: dict side -> for each seed the result of _measured."""
    values = {name: np.array(rows) for name, rows in found.items()}
    first = next(iter(values.values()))
    rows = []
    for name, each in values.items():
        if not (each[:, 5] == first[:, 5]).all():
            raise SystemExit(f"benchmarks: {name} has another number of parameters than mtl")
        shares = [f"{share:.2%}" for share in each[:, :3].mean(axis=0)]
        row = [name, *shares, *(f"{seconds:.1f}" for seconds in np.median(each[:, 3:5], axis=0))]
        if each is first:
            rows.append([*row, "-", "-", "-"])
            continue
        low, high = sharing.interval(100 * (first[:, 0] - each[:, 0]))
        ratios = np.median(each[:, 3:5] / first[:, 3:5], axis=0)
        better = f"{100 * (first[:, 0] - each[:, 0]).mean():+.2f} ({low:+.2f} to {high:+.2f})"
        rows.append([*row, better, *(f"{ratio:.2f}" for ratio in ratios)])
    print()
    head = ["", "both correct", *TASKS, "seconds, median", "of processor time"]
    head += ["mtl better by, points", "mtl faster by", "by processor time"]
    tables.table(head, rows)


# -- mtl -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened_mtl(data_dir, flags):
    """Open the side of mtl; flags: list of str, added to those of the flagfile."""
    from mtl.cli import console

    console.set_backends()
    console.start_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        yield Mtl(data_dir, flags, folder)


class Mtl:
    """The methods are those of Keras."""

    def __init__(self, data_dir, flags, folder):
        self._data_dir, self._flags, self._folder = data_dir, flags, folder

    def train(self, seed):
        import tensorflow.compat.v1 as tf

        from mtl.inference import reading
        from mtl.inference.network import Network

        model_dir = os.path.join(self._folder, str(seed))
        since = time.perf_counter()
        sharing.train(NAME, self._data_dir, model_dir, [*self._flags, f"--seed={seed}"])
        seconds = time.perf_counter() - since
        images = read(self._data_dir, "test")["images"][..., None]
        with Network.open(model_dir, "last") as network:
            outputs = reading.read(network, images)
            path = tf.train.latest_checkpoint(model_dir)
        shapes = dict(tf.train.list_variables(path))
        weights = [name for name in shapes if name.endswith(("/w", "/b"))]
        parameters = sum(int(np.prod(shapes[name])) for name in weights)
        return seconds, parameters, {name: rows.argmax(axis=1) for name, rows in outputs.items()}


# -- Keras -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened_keras(data_dir):
    """Open the side of Keras."""
    yield Keras(data_dir)


class Keras:
    """The network of mtl/bottoms.py `small` with two outputs, trained by `fit`."""

    def __init__(self, data_dir):
        self._data_dir = data_dir
        self._config = sharing.config_of(NAME)

    def train(self, seed):
        """Train; return the seconds, the number of parameters, and dict task -> classes of test."""
        import keras

        config = self._config
        since = time.perf_counter()
        keras.utils.set_random_seed(seed)
        model = self._compiled()
        images, labels = self._read("validation")
        model.fit(
            self._batches("train"),
            epochs=config.steps // config.save_every,
            steps_per_epoch=config.save_every,
            validation_data=(images, labels),
            validation_batch_size=256,
            verbose=0,
        )
        seconds = time.perf_counter() - since
        images, _ = self._read("test")
        logits = model.predict(images, batch_size=256, verbose=0)
        classes = {name: np.argmax(rows, axis=1) for name, rows in logits.items()}
        return seconds, model.count_params(), classes

    def _compiled(self):
        import keras

        config = self._config
        rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.steps)
        loss = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        )
        model = network()
        model.compile(
            optimizer=keras.optimizers.Adam(rate, epsilon=config.epsilon),
            loss=dict.fromkeys(TASKS, loss),
            metrics=dict.fromkeys(TASKS, ["accuracy"]),
            steps_per_execution=STEPS_PER_EXECUTION,
        )
        return model

    def _read(self, split):
        """Return the images and the labels of a split; labels are probabilities."""
        arrays = read(self._data_dir, split)
        one_hot = {task: np.eye(10, dtype=np.float32)[arrays[task]] for task in TASKS}
        return arrays["images"][..., None], one_hot

    def _batches(self, split):
        """Return an endless tf.data.Dataset of shuffled batches."""
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices(self._read(split)).cache()
        data = data.shuffle(len(data)).repeat().batch(self._config.batch_size)
        return data.prefetch(tf.data.AUTOTUNE)


def network():
    """Build the network: a keras.Model, uint8 images -> dict task name -> logits."""
    import keras
    from keras import layers, ops

    images = keras.Input((36, 36, 1), dtype="uint8")
    pixels = ops.cast(images, "float32") / 255.0
    x = pixels - ops.mean(pixels, axis=[1, 2, 3], keepdims=True)
    settings = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    x = layers.Conv2D(48, 5, strides=2, **settings)(x)
    for filters in (64, 128, 192):
        x = layers.Conv2D(filters, 3, **settings)(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(512, activation="relu", kernel_initializer="he_normal")(x)
    logits = {}
    for task in TASKS:
        logits[task] = layers.Dense(10, name=task, kernel_initializer="lecun_normal")(x)
    return keras.Model(images, logits)


if __name__ == "__main__":
    main()
