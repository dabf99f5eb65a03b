"""The side of Keras: the network of `small` and the answer's cost, trained by `fit` as its users would."""

import time

import keras
from keras import layers, ops

from mtl.config import CHANNELS, CROP
from mtl.losses import CLIP_CEILING, CLIP_FLOOR
from mtl.tasks import NUMBER_TASKS


def network():
    """Build what mtl.model builds for bottom `small`: a keras.Model, uint8 images -> dict task name -> logits."""
    images = keras.Input([CROP, CROP, CHANNELS], dtype="uint8")
    pixels = ops.cast(images, "float32") / 255.0
    x = pixels - ops.mean(pixels, axis=[1, 2, 3], keepdims=True)
    x = layers.Conv2D(48, 5, strides=2, padding="same", activation="relu", name="conv1")(x)
    for number, filters in enumerate([64, 128, 192], start=2):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Dense(512, activation="relu", name="dense1")(layers.Flatten()(x))
    return keras.Model(images, {task.name: layers.Dense(task.classes, name=task.name)(x) for task in NUMBER_TASKS})


def term(classes, smoothing):
    """Make one task's part of the answer's cost; Keras adds up those of all outputs."""

    def log_of_mean(y_true, y_pred):
        rows = ops.one_hot(ops.cast(ops.reshape(y_true, [-1]), "int32"), classes)
        each = keras.losses.categorical_crossentropy(rows, y_pred, from_logits=True, label_smoothing=smoothing)
        return ops.log(ops.clip(ops.mean(each), CLIP_FLOOR, CLIP_CEILING))

    return log_of_mean


def work(connection, config, images, labels, checked, turns):
    """Start from the weights that come, answer by logits and costs, then train an epoch whenever a message comes.

    Args:
      connection: multiprocessing Connection; gives a dict of mtl's variables first.
      config: config.Config.
      images: uint8 [n, CROP, CROP, CHANNELS], a whole number of batches; an epoch.
      labels: dict task name -> int32 [n].
      checked: list of int arrays, which images make each batch that is trained on before the answer.
      turns: int, epochs.
    """
    model = network()
    weights = connection.recv()
    for layer in model.layers:
        if layer.weights:
            name = layer.name if f"{layer.name}/w" in weights else f"shared/{layer.name}"
            layer.set_weights([weights[f"{name}/w"], weights[f"{name}/b"]])
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate, epsilon=1e-8),  # that of tf.train.AdamOptimizer; Keras has 1e-7
        loss={task.name: term(task.classes, config.label_smoothing) for task in NUMBER_TASKS},
    )
    logits = {name: ops.convert_to_numpy(tensor) for name, tensor in model(images[checked[0]]).items()}
    costs = []
    for indices in checked:
        model.reset_metrics()  # else the loss returned is the mean of all batches so far
        batch = {name: classes[indices] for name, classes in labels.items()}
        costs.append(float(model.train_on_batch(images[indices], batch, return_dict=True)["loss"]))
    connection.send((logits, costs))

    class Turns(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            connection.recv()
            self.since = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):  # after the epoch's metrics were read, so nothing is still under way
            connection.send(time.perf_counter() - self.since)

    model.fit(images, labels, batch_size=config.batch_size, epochs=turns, verbose=0, callbacks=[Turns()])
