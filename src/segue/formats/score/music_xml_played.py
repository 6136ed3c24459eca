"""What MusicXML tells of playing and music21 leaves out: carried past it within the score.

Drums by their pitch, notes that begin or end otherwise than they are written (`attack`,
`release`) and pedals have no place in what music21 makes of a file. A note may have a footnote,
though, and a bar may have words at any time: so they travel as these.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final
from xml.etree import ElementTree as ET

#: No file can hold it: XML has no such letter.
_MARK: Final = "\x01"
#: What each kind of pedal mark does: 1 for down, 0 for up.
_PEDALS: Final = {"start": "1", "resume": "1", "stop": "0", "discontinue": "0", "change": "01"}


@dataclass(frozen=True, slots=True)
class Played:
    """How a note is played.

    Attributes
    ----------
    attack, release : Fraction
        By how many quarters later it begins and ends than is written.
    drum : int or None
        The pitch of what has none, in General MIDI's kit.
    program : int
        The kit.
    """

    attack: Fraction = Fraction(0)
    release: Fraction = Fraction(0)
    drum: int | None = None
    program: int = 0


_AS_WRITTEN: Final = Played()


def carry_played(root: ET.Element) -> None:
    """Put into a score's notes and bars what music21 would leave out.

    Parameters
    ----------
    root : Element
        A score of parts, without foreign footnotes. It is changed.
    """
    drums: dict[str, str] = {}
    of_part: dict[str, str] = {}
    for part in root.iter("score-part"):
        for midi in part.iter("midi-instrument"):
            drum, program = (_one_less(midi, name) for name in ("midi-unpitched", "midi-program"))
            if drum is not None:
                told = f"{drum} {program or 0}"
                drums[midi.get("id", "")] = told
                of_part.setdefault(part.get("id", ""), told)
    for part in root.iter("part"):
        divisions = 1.0
        for child in (one for measure in part for one in measure):
            if child.tag == "attributes":
                divisions = _decimal(child.findtext("divisions")) or divisions
            elif child.tag == "note":
                usual = of_part.get(part.get("id", ""), "")
                _carry_note(child, divisions, drums, usual)
            elif child.tag == "direction":
                _carry_direction(child)


def played_of(note: Any) -> Played:
    """Return how a note that music21 read is played."""
    if not note.hasEditorialInformation or not note.editorial.footnotes:
        return _AS_WRITTEN
    text = str(note.editorial.footnotes[0].text)
    if not text.startswith(_MARK):
        return _AS_WRITTEN
    attack, release, *drum = text.removeprefix(_MARK).split()
    pitch, program = (int(drum[0]), int(drum[1])) if drum else (None, 0)
    return Played(Fraction(attack), Fraction(release), pitch, program)


def pedals_of(measure: Any) -> Iterator[tuple[Fraction, int]]:
    """Yield when in a bar that music21 read the pedal goes down (1) and up (0), in quarters."""
    for words in measure.getElementsByClass("TextExpression"):
        if str(words.content).startswith(_MARK):
            for state in words.content.removeprefix(_MARK):
                yield Fraction(words.offset).limit_denominator(_FINEST), int(state)


_FINEST: Final = 1 << 20  # parts of a quarter


def _carry_note(note: ET.Element, divisions: float, drums: dict[str, str], usual: str) -> None:
    attack, release = (_decimal(note.get(name)) for name in ("attack", "release"))
    drum = ""
    if note.find("unpitched") is not None:
        instrument = note.find("instrument")
        drum = usual if instrument is None else drums.get(instrument.get("id", ""), usual)
    if attack or release or drum:
        quarters = (
            Fraction(value / divisions).limit_denominator(_FINEST) for value in (attack, release)
        )
        told = " ".join([*map(str, quarters), drum])
        ET.SubElement(note, "footnote").text = _MARK + told.strip()


def _carry_direction(direction: ET.Element) -> None:
    """Turn pedals into words; leave out a metronome mark where the file tells what it sounds."""
    sound = direction.find("sound")
    is_told = sound is not None and _decimal(sound.get("tempo")) > 0
    for kind in direction.findall("direction-type"):
        states = "".join(_PEDALS.get(pedal.get("type", ""), "") for pedal in kind.findall("pedal"))
        if kind.find("pedal") is not None:  # music21 gives up on one that ends and never began
            direction.remove(kind)
            if states:
                carried = ET.Element("direction-type")
                ET.SubElement(carried, "words").text = _MARK + states
                direction.insert(0, carried)
        elif is_told and kind.find("metronome") is not None:
            direction.remove(kind)


def _one_less(element: ET.Element, name: str) -> int | None:
    """Return a number that MusicXML counts from 1; None where it is none of 1 to 128."""
    text = (element.findtext(name) or "").strip()
    return int(text) - 1 if text.isascii() and text.isdigit() and 1 <= int(text) <= 128 else None


def _decimal(text: str | None) -> float:
    """Return a number, 0 where there is none that can be."""
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if abs(value) < 1e9 else 0.0
