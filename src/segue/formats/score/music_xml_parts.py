"""What plays the parts of a MusicXML score: names, programs and drums of its part list."""

from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree as ET

from segue.formats.names import clean
from segue.formats.score.instrument_names import program_called
from segue.formats.score.music_xml_file import element_text

_SNARE: Final = 38  # what a drum is that nobody names


@dataclass(slots=True)
class Instruments:
    """What plays one part.

    Attributes
    ----------
    name : str
    program : int
        General MIDI, 0 to 127.
    drums : dict of str to int
        The pitch in General MIDI's kit, by instrument.
    kit : int
        The program of the drums.
    """

    name: str = ""
    program: int = 0
    drums: dict[str, int] = field(default_factory=dict)
    kit: int = 0

    def drum(self, instrument: str | None) -> int:
        """Return the pitch of a drum; of one that is not listed, that of the first."""
        first = next(iter(self.drums.values()), _SNARE)
        return self.drums.get(instrument or "", first)


def instruments_of(part: ET.Element) -> Instruments:
    """Read a `score-part`."""
    found = Instruments()
    names = [element_text(one, "instrument-name") for one in part.iter("score-instrument")]
    sounds = [element_text(one, "instrument-sound") for one in part.iter("score-instrument")]
    written = clean(element_text(part, "part-name"))
    found.name = written or clean(next((one for one in names if one), ""))
    programs = []
    for midi in part.iter("midi-instrument"):
        program = _one_less(element_text(midi, "midi-program"))
        drum = _one_less(element_text(midi, "midi-unpitched"))
        if drum is not None:
            if not found.drums:
                found.kit = program or 0
            found.drums[midi.get("id", "")] = drum
        else:
            programs.append(program)
    program = programs[0] if programs else None
    if program is None:
        told = [*sounds[:1], *names[:1], written]
    else:  # programs that know only the piano write it for all
        told = names[:1] if program == 0 else []
    called = next((one for name in told if (one := program_called(name)) is not None), program)
    found.program = called or 0
    return found


def _one_less(text: str) -> int | None:
    """Return a number that MusicXML counts from 1; None where it is none of 1 to 128."""
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= 128):
        return None
    return max(int(text) - 1, 0)
