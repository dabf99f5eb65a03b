"""Packaging of mtl. The version is read, not imported: building needs no dependencies."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (HERE / "mtl" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
)[1]

setup(
    name="mtl",
    version=VERSION,
    description="Multi-task learning in TensorFlow graph mode: an answer of 2016, running",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    # CC BY-SA 3.0 applies to mtl/answer.py and to the cost in mtl/lessons/lesson7_answer.py.
    license="Apache-2.0 AND CC-BY-SA-3.0",
    # Explicit, because setuptools refuses to guess between mtl/ and flags/.
    packages=find_packages(include=["mtl", "mtl.*"]),
    package_data={
        "mtl.cluster": ["*.md"],
        "mtl.examples": ["*.md"],
        "mtl.explain": ["*.css", "*.html", "*.js"],
        "mtl.lab": ["*.css", "*.md"],
        "mtl.lessons": ["*.md"],
        "mtl.reports": ["*.css"],
        "mtl.serving": ["*.css", "*.html", "*.js"],
        "mtl.data.drawn": ["*.npz", "*.txt"],
        "mtl.pretrained": ["*"],
    },
    python_requires=">=3.10,<3.14",
    install_requires=[
        "absl-py>=2.1",
        "h5py>=3.11",
        "numpy>=1.26",
        "Pillow>=10.1",
        "tensorflow>=2.16",
        "tqdm",
    ],
    extras_require={
        "test": [
            "ai-edge-litert>=2.0",
            "aiohttp>=3.12",
            "hypothesis",
            "matplotlib",
            "mlxtend",
            "onnx",
            "onnxruntime",
            "orjson>=3.10",
            "prometheus-client>=0.20",
            "pytest",
            "pytest-xdist>=3.7",
            "ruff",
            "scikit-learn",
            "tf2onnx>=1.17",
            "tritonclient[http]",
        ],
        "onnx": ["onnx", "tf2onnx>=1.17"],
        "serve": ["aiohttp>=3.12", "orjson>=3.10", "prometheus-client>=0.20"],
        "examples": ["mlxtend", "scikit-learn"],
        "plot": ["matplotlib"],
        "tensorboard": ["tensorboard"],
        "bench": [
            "jax",
            "keras>=3.5",
            "torch",
            "torchjd[cagrad,fairgrad,nash_mtl,quadprog_projector]>=0.18",
        ],
    },
    entry_points={"console_scripts": ["mtl=mtl.cli.main:run"]},
    classifiers=[
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
