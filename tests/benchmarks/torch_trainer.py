"""The side of PyTorch: the same networks and cost, trained by a loop."""

import contextlib
import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mtl.objectives.log_sum import CLIP_MAX, CLIP_MIN
from mtl.tasks import NUMBER_TASKS, encode_all

# As in mtl/bottoms.py: filters and stride of the first layer, filters of the stages, dense units;
# then the positions that the dense layer sees.
CONVOLUTIONAL = {
    "small": (48, (2, 2), [[64], [128], [192]], 512, 4 * 4),
    "base": (32, (2, 1), [[64], [96, 96], [192, 192]], 320, 4 * 7),
}
PAPER = (48, 64, 128, 160, 192, 192, 192, 192)
READ = 256  # images predicted at a time


# -- network ---------------------------------------------------------------------------------------


class Local(nn.Module):
    """A 5x5 convolution of 192 channels with a separate kernel at each position."""

    def __init__(self, places):
        super().__init__()
        self.w = nn.Parameter(torch.empty(places, 192 * 25, 192))
        self.b = nn.Parameter(torch.empty(places, 1, 192))

    def forward(self, x):
        patches = functional.unfold(x, 5, padding=2).permute(2, 0, 1)  # [places, batch, 192 * 25]
        y = torch.baddbmm(self.b.to(patches.dtype), patches, self.w.to(patches.dtype))
        return y.permute(1, 2, 0).unflatten(2, x.shape[2:])


class Network(nn.Module):
    """What mtl.model builds: uint8 [n, channels, height, width] -> list of logits."""

    def __init__(self, bottom):
        super().__init__()
        own = {"light": Light, "paper": Paper}
        self.bottom = own[bottom]() if bottom in own else Convolutional(*CONVOLUTIONAL[bottom])
        units = self.bottom.units
        tops = {task.name: nn.Linear(units, task.outputs) for task in NUMBER_TASKS}
        self.tops = nn.ModuleDict(tops)

    def forward(self, images):
        x = images.float() / 255.0
        features = self.bottom(x - x.mean(dim=(1, 2, 3), keepdim=True))
        with torch.autocast("cpu", enabled=False):
            return [top(features.float()) for top in self.tops.values()]


class Convolutional(nn.Module):
    """The bottoms `small` and `base`."""

    def __init__(self, first, stride, stages, units, places):
        super().__init__()
        self.units = units
        self._stages = stages
        # TensorFlow's SAME: an odd pixel of padding goes to the far side.
        down, across = [(1, 2) if step == 2 else (2, 2) for step in stride]
        self._padding = (*across, *down)
        layers = {"conv1": nn.Conv2d(3, first, 5, stride=stride)}
        channels = first
        for number, filters in enumerate(sum(stages, []), start=2):
            layers[f"conv{number}"] = nn.Conv2d(channels, filters, 3, padding=1)
            channels = filters
        layers["dense1"] = nn.Linear(places * channels, units)
        self.layers = nn.ModuleDict(layers)

    def forward(self, x):
        x = functional.relu(self.layers["conv1"](functional.pad(x, self._padding)))
        number = 1
        for stage in self._stages:
            for index in range(len(stage)):
                number += 1
                y = self.layers[f"conv{number}"](x)
                x = functional.relu(y + x if index else y)
            x = functional.max_pool2d(x, 2, ceil_mode=True)
        return functional.relu(self.layers["dense1"](_flat(x)))


class Light(nn.Module):
    """The bottom `light`."""

    units = 320

    def __init__(self):
        super().__init__()
        layers = {
            "conv1": nn.Conv2d(3, 32, 5, stride=2),
            "conv2": nn.Conv2d(32, 64, 3, stride=(2, 1), padding=1),
            "conv3": nn.Conv2d(64, 96, 3, stride=2),
            "conv4": nn.Conv2d(96, 96, 3, padding=1),
            "conv5": nn.Conv2d(96, 192, 3, padding=1),
            "dense1": nn.Linear(2 * 4 * 192, self.units),
        }
        self.layers = nn.ModuleDict(layers)

    def forward(self, x):
        # TensorFlow's SAME, as in Convolutional.
        x = functional.relu(self.layers["conv1"](functional.pad(x, (1, 2, 1, 2))))
        x = functional.relu(self.layers["conv2"](x))
        x = functional.relu(self.layers["conv3"](functional.pad(x, (1, 1, 0, 1))))
        x = functional.relu(functional.max_pool2d(x + self.layers["conv4"](x), 2, ceil_mode=True))
        x = functional.relu(functional.max_pool2d(self.layers["conv5"](x), 2, ceil_mode=True))
        return functional.relu(self.layers["dense1"](_flat(x)))


class Paper(nn.Module):
    """The bottom `paper`."""

    units = 3072

    def __init__(self):
        super().__init__()
        layers = {}
        channels = 3
        for number, filters in enumerate(PAPER, start=1):
            outputs = 3 * filters if number == 1 else filters
            layers[f"conv{number}"] = nn.Conv2d(channels, outputs, 5, padding=2)
            channels = filters
        layers["local1"] = Local(16)
        layers["dense1"] = nn.Linear(16 * 192, self.units)
        layers["dense2"] = nn.Linear(self.units, self.units)
        self.layers = nn.ModuleDict(layers)

    def forward(self, x):
        for number in range(1, len(PAPER) + 1):
            x = self.layers[f"conv{number}"](x)
            x = x.unflatten(1, (-1, 3)).amax(2) if number == 1 else functional.relu(x)
            x = _pool(x, halve=number % 2 == 1)
            x = x - functional.avg_pool2d(
                x.mean(1, keepdim=True), 3, stride=1, padding=1, count_include_pad=False
            )
        x = _flat(functional.relu(self.layers["local1"](x)))
        x = functional.relu(self.layers["dense1"](x))
        return functional.relu(self.layers["dense2"](x))


def _pool(x, halve):
    """Return TensorFlow's max_pool of 2x2 with stride 2 or 1 and padding SAME."""
    if halve:
        return functional.max_pool2d(x, 2, ceil_mode=True)
    padded = functional.pad(x, (0, 1, 0, 1), value=float("-inf"))
    return functional.max_pool2d(padded, 2, stride=1)


def _flat(x):
    """Flatten [n, channels, height, width] in TensorFlow's order, channels last."""
    return x.permute(0, 2, 3, 1).flatten(1)


# -- weights ---------------------------------------------------------------------------------------


def load(net, weights):
    """Copy mtl's weights, dict name -> array, into a Network."""
    modules = {f"shared/{name}": module for name, module in net.bottom.layers.items()}
    modules.update(net.tops.items())
    with torch.no_grad():
        for name, module in modules.items():
            w = torch.from_numpy(weights[f"{name}/w"])
            b = torch.from_numpy(weights[f"{name}/b"])
            if isinstance(module, Local):
                _load_local(module, w, b)
            else:
                module.weight.copy_(w.permute(3, 2, 0, 1) if w.dim() == 4 else w.T)
                module.bias.copy_(b)


def _load_local(module, w, b):
    # unfold orders a patch by channel first, TensorFlow's extract_patches by channel last.
    places, inputs, filters = w.shape
    by_channel = w.reshape(places, 25, inputs // 25, filters).transpose(1, 2)
    module.w.copy_(by_channel.reshape(w.shape))
    module.b.copy_(b)


# -- training --------------------------------------------------------------------------------------


class Side:
    """The methods are those of mtl_trainer.Side."""

    def __init__(self, config, weights, mode):
        """Start; mode: "eager", "channels_last" (with fused Adam) or "compile" (with both)."""
        self._config = config
        self._channels_last = mode != "eager"
        self._steps = 0
        net = Network(config.bottom)
        load(net, weights)
        if self._channels_last:
            net = net.to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.Adam(
            net.parameters(), lr=config.learning_rate, fused=self._channels_last
        )
        self._forward = torch.compile(net) if mode == "compile" else net

    def _outputs(self, images):
        # A view of NHWC arrays, which is channels_last already.
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        if not self._channels_last:
            pixels = pixels.contiguous()
        bf16 = self._config.precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return self._forward(pixels)

    def _step(self, images, labels):
        """Train one step on images and a list of labels; return the cost before it."""
        self._set_rate()
        self._steps += 1
        self._optimizer.zero_grad(set_to_none=True)
        cost = 0.0
        smoothing = self._config.label_smoothing
        for logits, classes in zip(self._outputs(images), labels):
            mean = functional.cross_entropy(logits, classes, label_smoothing=smoothing)
            cost = cost + torch.log(torch.clamp(mean, CLIP_MIN, CLIP_MAX))
        cost.backward()
        self._optimizer.step()
        return cost

    def _set_rate(self):
        config = self._config
        if config.schedule == "cosine":
            share = 0.5 * (1.0 + math.cos(math.pi * self._steps / config.steps))
            for group in self._optimizer.param_groups:
                group["lr"] = config.learning_rate * share

    def logits(self, images):
        with torch.no_grad():
            outputs = self._outputs(images)
        return {task.name: rows.numpy() for task, rows in zip(NUMBER_TASKS, outputs)}

    def step(self, images, labels):
        # TensorFlow adds epsilon to the root of the raw second moment, PyTorch to that of the
        # corrected one, where it weighs 30 times as much at first.
        for group in self._optimizer.param_groups:
            group["eps"] = 1e-8 / (1.0 - 0.999 ** (self._steps + 1)) ** 0.5
        return self._step(images, _tensors(labels)).item()

    def epoch(self, examples):
        images = examples.inputs
        labels = _tensors(encode_all(examples.numbers))
        size = self._config.batch_size
        order = np.random.permutation(len(images))
        since = time.perf_counter()
        for first in range(0, len(images), size):
            indices = order[first : first + size]
            self._step(images[indices], [classes[indices] for classes in labels])
        return time.perf_counter() - since

    def chunk(self, batches):
        batches = [(images, _tensors(labels)) for images, labels in batches]
        since = time.perf_counter()
        for images, labels in batches:
            self._step(images, labels)
        return time.perf_counter() - since

    def read(self, images):
        since = time.perf_counter()
        for first in range(0, len(images), READ):
            self._log_probs(images[first : first + READ])
        return time.perf_counter() - since

    def one(self, image, times):
        since = time.perf_counter()
        for _ in range(times):
            self._log_probs(image)
        return time.perf_counter() - since

    def _log_probs(self, images):
        with torch.inference_mode():
            return [functional.log_softmax(rows, 1).numpy() for rows in self._outputs(images)]


def _tensors(labels):
    """Return labels, dict task name -> int32 [n], as a list of tensors in task order."""
    return [torch.from_numpy(labels[task.name]).long() for task in NUMBER_TASKS]


@contextlib.contextmanager
def opened(config, weights, mode):
    """Open a Side that starts from mtl's weights, dict name -> array."""
    torch.set_num_threads(config.threads)
    yield Side(config, weights, mode)
