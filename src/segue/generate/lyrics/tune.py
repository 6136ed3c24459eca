"""A tune that words are written for: which notes bear a syllable, its phrases, and their metre.

A phrase of the tune is a line of the words. Phrases end where the notation says so (breaths,
fermatas, lines of ABC), at rests and long notes, preferably after two or four bars: the division
with the most evidence is found by dynamic programming, as in Temperley, "The Cognition of Basic
Musical Structures", MIT Press 2001, chapter 3.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.generate.lyrics.form import LineForm
from segue.io.unfolding import beat_duration
from segue.lyrics.spelling import Language
from segue.lyrics.syllables import sung_syllables
from segue.records import IntArray, Part, Score, Syllable
from segue.score.lines import extract_melody
from segue.score.timing import BarGrid, bar_grid

MIN_NOTES: Final = 4
MAX_NOTES: Final = 1200
#: Syllables of a line: at least, at most, and the usual numbers.
_SHORTEST: Final = 3
_LONGEST: Final = 16
_USUAL: Final = range(6, 11)
# Evidence for the end of a phrase after a note; weights tuned on lieder (bench/tune_words.py).
_MARK: Final = 2.5
_REST: Final = 3.5  # of a beat or longer; shorter ones in proportion
_HELD: Final = 0.9  # a note of at least one and a half times the median distance of onsets
_HELD_LONGER: Final = 0.6  # twice the median
_SAME_PLACE: Final = 0.4  # the next note has the place in the bar that the first note has
_EVEN_BARS: Final = 0.8  # a phrase of two or four bars
# Cost of a phrase, and of each syllable outside the usual numbers.
_PHRASE: Final = 1.1
_SHORT: Final = 0.8
_LONG: Final = 0.2
#: Slurs of more notes, on average, mark phrases or bows rather than syllables.
_MAX_MELISMA: Final = 4.0
#: Share of notes with a syllable from which the syllables of a file say where new ones belong.
_MIN_SUNG: Final = 0.4
_RHYMES: Final[dict[int, str]] = {1: "-", 2: "AA", 3: "AAA", 4: "ABAB", 5: "ABABB"}


@dataclass(frozen=True, slots=True)
class TunePhrase:
    """A phrase of a tune.

    Attributes
    ----------
    ticks : tuple of int
        Onsets of the notes that a syllable begins on.
    meter : str
        Strong and weak syllables, see `segue.generate.lyrics.form.LineForm`.
    """

    ticks: tuple[int, ...]
    meter: str


@dataclass(frozen=True, slots=True, eq=False)
class Tune:
    """A tune that words are written for.

    Attributes
    ----------
    score : Score
        All parts; that of the melody without lyrics.
    part : int
        Index of the part that has the melody.
    phrases : tuple of TunePhrase
    words : str
        Lyrics that the tune had, first verse; "" for none.
    """

    score: Score
    part: int
    phrases: tuple[TunePhrase, ...]
    words: str = ""

    def forms(self, rhyme: str = "") -> tuple[LineForm, ...]:
        """Return the lines of a verse.

        Parameters
        ----------
        rhyme : str
            Rhyme scheme, repeated as needed with other rhymes; "" for ABAB, and AA, AAA or ABABB
            for what is left over.
        """
        count = len(self.phrases)
        block = len(rhyme) or 4
        starts = [*range(0, count, block)]
        if not rhyme and count % block == 1 and count > 1:
            starts.pop()  # a line that is left over goes with the four before
        forms = []
        for start, end in zip(starts, [*starts[1:], count], strict=True):
            phrases = self.phrases[start:end]
            scheme = rhyme or _RHYMES[len(phrases)]
            for phrase, letter in zip(phrases, scheme, strict=False):
                own = letter if letter == "-" else f"{letter}{start // block}"
                forms.append(LineForm(phrase.meter, own))
        return tuple(forms)

    def with_words(self, verses: Sequence[Sequence[str]], language: Language) -> Score:
        """Return the score with words under the melody, a line for each phrase of each verse."""
        syllables = []
        for number, lines in enumerate(verses, start=1):
            for phrase, line in zip(self.phrases, lines, strict=False):
                sung = sung_syllables(line, language)
                extra = " ".join(text for text, _ in sung[len(phrase.ticks) :])
                for at, (tick, (text, syllabic)) in enumerate(
                    zip(phrase.ticks, sung, strict=False)
                ):
                    is_last = at + 1 == len(phrase.ticks)
                    joined = f"{text} {extra}".strip() if is_last else text
                    syllables.append(Syllable(tick, joined, syllabic, number))
            if len(verses) > 1 and syllables:
                first = next(at for at, each in enumerate(syllables) if each.verse == number)
                numbered = replace(syllables[first], text=f"{number}. {syllables[first].text}")
                syllables[first] = numbered
        part = replace(self.score.parts[self.part], syllables=tuple(syllables))
        parts = [part if n == self.part else each for n, each in enumerate(self.score.parts)]
        return replace(self.score, parts=tuple(parts))


def read_tune(score: Score, part_name: str = "") -> Tune:
    """Find the melody of a score, the notes that bear syllables, its phrases and their metre.

    Parameters
    ----------
    score : Score
    part_name : str
        See `segue.score.lines.extract_melody`; by default the part that has lyrics, if one has.

    Returns
    -------
    Tune

    Raises
    ------
    BadArgument
        There is no melody, or it has too few or too many notes.
    """
    index = _melody_index(score, part_name)
    part = score.parts[index]
    notes = _top_line(part)
    words = [syllable for syllable in part.syllables if syllable.verse == 1]
    sung = _syllable_onsets(notes, part)
    if not MIN_NOTES <= len(sung) <= MAX_NOTES:
        raise BadArgument(
            f"a melody of {len(sung)} notes to be sung: words can be written for {MIN_NOTES} to "
            f"{MAX_NOTES}; give a {'longer' if len(sung) < MIN_NOTES else 'shorter'} tune"
        )
    grid = bar_grid(score)
    evidence = _evidence(notes, sung, part, score.ticks_per_quarter)
    ends = _phrase_ends(sung, evidence, grid)
    levels = [_beat_level(tick, grid, score.ticks_per_quarter) for tick in sung]
    phrases = tuple(
        TunePhrase(tuple(sung[start:end]), _meter(levels[start:end]))
        for start, end in zip([0, *ends], ends, strict=False)
    )
    kept = {*notes[:, 0].tolist()} - {*sung}
    slurred = np.array(sorted(kept), np.int32)
    plain = replace(part, syllables=(), slurred=slurred)
    parts = tuple(plain if n == index else each for n, each in enumerate(score.parts))
    return Tune(replace(score, parts=parts), index, phrases, _joined_words(words))


def _melody_index(score: Score, part_name: str) -> int:
    if not part_name:
        counts = [len(part.syllables) for part in score.parts]
        if max(counts, default=0) >= MIN_NOTES:
            return counts.index(max(counts))
    melody = extract_melody(score, part_name)
    onsets = {*melody.notes[:, 0].tolist()}
    same = [
        index for index, part in enumerate(score.parts)
        if (part.name, part.program, part.is_drum) == (melody.name, melody.program, False)
        and onsets <= {*part.notes[:, 0].tolist()}
    ]  # fmt: skip
    return same[0]


def _top_line(part: Part) -> IntArray:
    """Return the notes above which none sounds, sorted by onset, one for each onset."""
    rows = part.notes[np.lexsort((-part.notes[:, 2], part.notes[:, 0]))].astype(np.int64)
    kept: list[IntArray] = []
    for row in rows:
        tolerance = min(row[1], kept[-1][1]) // 4 if kept else 0
        if kept and row[0] == kept[-1][0]:
            continue
        if kept and row[0] < kept[-1][0] + kept[-1][1] - tolerance and row[2] < kept[-1][2]:
            continue
        kept.append(row)
    return np.array(kept)


def _syllable_onsets(notes: IntArray, part: Part) -> list[int]:
    """Return the onsets of the notes that bear a syllable: those of the file, or by slurs."""
    onsets = notes[:, 0].tolist()
    bearing = {syllable.tick for syllable in part.syllables if syllable.verse == 1}
    own = [tick for tick in onsets if tick in bearing]
    if len(own) >= _MIN_SUNG * len(onsets):
        return own
    slurred = {*part.slurred.tolist()}
    runs = sum(
        after in slurred and before not in slurred for before, after in itertools.pairwise(onsets)
    )
    is_melisma = len(slurred) + runs <= _MAX_MELISMA * runs
    return [tick for tick in onsets if not (is_melisma and tick in slurred)]


def _joined_words(syllables: Sequence[Syllable]) -> str:
    return "".join(
        syllable.text + ("" if syllable.syllabic in {"begin", "middle"} else " ")
        for syllable in syllables
    ).strip()


# --- phrases ---


def _evidence(notes: IntArray, sung: Sequence[int], part: Part, per_quarter: int) -> list[float]:
    """Return the evidence for the end of a phrase after each syllable."""
    ends = _sounding_ends(notes, sung)
    distances = np.diff([*sung, ends[-1]])
    typical = float(np.median(distances))
    marks = {*part.phrase_ends.tolist()}
    evidence = []
    for at, end in enumerate(ends):
        following = sung[at + 1] if at + 1 < len(sung) else end
        rest = max(following - end, 0) / per_quarter
        score = _REST * min(rest, 1.0) if rest >= 0.2 else 0.0
        score += _HELD * (distances[at] >= 1.5 * typical)
        score += _HELD_LONGER * (distances[at] >= 2 * typical)
        score += _MARK * (end in marks)
        evidence.append(score)
    return evidence


def _sounding_ends(notes: IntArray, sung: Sequence[int]) -> list[int]:
    """Return the end of the last note of each syllable."""
    last = np.searchsorted(notes[:, 0], [*sung[1:], 1 << 40]) - 1
    return (notes[last, 0] + notes[last, 1]).tolist()  # type: ignore[no-any-return]


def _phrase_ends(sung: Sequence[int], evidence: Sequence[float], grid: BarGrid) -> list[int]:
    """Return the ends of phrases, as numbers of syllables, by dynamic programming."""
    n = len(sung)
    bars = grid.index_of(np.array(sung))
    places = np.array(sung) - grid.edges[bars]
    best = [0.0] + [float("-inf")] * n
    starts = [0] * (n + 1)
    for end in range(1, n + 1):
        score = evidence[end - 1] if end < n else 0.0
        if end < n and places[end] == places[0]:
            score += _SAME_PLACE
        for start in range(max(0, end - _LONGEST), end):
            count = end - start
            if count < _SHORTEST and n > _SHORTEST:
                continue
            cost = _PHRASE + _SHORT * max(_USUAL.start - count, 0)
            cost += _LONG * max(count - _USUAL.stop + 1, 0)
            even = end < n and places[end] == places[start] and bars[end] - bars[start] in (2, 4)
            total = best[start] + score + _EVEN_BARS * even - cost
            if total > best[end]:
                best[end], starts[end] = total, start
    ends = [n]
    while starts[ends[-1]]:
        ends.append(starts[ends[-1]])
    return ends[::-1]


# --- metre ---


def _beat_level(tick: int, grid: BarGrid, per_quarter: int) -> int:
    """Return the metrical level of an onset: 4 on the first beat of a bar, 0 off the eighths."""
    bar = int(grid.index_of(np.array([tick]))[0])
    beats, unit = int(grid.numerators[bar]), int(grid.denominators[bar])
    place = (tick - int(grid.edges[bar])) / per_quarter
    full = 4 * beats / unit
    beat = float(beat_duration(beats, unit))
    if _is_multiple(place, full):
        return 4
    is_strong_middle = _is_multiple(full / 2, beat) and beats % 3 != 0
    if (is_strong_middle or beat > 1) and _is_multiple(
        place, full / 2 if is_strong_middle else beat
    ):
        return 3
    if _is_multiple(place, beat):
        return 2
    return int(_is_multiple(place, 0.5))


def _is_multiple(place: float, of: float) -> bool:
    nearest = round(place / of) * of if of else 0.0
    return abs(place - nearest) < 1 / 12


def _meter(levels: Sequence[int]) -> str:
    """Return the metre of a phrase: strong where the level is higher than around it.

    Of neighbours on one level, either may be strong; only the first beats of bars and the middles
    of even ones are strong alone.
    """
    meter = ""
    for at, level in enumerate(levels):
        around = [*levels[max(at - 1, 0) : at], *levels[at + 1 : at + 2]]
        if level >= 3 and all(other < level for other in around):
            meter += "s"
        elif any(other >= 3 and other > level for other in around):
            meter += "w"
        else:
            meter += "x"
    return meter
