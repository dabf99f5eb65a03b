"""Pages in a real browser: `python -m tests.browser` from the root of the repository. pytest does not collect them."""
