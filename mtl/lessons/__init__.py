"""Seven lessons in graph mode, each a file to read and to run: `python -m mtl.lessons` lists them."""
