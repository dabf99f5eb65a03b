"""A frozen GraphDef in one file, for v1 sessions."""

import os

FORMAT = "frozen"
FILE = "model.pb"
TEXT = True


def write(exported, folder, options):
    """Write the graph; see mtl.serving.formats."""
    with open(os.path.join(folder, FILE), "wb") as file:
        file.write(exported.graph_def.SerializeToString(deterministic=True))
