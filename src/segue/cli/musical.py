"""Tempo, key and kind of a track, as people read them."""

from collections.abc import Mapping
from typing import Final

from segue.cli.output import counted

#: Below this confidence the next likely tempo is told, too.
CLEAR: Final = 0.7
Facts = Mapping[str, float | str]
#: Facts that are told together with others.
TOLD_ELSEWHERE: Final = ("tempo_confidence", "tempo_other_bpm", "key_confidence", "tonic")


def tempo_told(facts: Facts) -> str:
    """Write a tempo: "140 bpm", or "140 or 70 bpm" where it is unclear; "" without a pulse."""
    bpm, other = (float(facts.get(name) or 0) for name in ("tempo_bpm", "tempo_other_bpm"))
    if not bpm:
        return ""
    unclear = other and float(facts.get("tempo_confidence") or 0) < CLEAR
    return f"{bpm:.0f} or {other:.0f} bpm" if unclear else f"{bpm:.0f} bpm"


def key_told(facts: Facts) -> str:
    """Write a key and its place on the Camelot wheel: "F major (7B)"; "" without one."""
    from segue.represent.key_names import camelot

    key = str(facts.get("key", ""))
    place = camelot(key)
    return f"{key} ({place})" if place else key


def not_in_four(bars: int) -> str:
    """Say that bars in other time signatures were left out."""
    return f"{counted(bars, 'bar')} in other time signatures than 4/4 left out"


def sure(facts: Facts, fact: str) -> str:
    """Write a confidence: ", 86 % sure"; "" where none is known."""
    return f", {float(facts[fact]):.0%} sure" if fact in facts else ""
