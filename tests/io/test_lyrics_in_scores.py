"""Words under the notes of ABC and kern."""

import os
from pathlib import Path

import pytest

from segue.errors import Unreadable
from segue.ingest.analysis import Decode, DecodedFile, DecodedTrack, run_job
from segue.io.score_lyrics import abc_lyrics, kern_lyrics, lyrics_in_score

HEAD = "X:1\nT:One\nL:1/4\nK:C\n"


@pytest.mark.parametrize(
    ("music", "words"),
    [
        ("CDEF|\nw:Twin-kle twin-kle", "Twinkle twinkle"),
        ("CDEF|\nw: hel - lo__ wor- ld *now,_ | then", "hello world now, then"),
        ("CDEF|\nw:1.~Oh~say la\\-la caf\\'e % spoken", "Oh say la-la café"),
        ("CD|\nw:Oh hap-\nEF|\nw:py day", "Oh happy day"),
        ("CD|\nw:Oh we\n+:sing\nEF|\nw:a song", "Oh we sing\na song"),
        ("CD|\nw:first verse\nw:second one\nEF|\nw:go on\n", "first verse\ngo on\n\nsecond one"),
        ("V:1\nCD|\nw:la\nV:2\nEF|\nw:the long-er voice\n", "the longer voice"),
        ("[V:1]CD|\n[V:2]EF|\nw:in brack-ets\n", "in brackets"),
        ("CD|\nW:After the tune\nW:another line\nW:\nW:another verse",
         "After the tune\nanother line\n\nanother verse"),
        ("CD|\nw:un-der it\nW:Be-hind it", "under it\n\nBe-hind it"),
        ("CD|\n% w:no words\n", ""),
        ("CD|\nw: * * _ |\n", ""),
        ("CD|\n", ""),
    ],
)  # fmt: skip
def test_lyrics_of_abc(music: str, words: str) -> None:
    assert abc_lyrics((HEAD + music).encode()) == [words]


def test_each_tune_of_a_book_has_its_own_words(tmp_path: Path) -> None:
    tunes = [
        HEAD + "CDEF|\nw:Row row row your boat\n",
        "X:2\nL:1/4\nK:C\nCDEF|\n",
        "X:3\nL:1/4\nK:C\nCDEF|\nw:Sleep my lit-tle one to-night\n",
    ]
    path = tmp_path / "book.abc"
    path.write_text("\n".join(tunes))
    results = run_job(Decode(os.fsencode(path), "score"))
    assert isinstance(results, DecodedFile)
    words = [
        tune.words.text if isinstance(tune, DecodedTrack) and tune.words else None
        for tune in results.tracks
    ]
    assert words == ["Row row row your boat", None, "Sleep my little one tonight"]


def kern(*rows: str) -> bytes:
    return "\n".join(row.replace(" ", "\t") for row in rows).encode()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("**kern **text", "4c Hal-", "4d -le-", "4e -lu-", "4f -jah", "*- *-"), "Hallelujah"),
        (("**kern **text", "4c Gra-", "4d ti-", "4e as", "*- *-"), "Gratias"),
        (("**kern **text", "4c gr&uuml;n", "4d _", "4e .", "4f ist", "*- *-"), "grün ist"),
        (  # a verse more, on the right
            ("**kern **text **text", "4c one two", "4d sun moon", "*- *- *-"),
            "one sun\n\ntwo moon",
        ),
        (  # the part that has most
            ("**kern **text **kern **text", "4C Bass 4c So-", "4D . 4d -pran", "4E . 4e sings",
             "*- *- *- *-"),
            "Sopran sings",
        ),
        (  # notes that split beside the words, and words that do
            ("**kern **text", "*^ *", "4c 4e A-", "*v *v *", "* *^", "4d -men x", "* *v *v",
             "*- *-"),
            "Amen",
        ),
        (("**kern **dynam", "4c p", "*- *-"), ""),
        (("**kern", "!! **text", "4c", "*-"), ""),
    ],
)  # fmt: skip
def test_lyrics_of_kern(rows: tuple[str, ...], words: str) -> None:
    assert kern_lyrics(kern(*rows)) == words


def test_rests_divide_kern_lyrics_into_lines() -> None:
    sung = [f"4c {word}" for word in ["now", "we", "all", "sing"]]
    rows = ("**kern **text", *sung, "2r .", *sung, "*- *-")
    assert kern_lyrics(kern(*rows)) == "now we all sing\nnow we all sing"


def test_damaged_kern_has_no_words(tmp_path: Path) -> None:
    damaged = kern("**kern **text", "4c", "*- *-")
    with pytest.raises(Unreadable, match="1 columns, expected 2"):
        kern_lyrics(damaged)
    (tmp_path / "a.krn").write_bytes(damaged)
    assert lyrics_in_score(tmp_path / "a.krn") == ()
