"""The software and hardware that affect the exact results of a run, besides its flags."""

import os
import platform

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import __version__

# If one of these changes, a run continues, but not bit for bit.
DECIDES_BITS = ("mtl", "tensorflow", "numpy", "processor", "onednn")


def versions():
    """Return the record of versions.json, dict name -> str."""
    return {
        "mtl": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
    }


def processor():
    """Return the model name of the processor, or its architecture if the system has no name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
