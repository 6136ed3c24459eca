"""All commands, imported in the order in which `segue --help` lists them."""

# ruff: noqa: F401, I001

import segue.cli.add
import segue.cli.list
import segue.cli.show
import segue.cli.duplicates
import segue.cli.listens
import segue.cli.demo
import segue.cli.like
import segue.cli.path
import segue.cli.playlist
import segue.cli.taste
import segue.cli.map
import segue.cli.groups
import segue.cli.evaluate
import segue.cli.explain
import segue.cli.compose
import segue.cli.melody
import segue.cli.harmonise
import segue.cli.lyrics
import segue.cli.transcribe
import segue.cli.sample
import segue.cli.train
import segue.cli.models
import segue.cli.reconstruct
import segue.cli.tags
import segue.cli.export
from segue.cli.app import app

__all__ = ["app"]
