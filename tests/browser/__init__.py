"""Pages of mtl in a real browser: `python -m tests.browser`. pytest does not collect them."""
