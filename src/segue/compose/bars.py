"""What is in bars: who plays, which drums are struck, what sounds together."""

from collections import Counter
from collections.abc import Sequence

from segue.represent.score.vocabulary import DRUMS, Bar


def playing(bars: Sequence[Bar]) -> frozenset[int]:
    """Return who plays."""
    return frozenset[int]().union(*(bar.instruments for bar in bars))


def struck(bars: Sequence[Bar]) -> frozenset[int]:
    """Return the drums that are struck."""
    return frozenset(note.pitch for bar in bars for note in bar.notes if note.instrument == DRUMS)


def in_chords(bar: Bar) -> frozenset[int]:
    """Return who begins several notes at once."""
    begun = Counter((note.onset, note.instrument) for note in bar.notes)
    return frozenset(instrument for (_, instrument), count in begun.items() if count > 1)


def one_at_a_time(bar: Bar, alone: frozenset[int]) -> Bar:
    """Let notes of some instruments end where the next one of that instrument begins."""
    next_onset: dict[int, int] = {}
    notes = []
    for note in reversed(bar.notes):
        length = note.length
        if note.instrument in alone and note.instrument in next_onset:
            length = min(length, next_onset[note.instrument] - note.onset)
        next_onset[note.instrument] = note.onset
        notes.append(note._replace(length=length))
    return bar._replace(notes=tuple(notes[::-1]))
