"""Isolation from the current folder: module search path and settings of libraries.

Python and some libraries load code and settings from the current folder. Segue is run in folders
of downloaded music, and must never import a ``numpy.py`` from an album.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Final

PACKAGE_FOLDER: Final = os.path.dirname(os.path.realpath(__file__))


def safe_import_path() -> list[str]:
    """Return the entries of `sys.path` that do not depend on the current folder.

    Left out are relative entries, including those of ``PYTHONPATH`` (an empty one is the current
    folder), and the current folder itself, unless ``PYTHONPATH`` holds its absolute path or
    Python is installed there. The folder that contains Segue is always included.
    """
    current = _current_folder()
    configured = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    relative = (entry for entry in configured if not os.path.isabs(entry))
    # Python has made relative entries absolute by now.
    unsafe = {os.path.realpath(os.path.join(current, entry)) for entry in ("", *relative)}
    unsafe -= {os.path.realpath(entry) for entry in configured if os.path.isabs(entry)}
    safe = [
        entry
        for entry in sys.path
        if os.path.isabs(entry)
        and os.pathsep not in entry  # PYTHONPATH would split it
        and (os.path.realpath(entry) not in unsafe or _is_installed(entry))
    ]
    own = os.path.dirname(PACKAGE_FOLDER)
    return safe if own in map(os.path.realpath, safe) else [*safe, own]


def drop_current_folder() -> None:
    """Remove the entries from `sys.path` that depend on the current folder."""
    sys.path[:] = safe_import_path()


@contextlib.contextmanager
def in_package_folder() -> Iterator[None]:
    """Change into Segue's own folder while a library reads settings from the current folder.

    Matplotlib reads ``matplotlibrc``, and Numba ``.numba_config.yaml``, which may say where
    compiled code is loaded from. Relative paths have another meaning inside.
    """
    before = _current_folder()
    os.chdir(PACKAGE_FOLDER)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it was removed meanwhile
            os.chdir(before)


def import_in_package_folder(module: str) -> None:
    """Import a module that reads settings from the current folder while it is imported."""
    with in_package_folder():
        import_module(module)


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return os.devnull


def _is_installed(entry: str) -> bool:
    """Return whether a folder belongs to the Python installation."""
    folder = os.path.realpath(entry)
    inside = any(
        folder.startswith(os.path.realpath(prefix) + os.sep)
        for prefix in (sys.prefix, sys.base_prefix)
    )
    standard_library = os.path.dirname(os.path.realpath(os.__file__))
    return folder == standard_library or (
        inside and os.path.basename(folder) in {"site-packages", "dist-packages", "lib-dynload"}
    )
