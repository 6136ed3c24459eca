"""Figures and pages."""

from typing import Final

#: Suffixes of figures and of HTML pages.
FIGURE_SUFFIXES: Final = (".png", ".svg", ".pdf")
PAGE_SUFFIXES: Final = (".html", ".htm")
