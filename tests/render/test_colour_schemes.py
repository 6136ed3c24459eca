"""Every page follows the colour scheme of the reader's system, and what is read stands out."""

import re
from importlib.resources import files

import pytest

from segue.render.pages import page_source

PAGES = sorted(
    page.name
    for page in files("segue.render").joinpath("templates").iterdir()
    if page.name.endswith(".html") and page.name != "page.html"
)
#: What the Web Content Accessibility Guidelines 2.2 (1.4.3, AA) ask of text.
CONTRAST = 4.5


def schemes(page: str) -> dict[str, dict[str, str]]:
    """Read the colours of a page, light and dark."""
    text = page_source(page)
    assert "color-scheme: light dark" in text
    block = r"@media \(prefers-color-scheme: dark\) .*?} }"
    dark = "".join(re.findall(block, text, re.DOTALL))
    light = re.sub(block, "", text, flags=re.DOTALL)
    colour = r"--(\w+): (#[0-9a-f]{6})\b"
    return {
        "light": dict(re.findall(colour, light)),
        "dark": dict(re.findall(colour, dark)),
    }


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(page: str, scheme: str) -> None:
    colours = schemes(page)[scheme]
    for back in ("back", "panel"):
        for ink in ("ink", "dim"):
            assert contrast(colours[ink], colours[back]) >= CONTRAST, (ink, back)
    assert (luminance(colours["back"]) > 0.5) == (scheme == "light")


@pytest.mark.parametrize("page", PAGES)
def test_both_schemes_name_the_same_colours(page: str) -> None:
    result = schemes(page)
    assert result["light"].keys() == result["dark"].keys()
