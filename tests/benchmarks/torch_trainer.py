"""The side of PyTorch: the same networks and the answer's cost, trained by a loop as its users would write it."""

import contextlib
import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mtl.losses import CLIP_CEILING, CLIP_FLOOR
from mtl.tasks import NUMBER_TASKS, encode_all

MODES = (
    "eager",
    "channels_last",
    "compile",
)  # the second with fused Adam, the third with both of that
# Of a bottom of mtl.bottoms: filters of the first layer, its stride, the stages, units, features before them.
CONVOLUTIONAL = {
    "small": (48, (2, 2), [[64], [128], [192]], 512, 4 * 4),
    "base": (32, (2, 1), [[64], [96, 96], [192, 192]], 320, 4 * 7),
}
PAPER = [48, 64, 128, 160, 192, 192, 192, 192]


class Local(nn.Module):
    """A 5x5 convolution of 192 channels with a kernel of its own for each place."""

    def __init__(self, places):
        super().__init__()
        self.w, self.b = (
            nn.Parameter(torch.empty(places, 192 * 25, 192)),
            nn.Parameter(torch.empty(places, 1, 192)),
        )

    def forward(self, x):
        patches = functional.unfold(x, 5, padding=2).permute(2, 0, 1)  # [places, batch, 192 * 25]
        y = torch.baddbmm(self.b.to(patches.dtype), patches, self.w.to(patches.dtype))
        return y.permute(1, 2, 0).unflatten(2, x.shape[2:])


class Network(nn.Module):
    """What mtl.model builds; uint8 [n, channels, height, width] -> list of logits."""

    def __init__(self, bottom):
        super().__init__()
        self.bottom, layers, channels = bottom, {}, 3
        if bottom == "paper":
            for number, filters in enumerate(PAPER, start=1):
                out = 3 * filters if number == 1 else filters
                layers[f"conv{number}"] = nn.Conv2d(channels, out, 5, padding=2)
                channels = filters
            layers["local1"] = Local(16)
            layers["dense1"], layers["dense2"], units = (
                nn.Linear(16 * 192, 3072),
                nn.Linear(3072, 3072),
                3072,
            )
        else:
            first, self.stride, self.stages, units, places = CONVOLUTIONAL[bottom]
            layers["conv1"], channels, number = (
                nn.Conv2d(channels, first, 5, stride=self.stride),
                first,
                1,
            )
            for filters in [filters for stage in self.stages for filters in stage]:
                number += 1
                layers[f"conv{number}"] = nn.Conv2d(channels, filters, 3, padding=1)
                channels = filters
            layers["dense1"] = nn.Linear(places * channels, units)
        self.shared = nn.ModuleDict(layers)
        self.tops = nn.ModuleDict(
            {task.name: nn.Linear(units, task.classes) for task in NUMBER_TASKS}
        )

    def forward(self, images):
        x = images.float() / 255.0
        x = x - x.mean(dim=(1, 2, 3), keepdim=True)
        features = self._paper(x) if self.bottom == "paper" else self._convolutional(x)
        with torch.autocast("cpu", enabled=False):
            return [top(features.float()) for top in self.tops.values()]

    def _convolutional(self, x):
        # TensorFlow's SAME: what does not divide evenly goes to the far side.
        down, across = [(1, 2) if stride == 2 else (2, 2) for stride in self.stride]
        x, number = functional.relu(self.shared["conv1"](functional.pad(x, (*across, *down)))), 1
        for filters_of_stage in self.stages:
            for place in range(len(filters_of_stage)):
                number += 1
                y = self.shared[f"conv{number}"](x)
                x = functional.relu(y + x if place else y)
            x = functional.max_pool2d(x, 2, ceil_mode=True)
        return functional.relu(self.shared["dense1"](x.permute(0, 2, 3, 1).flatten(1)))

    def _paper(self, x):
        for number in range(1, len(PAPER) + 1):
            x = self.shared[f"conv{number}"](x)
            if number == 1:
                x = x.unflatten(1, (-1, 3)).amax(2)
            else:
                x = functional.relu(x)
            if number % 2:
                x = functional.max_pool2d(x, 2, ceil_mode=True)
            else:
                x = functional.max_pool2d(
                    functional.pad(x, (0, 1, 0, 1), value=float("-inf")), 2, stride=1
                )
            x = x - functional.avg_pool2d(
                x.mean(1, keepdim=True), 3, stride=1, padding=1, count_include_pad=False
            )
        x = functional.relu(self.shared["local1"](x)).permute(0, 2, 3, 1).flatten(1)
        return functional.relu(self.shared["dense2"](functional.relu(self.shared["dense1"](x))))


def load(net, weights):
    """Copy mtl's weights, dict name -> array, into a Network."""
    modules = {f"shared/{name}": module for name, module in net.shared.items()} | dict(
        net.tops.items()
    )
    with torch.no_grad():
        for name, module in modules.items():
            w, b = torch.from_numpy(weights[f"{name}/w"]), torch.from_numpy(weights[f"{name}/b"])
            if isinstance(
                module, Local
            ):  # unfold has the channel first, extract_patches has it last
                places, inputs, filters = w.shape
                module.w.copy_(
                    w.reshape(places, 25, inputs // 25, filters).transpose(1, 2).reshape(w.shape)
                )
                module.b.copy_(b)
            else:
                module.weight.copy_(w.permute(3, 2, 0, 1) if w.dim() == 4 else w.T)
                module.bias.copy_(b)


class Side:
    """The methods are those of mtl_trainer.Side."""

    def __init__(self, config, weights, mode):
        self.config, self.last, self.steps = config, mode != "eager", 0
        self.net = Network(config.bottom)
        load(self.net, weights)
        if self.last:
            self.net = self.net.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), lr=config.learning_rate, fused=self.last
        )
        self.forward = torch.compile(self.net) if mode == "compile" else self.net

    def _outputs(self, images):
        pixels = torch.from_numpy(images).permute(
            0, 3, 1, 2
        )  # as they lie, a view that is channels_last already
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bf16"):
            return self.forward(pixels if self.last else pixels.contiguous())

    def _step(self, images, labels):
        if self.config.schedule == "cosine":
            for group in self.optimizer.param_groups:
                group["lr"] = (
                    self.config.learning_rate
                    * 0.5
                    * (1.0 + math.cos(math.pi * self.steps / self.config.steps))
                )
        self.steps += 1
        self.optimizer.zero_grad(set_to_none=True)
        cost = 0.0
        for logits, classes in zip(self._outputs(images), labels):
            each = functional.cross_entropy(
                logits, classes, label_smoothing=self.config.label_smoothing
            )
            cost = cost + torch.log(torch.clamp(each, CLIP_FLOOR, CLIP_CEILING))
        cost.backward()
        self.optimizer.step()
        return cost

    def logits(self, images):
        with torch.no_grad():
            return {
                task.name: rows.numpy() for task, rows in zip(NUMBER_TASKS, self._outputs(images))
            }

    def step(self, images, labels):
        # TensorFlow adds epsilon to the root of the raw second moment, PyTorch to that of the corrected one: 30 times as much at first.
        for group in self.optimizer.param_groups:
            group["eps"] = 1e-8 / (1.0 - 0.999 ** (self.steps + 1)) ** 0.5
        return self._step(
            images, [torch.from_numpy(labels[task.name]).long() for task in NUMBER_TASKS]
        ).item()

    def epoch(self, examples):
        images = examples.images
        labels = {
            name: torch.from_numpy(classes).long()
            for name, classes in encode_all(examples.numbers).items()
        }
        order, size, since = (
            np.random.permutation(len(images)),
            self.config.batch_size,
            time.perf_counter(),
        )
        for first in range(0, len(images), size):
            indices = order[first : first + size]
            self._step(images[indices], [labels[task.name][indices] for task in NUMBER_TASKS])
        return time.perf_counter() - since

    def chunk(self, batches):
        batches = [
            (images, [torch.from_numpy(labels[task.name]).long() for task in NUMBER_TASKS])
            for images, labels in batches
        ]
        since = time.perf_counter()
        for images, labels in batches:
            self._step(images, labels)
        return time.perf_counter() - since

    def read(self, images):
        since = time.perf_counter()
        with torch.inference_mode():
            for first in range(0, len(images), 256):
                [
                    functional.log_softmax(rows, 1).numpy()
                    for rows in self._outputs(images[first : first + 256])
                ]
        return time.perf_counter() - since

    def one(self, image, times):
        since = time.perf_counter()
        with torch.inference_mode():
            for _ in range(times):
                [functional.log_softmax(rows, 1).numpy() for rows in self._outputs(image)]
        return time.perf_counter() - since


@contextlib.contextmanager
def opened(config, weights, mode):
    """Open a Side of one of MODES that starts from mtl's weights, dict name -> array."""
    torch.set_num_threads(config.threads)
    yield Side(config, weights, mode)
