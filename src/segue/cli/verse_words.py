"""What is said of lyrics that were written, in words; the figures are in the report."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from segue.represent.lyrics.words import rhyme_sound, syllables, words_of


def said_of(told: dict[str, Any], *, chorus_lacking: int = 0) -> list[str]:
    """Say in a few lines what a text is like.

    Parameters
    ----------
    told : dict
        The report of a `segue.compose.verse_making.Verse`.
    chorus_lacking : int
        So many lines it would take for the chorus to come back; 0 where it does.
    """
    texts = [line["text"] for line in told["lines"]]
    said = [_form(texts)]
    if any(line["repeated"] for line in told["lines"]):
        repeated = sum(line["repeated"] for line in told["lines"])
        said.append(f"the chorus comes back: {repeated} of the lines are repeated")
    elif chorus_lacking:
        said.append(
            f"too short for the chorus to come back: that takes more than two stanzas, "
            f"--lines {chorus_lacking} say"
        )
    if "figures" in told:
        said += _originality(told)
    return said


def _form(texts: Sequence[str]) -> str:
    """Say how many lines and stanzas there are, how long the lines are, how many rhyme."""
    sung = [text for text in texts if words_of(text)]
    stanzas = sum(
        bool(text) and (not number or not texts[number - 1]) for number, text in enumerate(texts)
    )
    counts = [sum(map(syllables, words_of(text))) for text in sung]
    lines = f"{len(sung)} lines" if len(sung) != 1 else "1 line"
    if stanzas > 1:
        lines += f" in {stanzas} stanzas"
    if not counts:
        return lines
    span = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{counts[0]}"
    rhymes = _rhyming([words_of(text)[-1] for text in sung])
    return f"{lines}, {span} syllables each; {rhymes} of them rhyme, told by their spelling"


def _rhyming(last: Sequence[str]) -> int:
    """Count lines whose last word rhymes with another word that ends a line near by."""
    near = 4
    sounds = [rhyme_sound(word.lower()) for word in last]
    words = [word.lower() for word in last]
    return sum(
        any(
            sounds[at] == sounds[other] and words[at] != words[other]
            for other in range(max(at - near, 0), min(at + near + 1, len(last)))
        )
        for at in range(len(last))
    )


def _originality(told: dict[str, Any]) -> list[str]:
    """Say what is copied and from whom, what is no word, and whom the lines are taken for."""
    figures = told["figures"]
    copied = figures["copied_words"]
    said = ["no run of words is copied"]
    if copied["length"]:
        whose = ", ".join(part for part in (copied["artist"], copied["title"]) if part)
        said = [
            f"longest copy: {copied['length']} "
            f'{"words" if copied["length"] > 1 else "word"} in a row, "{copied["text"]}" ({whose})'
        ]
    unknown = 1 - figures["real_words"]
    if unknown > 0:
        said.append(f"{unknown:.0%} of the words were met nowhere in what was learned from")
    else:
        said.append("every word was met in what was learned from")
    lines = Counter(line["voice"] for line in figures["lines"])
    for artist, share in figures["taken"].items():
        count = lines[artist] if told["blend"] is None else sum(lines.values())
        said.append(f"{round(share * count)} of {count} lines read as {artist}'s by their style")
    return said
