"""The page of a list: titles are data in it whatever they hold, and its links lead to the files."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest

from segue.records import Tags, Track
from segue.render.pages import write_playlist_page

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "-->",
    "]]>",
    "\"'`&amp;\\",
    "/*DATA*/",
    "a\u2028b\u2029c\nd\te",
]


class Elements(HTMLParser):
    """Collects a page's elements, as a browser finds them, and the text of its data."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.data = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]
        self._inside = ("id", "data") in attrs

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data += data


def read(page: Path) -> Elements:
    elements = Elements()
    elements.feed(page.read_text(encoding="utf-8"))
    elements.close()
    return elements


def track(path: Path, title: str = "a title", *, missing: bool = False) -> Track:
    tags = Tags(title, title, title)
    return Track(1, "sound", path, tags, 61.4, "", missing=missing)


def data_of(page: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(read(page).data)
    return result


@pytest.mark.parametrize("text", HOSTILE)
def test_no_title_becomes_markup(tmp_path: Path, text: str) -> None:
    plain, hostile = tmp_path / "plain.html", tmp_path / "hostile.html"
    write_playlist_page([track(tmp_path / "a.ogg")], ["a note"], plain, "a list", "a caption")
    write_playlist_page([track(tmp_path / "a.ogg", text)], [text], hostile, text, text)
    assert read(hostile).names == read(plain).names
    assert read(hostile).attributes == read(plain).attributes
    assert "<" not in read(hostile).data
    data = data_of(hostile)
    assert (data["title"], data["caption"]) == (text, text)
    [listed] = data["tracks"]
    assert (listed["title"], listed["artist"], listed["album"], listed["note"]) == (text,) * 4


def test_the_program_of_the_page_inserts_no_markup(tmp_path: Path) -> None:
    write_playlist_page([], [], tmp_path / "list.html", "", "")
    program = (tmp_path / "list.html").read_text(encoding="utf-8")
    for door in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert door not in program


@pytest.mark.parametrize(
    "name",
    [
        "plain.ogg",
        "with space & # ? % .ogg",
        "javascript:alert(1).ogg",
        "\"'<img onerror=x>.ogg",
        "été 音楽.ogg",
        "bytes that are no text \udce9.ogg",
    ],
)
def test_links_lead_from_the_page_to_the_file(tmp_path: Path, name: str) -> None:
    for folder, above in (("music", "music/"), ("", "")):
        file = tmp_path / folder / name
        write_playlist_page([track(file)], [""], tmp_path / "list.html", "", "")
        link = data_of(tmp_path / "list.html")["tracks"][0]["link"]
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
        assert unquote_to_bytes(parts.path) == (above + name).encode("utf-8", "surrogateescape")


def test_links_lead_out_of_the_folder_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "pages" / "deep" / "list.html"
    page.parent.mkdir(parents=True)
    write_playlist_page([track(tmp_path / "music" / "a.ogg")], [""], page, "", "")
    assert data_of(page)["tracks"][0]["link"] == "../../music/a.ogg"
    assert str(tmp_path) not in page.read_text(encoding="utf-8")


def test_a_file_that_is_gone_has_no_link(tmp_path: Path) -> None:
    write_playlist_page(
        [track(tmp_path / "a.ogg", missing=True)], [""], tmp_path / "list.html", "", ""
    )
    assert data_of(tmp_path / "list.html")["tracks"][0]["link"] == ""
