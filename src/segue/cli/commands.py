"""All commands. Each says what it does, with an example, in `segue COMMAND --help`."""

# Imported to add to the app; their order is the order of `segue --help`.
# ruff: noqa: F401, I001
from segue.cli import keeping, asking, showing, listing, looking, seeing, standing_out, travelling
from segue.cli import (
    tagging,
    listens,
    finding,
    training,
    models,
    learned,
    scores,
    composing,
    melody,
)
from segue.cli import harmonising, writing, explaining, demo
from segue.cli.app import app

__all__ = ["app"]
