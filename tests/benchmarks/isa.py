"""Limit every side to an older instruction set, to emulate a processor that has no newer one.

The libraries read these variables when they start. What is compiled into them, such as TensorFlow's
element-wise operations, does not change.
"""

import os

LIMITS = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions and products of TensorFlow and PyTorch
        "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own operations
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # PyTorch's float32 products
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",  # JAX, and TensorFlow with jit_compile
    },
}

# oneDNN has no bfloat16 products for AVX2.
PRECISIONS = {None: ("fp32", "bf16"), "avx2": ("fp32",)}


def limit(name):
    """Limit the processes that are started from now on; name: a key of LIMITS, or None."""
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ.update(LIMITS.get(name, {}))
    if name and flags:
        os.environ["XLA_FLAGS"] = f"{flags} {LIMITS[name]['XLA_FLAGS']}"


def described(name):
    """Return a limit as a part of a sentence, such as "limited to AVX2"."""
    return f"limited to {name.upper()}"
