"""The software and hardware that affect the exact results of a run, besides its flags."""

import os
import platform

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import __version__, devices, machine

# If one of these changes, a run continues, but not bit for bit.
DECIDES_BITS = ("mtl", "tensorflow", "numpy", "processor", "onednn", "gpu", "cluster")


def versions(cluster="none"):
    """Return the record of versions.json, dict name -> str; cluster: str, its size."""
    return {
        "mtl": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "gpu": ", ".join(devices.gpus()) or "none",
        "cluster": cluster,
    }


def processor():
    """Return the model name of the processor, or its architecture if the system has no name."""
    return machine.cpuinfo("model name") or platform.processor() or platform.machine()
