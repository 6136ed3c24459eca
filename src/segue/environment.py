"""What the current folder must not influence: module search path, settings of libraries.

Python and some libraries look into the current folder for code and settings. Segue is run in
folders of music that came from anywhere, so a ``numpy.py`` in an album must never be imported.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Final

PACKAGE_FOLDER: Final = os.path.dirname(os.path.realpath(__file__))


def safe_import_path() -> list[str]:
    """List the folders of `sys.path` that do not depend on the current folder.

    Left out are relative entries, also those of ``PYTHONPATH`` (an empty one is the current
    folder), and the current folder where neither ``PYTHONPATH`` names it by its absolute path
    nor Python is installed there. The folder that Segue lies in is always listed.
    """
    current = _current_folder()
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    relative = (entry for entry in named if not os.path.isabs(entry))
    # Python has made them absolute by now.
    unsafe = {os.path.realpath(os.path.join(current, entry)) for entry in ("", *relative)}
    unsafe -= {os.path.realpath(entry) for entry in named if os.path.isabs(entry)}
    kept = [
        entry
        for entry in sys.path
        if os.path.isabs(entry)
        and os.pathsep not in entry  # PYTHONPATH would make two of it, one of them relative
        and (os.path.realpath(entry) not in unsafe or _is_installed(entry))
    ]
    own = os.path.dirname(PACKAGE_FOLDER)
    return kept if own in map(os.path.realpath, kept) else [*kept, own]


def drop_current_folder() -> None:
    """Take out of `sys.path` what depends on the current folder."""
    sys.path[:] = safe_import_path()


@contextlib.contextmanager
def in_package_folder() -> Iterator[None]:
    """Be in Segue's own folder while a library runs that reads settings from the current one.

    Matplotlib reads ``matplotlibrc`` there, and Numba ``.numba_config.yaml``, which may say where
    compiled code is loaded from. Inside, only absolute paths mean what they meant outside.
    """
    before = _current_folder()
    os.chdir(PACKAGE_FOLDER)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it was removed meanwhile
            os.chdir(before)


def import_in_package_folder(module: str) -> None:
    """Import a library that reads settings from the current folder as it is imported."""
    with in_package_folder():
        import_module(module)


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed, so that nothing can be imported from it
        return os.devnull


def _is_installed(entry: str) -> bool:
    """Tell whether a folder is Python's own, even while somebody works in it."""
    place = os.path.realpath(entry)
    inside = any(
        place.startswith(os.path.realpath(prefix) + os.sep)
        for prefix in (sys.prefix, sys.base_prefix)
    )
    own = {os.path.dirname(os.path.realpath(os.__file__))}
    return place in own or (
        inside and os.path.basename(place) in {"site-packages", "dist-packages", "lib-dynload"}
    )
