"""The side of Keras: the same networks and the answer's cost, trained by `fit` as its users would. KERAS_BACKEND says on what."""

import contextlib
import time

import keras
import numpy as np
from keras import layers, ops

from mtl.config import CHANNELS, CROP
from mtl.losses import CLIP_CEILING, CLIP_FLOOR
from mtl.tasks import NUMBER_TASKS, encode_all

# Of a bottom of mtl.bottoms: filters of the first layer, its stride, the stages, units.
CONVOLUTIONAL = {
    "small": (48, 2, [[64], [128], [192]], 512),
    "base": (32, (2, 1), [[64], [96, 96], [192, 192]], 320),
}


class Local(layers.Layer):
    """A 5x5 convolution with a kernel of its own for each place; Keras 3 has none."""

    def __init__(self, filters, **others):
        super().__init__(**others)
        self.filters = filters

    def build(self, shape):
        _, height, width, channels = shape
        self.w = self.add_weight(shape=(height * width, 25 * channels, self.filters), name="w")
        self.b = self.add_weight(shape=(height * width, 1, self.filters), name="b")

    def call(self, x):
        _, height, width, _ = x.shape
        patches = ops.image.extract_patches(x, (5, 5), strides=1, padding="same")
        patches = ops.transpose(
            ops.reshape(patches, [-1, height * width, patches.shape[3]]), [1, 0, 2]
        )
        y = ops.matmul(patches, ops.cast(self.w, x.dtype)) + ops.cast(self.b, x.dtype)
        return ops.reshape(ops.transpose(y, [1, 0, 2]), [-1, height, width, self.filters])


def network(bottom):
    """Build what mtl.model builds: a keras.Model, uint8 images -> dict task name -> logits."""
    images = keras.Input([CROP, CROP, CHANNELS], dtype="uint8")
    pixels = ops.cast(images, "float32") / 255.0
    x = pixels - ops.mean(pixels, axis=[1, 2, 3], keepdims=True)
    x = ops.cast(x, keras.config.dtype_policy().compute_dtype)
    x = _paper(x) if bottom == "paper" else _convolutional(x, *CONVOLUTIONAL[bottom])
    return keras.Model(
        images,
        {
            task.name: layers.Dense(task.classes, name=task.name, dtype="float32")(x)
            for task in NUMBER_TASKS
        },
    )


def _convolutional(x, first, stride, stages, units):
    x = layers.Conv2D(first, 5, strides=stride, padding="same", activation="relu", name="conv1")(x)
    number = 1
    for filters_of_stage in stages:
        for place, filters in enumerate(filters_of_stage):
            number += 1
            if place:
                x = ops.relu(layers.Conv2D(filters, 3, padding="same", name=f"conv{number}")(x) + x)
            else:
                x = layers.Conv2D(
                    filters, 3, padding="same", activation="relu", name=f"conv{number}"
                )(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    return layers.Dense(units, activation="relu", name="dense1")(layers.Flatten()(x))


def _paper(x):
    for number, filters in enumerate([48, 64, 128, 160, 192, 192, 192, 192], start=1):
        if number == 1:
            x = layers.Conv2D(3 * filters, 5, padding="same", name="conv1")(x)
            x = ops.max(ops.reshape(x, [-1, *x.shape[1:3], filters, 3]), axis=4)
        else:
            x = layers.Conv2D(filters, 5, padding="same", activation="relu", name=f"conv{number}")(
                x
            )
        x = layers.MaxPooling2D(2, strides=2 if number % 2 else 1, padding="same")(x)
        x = x - layers.AveragePooling2D(3, strides=1, padding="same")(
            ops.mean(x, axis=3, keepdims=True)
        )
    x = ops.relu(Local(192, name="local1")(x))
    x = layers.Dense(3072, activation="relu", name="dense1")(layers.Flatten()(x))
    return layers.Dense(3072, activation="relu", name="dense2")(x)


def term(classes, smoothing):
    """Make one task's part of the answer's cost; Keras adds up those of all outputs."""

    def log_of_mean(y_true, y_pred):
        rows = ops.one_hot(ops.cast(ops.reshape(y_true, [-1]), "int32"), classes)
        each = keras.losses.categorical_crossentropy(
            rows, y_pred, from_logits=True, label_smoothing=smoothing
        )
        return ops.log(ops.clip(ops.mean(each), CLIP_FLOOR, CLIP_CEILING))

    return log_of_mean


class Epoch(keras.callbacks.Callback):
    """Times the epochs of `fit` from the first batch to the last metric, without what `fit` does before."""

    def on_epoch_begin(self, epoch, logs=None):
        self._since = time.perf_counter()

    def on_epoch_end(
        self, epoch, logs=None
    ):  # after the epoch's metrics were read, so nothing is still under way
        self.seconds = time.perf_counter() - self._since


class Side:
    """The methods are those of mtl_trainer.Side."""

    def __init__(self, config, weights, jit_compile):
        self.config, self.model, self._epoch = config, network(config.bottom), Epoch()
        for layer in self.model.layers:
            if layer.weights:
                name = layer.name if f"{layer.name}/w" in weights else f"shared/{layer.name}"
                layer.set_weights([weights[f"{name}/w"], weights[f"{name}/b"]])
        decay = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.steps)
        rate = decay if config.schedule == "cosine" else config.learning_rate
        self.model.compile(
            optimizer=keras.optimizers.Adam(
                rate, epsilon=1e-8
            ),  # that of tf.train.AdamOptimizer; Keras has 1e-7
            loss={task.name: term(task.classes, config.label_smoothing) for task in NUMBER_TASKS},
            jit_compile=jit_compile,
        )

    def logits(self, images):
        return {
            name: np.asarray(rows) for name, rows in self.model.predict_on_batch(images).items()
        }

    def step(self, images, labels):
        self.model.reset_metrics()  # else the loss returned is the mean of all batches so far
        return float(self.model.train_on_batch(images, labels, return_dict=True)["loss"])

    def epoch(self, examples):
        labels = encode_all(examples.numbers)
        self.model.fit(
            examples.images,
            labels,
            batch_size=self.config.batch_size,
            epochs=1,
            verbose=0,
            callbacks=[self._epoch],
        )
        return self._epoch.seconds

    def chunk(self, batches):
        images = np.concatenate([images for images, _ in batches])
        labels = {
            name: np.concatenate([labels[name] for _, labels in batches]) for name in batches[0][1]
        }
        self.model.fit(
            images,
            labels,
            batch_size=len(batches[0][0]),
            shuffle=False,
            verbose=0,
            callbacks=[self._epoch],
        )
        return self._epoch.seconds

    def read(self, images):
        since = time.perf_counter()
        self.model.predict(images, batch_size=256, verbose=0)
        return time.perf_counter() - since

    def one(self, image, times):
        since = time.perf_counter()
        for _ in range(times):
            self.model.predict_on_batch(image)
        return time.perf_counter() - since


@contextlib.contextmanager
def opened(config, weights, jit_compile):
    """Open a Side that starts from mtl's weights, dict name -> array."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(config.threads)
    keras.config.set_dtype_policy({"fp32": "float32", "bf16": "mixed_bfloat16"}[config.precision])
    yield Side(config, weights, jit_compile)
