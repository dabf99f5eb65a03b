"""The side of Keras: the same networks and cost, trained by `fit`.

The environment variable KERAS_BACKEND chooses the backend.
"""

import contextlib
import time

import keras
import numpy as np
from keras import layers, ops

from mtl.inputs import NUMBERS
from mtl.objectives.log_sum import CLIP_MAX, CLIP_MIN
from mtl.tasks import NUMBER_TASKS, encode_all

# As in mtl/bottoms.py: filters and stride of the first layer, filters of the stages, dense units.
CONVOLUTIONAL = {
    "small": (48, 2, [[64], [128], [192]], 512),
    "base": (32, (2, 1), [[64], [96, 96], [192, 192]], 320),
}
PAPER = (48, 64, 128, 160, 192, 192, 192, 192)
EPSILON = 1e-8  # of tf.train.AdamOptimizer; the default of Keras is 1e-7
POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16"}


# -- network ---------------------------------------------------------------------------------------


class Local(layers.Layer):
    """A 5x5 convolution with a separate kernel at each position; Keras 3 has none."""

    def __init__(self, filters, **others):
        super().__init__(**others)
        self.filters = filters

    def build(self, shape):
        _, height, width, channels = shape
        places = height * width
        self.w = self.add_weight(shape=(places, 25 * channels, self.filters), name="w")
        self.b = self.add_weight(shape=(places, 1, self.filters), name="b")

    def call(self, x):
        _, height, width, _ = x.shape
        patches = ops.image.extract_patches(x, (5, 5), strides=1, padding="same")
        patches = ops.reshape(patches, [-1, height * width, patches.shape[3]])
        patches = ops.transpose(patches, [1, 0, 2])  # [places, batch, 25 * channels]
        y = ops.matmul(patches, ops.cast(self.w, x.dtype)) + ops.cast(self.b, x.dtype)
        return ops.reshape(ops.transpose(y, [1, 0, 2]), [-1, height, width, self.filters])


def network(bottom):
    """Build what mtl.model builds: a keras.Model, uint8 images -> dict task name -> logits."""
    images = keras.Input(NUMBERS.network_shape, dtype="uint8")
    pixels = ops.cast(images, "float32") / 255.0
    x = pixels - ops.mean(pixels, axis=[1, 2, 3], keepdims=True)
    x = ops.cast(x, keras.config.dtype_policy().compute_dtype)
    builders = {"light": _light, "paper": _paper}
    x = builders[bottom](x) if bottom in builders else _convolutional(x, *CONVOLUTIONAL[bottom])
    logits = {}
    for task in NUMBER_TASKS:
        logits[task.name] = layers.Dense(task.outputs, name=task.name, dtype="float32")(x)
    return keras.Model(images, logits)


def _convolutional(x, first, stride, stages, units):
    x = _conv(first, 5, "conv1", strides=stride, activation="relu")(x)
    number = 1
    for stage in stages:
        for index, filters in enumerate(stage):
            number += 1
            if index:
                x = ops.relu(_conv(filters, 3, f"conv{number}")(x) + x)
            else:
                x = _conv(filters, 3, f"conv{number}", activation="relu")(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    return layers.Dense(units, activation="relu", name="dense1")(layers.Flatten()(x))


def _light(x):
    x = _conv(32, 5, "conv1", strides=2, activation="relu")(x)
    x = _conv(64, 3, "conv2", strides=(2, 1), activation="relu")(x)
    x = _conv(96, 3, "conv3", strides=2, activation="relu")(x)
    x = x + _conv(96, 3, "conv4")(x)
    x = ops.relu(layers.MaxPooling2D(2, padding="same")(x))
    x = _conv(192, 3, "conv5")(x)
    x = ops.relu(layers.MaxPooling2D(2, padding="same")(x))
    return layers.Dense(320, activation="relu", name="dense1")(layers.Flatten()(x))


def _paper(x):
    for number, filters in enumerate(PAPER, start=1):
        if number == 1:
            x = _conv(3 * filters, 5, "conv1")(x)
            x = ops.max(ops.reshape(x, [-1, *x.shape[1:3], filters, 3]), axis=4)  # maxout
        else:
            x = _conv(filters, 5, f"conv{number}", activation="relu")(x)
        x = layers.MaxPooling2D(2, strides=2 if number % 2 else 1, padding="same")(x)
        mean = ops.mean(x, axis=3, keepdims=True)
        x = x - layers.AveragePooling2D(3, strides=1, padding="same")(mean)
    x = ops.relu(Local(192, name="local1")(x))
    x = layers.Dense(3072, activation="relu", name="dense1")(layers.Flatten()(x))
    return layers.Dense(3072, activation="relu", name="dense2")(x)


def _conv(filters, size, name, **others):
    return layers.Conv2D(filters, size, padding="same", name=name, **others)


# -- training --------------------------------------------------------------------------------------


class LogOfMean:
    """The loss of one task in the answer's cost; Keras adds those of all outputs."""

    def __init__(self, classes, smoothing):
        self.__name__ = "log_of_mean"  # Keras names the metric after it
        self._classes = classes
        self._smoothing = smoothing

    def __call__(self, y_true, y_pred):
        classes = ops.cast(ops.reshape(y_true, [-1]), "int32")
        each = keras.losses.categorical_crossentropy(
            ops.one_hot(classes, self._classes),
            y_pred,
            from_logits=True,
            label_smoothing=self._smoothing,
        )
        return ops.log(ops.clip(ops.mean(each), CLIP_MIN, CLIP_MAX))


class Epoch(keras.callbacks.Callback):
    """Times an epoch of `fit`, from its first batch to its last metric."""

    def on_epoch_begin(self, epoch, logs=None):
        self._since = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        # The metrics of the epoch have been read, so no work is left.
        self.seconds = time.perf_counter() - self._since


class Side:
    """The methods are those of mtl_trainer.Side."""

    def __init__(self, config, weights, jit_compile):
        self._batch_size = config.batch_size
        self._model = network(config.bottom)
        self._epoch = Epoch()
        self._load(weights)
        rate = config.learning_rate
        if config.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, config.steps)
        smoothing = config.label_smoothing
        self._model.compile(
            optimizer=keras.optimizers.Adam(rate, epsilon=EPSILON),
            loss={task.name: LogOfMean(task.outputs, smoothing) for task in NUMBER_TASKS},
            jit_compile=jit_compile,
        )

    def _load(self, weights):
        for layer in self._model.layers:
            if layer.weights:
                name = layer.name if f"{layer.name}/w" in weights else f"shared/{layer.name}"
                layer.set_weights([weights[f"{name}/w"], weights[f"{name}/b"]])

    def logits(self, images):
        found = self._model.predict_on_batch(images)
        return {name: np.asarray(rows) for name, rows in found.items()}

    def step(self, images, labels):
        self._model.reset_metrics()  # else the loss is the mean of all batches so far
        return float(self._model.train_on_batch(images, labels, return_dict=True)["loss"])

    def epoch(self, examples):
        return self._fit(examples.inputs, encode_all(examples.numbers), self._batch_size)

    def chunk(self, batches):
        images = np.concatenate([images for images, _ in batches])
        labels = {}
        for name in batches[0][1]:
            labels[name] = np.concatenate([labels[name] for _, labels in batches])
        return self._fit(images, labels, len(batches[0][0]), shuffle=False)

    def _fit(self, images, labels, size, shuffle=True):
        """Train one epoch; return the seconds."""
        self._model.fit(
            images,
            labels,
            batch_size=size,
            shuffle=shuffle,
            verbose=0,
            callbacks=[self._epoch],
        )
        return self._epoch.seconds

    def read(self, images):
        since = time.perf_counter()
        self._model.predict(images, batch_size=256, verbose=0)
        return time.perf_counter() - since

    def one(self, image, times):
        since = time.perf_counter()
        for _ in range(times):
            self._model.predict_on_batch(image)
        return time.perf_counter() - since


@contextlib.contextmanager
def opened(config, weights, jit_compile):
    """Open a Side that starts from mtl's weights, dict name -> array."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        tf.config.threading.set_inter_op_parallelism_threads(config.threads)
    keras.config.set_dtype_policy(POLICIES[config.precision])
    yield Side(config, weights, jit_compile)
