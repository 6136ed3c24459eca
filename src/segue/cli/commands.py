"""All commands."""

from segue.cli import add
from segue.cli import like
from segue.cli import list_show
from segue.cli import spaces
from segue.cli import map as seeing
from segue.cli import duplicates
from segue.cli import playlist
from segue.cli import tags
from segue.cli import listens
from segue.cli import lyrics
from segue.cli import train
from segue.cli import sample
from segue.cli import compose
from segue.cli import melody
from segue.cli import harmonise
from segue.cli import explain
from segue.cli.app import app

# Imported to add to the app; their order is the order of `segue --help`.
# ruff: noqa: F401, I001

__all__ = ["app"]
