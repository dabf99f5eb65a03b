"""Seven lessons on graph mode, each a file to read and run: `python -m mtl.lessons` lists them."""
