"""The lab: grids of training runs, and a page that compares them. See mtl/cli/compare.py."""
