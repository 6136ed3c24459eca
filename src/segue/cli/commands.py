"""All commands. Each says what it does, with an example, in `segue COMMAND --help`."""

# The order of these imports is the order of `segue --help`.
from segue.cli import keeping, asking, looking, seeing, travelling, tagging, listens, training, demo  # noqa: F401, I001  # they add to the app
from segue.cli.app import app

__all__ = ["app"]
