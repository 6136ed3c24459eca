"""A melody for given words.

The words are scanned: of the ways to alternate strong and weak syllables, with one weak syllable
between strong ones or two, the one that agrees best with the stress of the words is taken. Each
strong syllable begins a foot of fixed length, lines have whole bars, and what precedes the first
strong syllable is sung before the barline. The melody model then samples a pitch for each syllable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, check_seed
from segue.generate.copying import NoteTracker
from segue.generate.melody.candidates import (
    MAX_COPIED_BARS,
    MelodyCandidate,
    check_tempo,
    rank_melodies,
    usual_tempo,
)
from segue.generate.melody.lead_sheet import (
    LOWEST_PITCH,
    MAX_DURATION,
    NUM_PITCHES,
    ConditioningState,
    chord_features,
)
from segue.lyrics.phonetics import normalised_words
from segue.lyrics.pronunciation import is_unstressed, sound
from segue.lyrics.spelling import Language
from segue.lyrics.syllables import sung_syllables
from segue.records import IntArray, Score, Syllable
from segue.theory.chord_charts import (
    Chart,
    is_compound,
    parse_chart,
    parse_roman_numerals,
    steps_per_bar,
)
from segue.theory.voicing import TICKS_PER_STEP

if TYPE_CHECKING:
    from segue.generate.melody.model import MelodyModel
    from segue.nn.sampling import Sampling

MAX_LINES: Final = 64
MAX_SYLLABLES: Final = 24  # of a line
#: Range of untrained voices: C4 to E5.
SUNG_RANGE: Final = (60, 76)
#: Widest interval within a line, in semitones.
_MAX_LEAP: Final = 9
_MAX_REPEATED: Final = 4
#: Samples per requested melody, and samples at least.
_OVERSAMPLING: Final = 4
_MIN_SAMPLES: Final = 16
#: Agreement of a syllable with a strong and a weak position, by its stress.
_AGREEMENT: Final = {"1": (2.0, -2.0), "2": (0.7, -0.2), "0": (-3.0, 1.0)}
_WORD: Final = (0.8, -0.4)  # a word of one syllable
_FUNCTION_WORD: Final = (-0.6, 0.4)
_LAST_WORD: Final = (1.5, -1.0)  # of one syllable, which rhymes
#: Cost of a foot that is longer or shorter than the others, and of two strong syllables in a row.
_UNEVEN: Final = 1.2
_ADJACENT: Final = 2.0
_MAX_WEAK: Final = 3
#: Steps of the syllables of a foot, by its length and their number.
_FEET: Final[dict[int, tuple[tuple[int, ...], ...]]] = {
    6: ((6,), (4, 2), (2, 2, 2), (2, 2, 1, 1)),
    8: ((8,), (4, 4), (4, 2, 2), (2, 2, 2, 2)),
    12: ((12,), (8, 4), (4, 4, 4), (4, 4, 2, 2)),
}
_DOTTED: Final = {(4, 4): (6, 2), (2, 2, 2): (3, 1, 2), (4, 4, 4): (6, 2, 4)}
_DOTTED_SHARE: Final = 0.35
#: Steps of the syllables before the first strong one, by the length of a foot.
_PICKUPS: Final[dict[int, tuple[tuple[int, ...], ...]]] = {
    6: ((), (2,), (2, 2), (1, 1, 2)),
    8: ((), (4,), (2, 2), (2, 1, 1)),
    12: ((), (4,), (4, 4), (4, 2, 2)),
}
#: Longest final note of a line, in feet; then there is a rest.
_LONGEST_END: Final = 1.5
#: Chords of a line, by its place: first, answer, contrast, last; each begins and ends it.
_MAJOR: Final = (("I", "IV"), ("I", "V"), ("vi", "IV"), ("V", "I"))
_MINOR: Final = (("i", "iv"), ("i", "V"), ("VI", "iv"), ("V", "i"))


@dataclass(frozen=True, slots=True)
class WordRhythm:
    """The rhythm of words.

    Attributes
    ----------
    time_signature : tuple of int, int
    bars : int
        Bars, that of the pickup included.
    notes : tuple of (int, int, int)
        First step, duration in steps, and number of the line, of each syllable.
    starts : tuple of int
        First bar of each line, without its pickup; in the end the number of bars.
    """

    time_signature: tuple[int, int]
    bars: int
    notes: tuple[tuple[int, int, int], ...]
    starts: tuple[int, ...]


# --- scansion and rhythm ---


def scan(line: str, language: Language, weak: int) -> tuple[list[int], float]:
    """Return the strong syllables of a line, and how well they agree with its words.

    Parameters
    ----------
    line : str
    language : {"en", "de", "fr", "es", "it", "other"}
    weak : int
        Number of weak syllables between strong ones in most feet: 1 or 2.
    """
    values = _stress_values(line, language)
    count = len(values)
    # The best scansion that ends in each strong syllable, and the strong one before.
    best: list[tuple[float, int]] = []
    for at, (strong, _) in enumerate(values):
        before = sum(value for _, value in values[:at])
        start = before - _UNEVEN * max(at - weak, 0)
        options = [(start, -1)] if at <= _MAX_WEAK else []
        for other in range(max(at - _MAX_WEAK - 1, 0), at):
            gap = at - other - 1
            cost = _ADJACENT if not gap else _UNEVEN * abs(gap - weak)
            between = sum(value for _, value in values[other + 1 : at])
            options.append((best[other][0] + between - cost, other))
        score, previous = max(options)
        best.append((score + strong, previous))
    ends = [
        (best[at][0] + sum(value for _, value in values[at + 1 :]), at)
        for at in range(max(count - _MAX_WEAK, 0), count)
    ]
    score, at = max(ends)
    chosen = [at]
    while best[chosen[-1]][1] >= 0:
        chosen.append(best[chosen[-1]][1])
    return chosen[::-1], score


def _stress_values(line: str, language: Language) -> list[tuple[float, float]]:
    """Return what each syllable is worth on a strong and on a weak position."""
    values: list[tuple[float, float]] = []
    size = 0
    for word in normalised_words(line):
        stress = sound(word, language).stress
        if len(stress) > 1:
            values += [_AGREEMENT[mark] for mark in stress]
        else:
            values.append(_FUNCTION_WORD if is_unstressed(word, language) else _WORD)
        size = len(stress)
    if values and size == 1:
        values[-1] = _LAST_WORD
    return values


def word_rhythm(
    lines: Sequence[str],
    language: Language,
    time_signature: tuple[int, int] | None = None,
    *,
    seed: int = 0,
) -> WordRhythm:
    """Return a rhythm for words.

    Parameters
    ----------
    lines : sequence of str
        Each with words.
    language : {"en", "de", "fr", "es", "it", "other"}
    time_signature : tuple of int, int, optional
        By default 4/4 if feet have mostly two syllables, else 6/8.
    seed : int
        Chooses where rhythms are dotted.

    Raises
    ------
    BadArgument
        A line has no words or too many syllables, or the time signature has no feet of a beat.
    """
    for line in lines:
        count = len(_stress_values(line, language))
        if not 1 <= count <= MAX_SYLLABLES:
            raise BadArgument(
                f"a line of {count} syllables, {line[:40]!r}: a line that is sung has 1 to "
                f"{MAX_SYLLABLES}; divide it"
            )
    scanned = {weak: [scan(line, language, weak) for line in lines] for weak in (1, 2)}
    weak = max(scanned, key=lambda each: sum(score for _, score in scanned[each]))
    time_signature = time_signature or ((4, 4) if weak == 1 else (6, 8))
    bar = steps_per_bar(time_signature)
    foot = 6 if is_compound(time_signature) else 12 if bar == 12 else 8
    if bar % foot:
        raise BadArgument(
            f"{time_signature[0]}/{time_signature[1]} has no feet of equal length: words are set "
            "in 4/4, 2/4, 3/4, 2/2, 6/8, 9/8 or 12/8"
        )
    dotted = np.random.default_rng(seed).random(MAX_SYLLABLES) < _DOTTED_SHARE
    dotted[0] |= bar == foot == 12
    notes: list[tuple[int, int, int]] = []
    starts = [int(_first_pickup(scanned[weak][0][0], foot) > 0)]
    for number, (line, (strong, _)) in enumerate(zip(lines, scanned[weak], strict=True)):
        line_bars = -(-len(strong) * foot // bar)
        line_bars += bar == foot and line_bars % 2  # bars of one foot in pairs
        begin = starts[-1] * bar
        following = scanned[weak][number + 1][0] if number + 1 < len(lines) else [0]
        count = len(_stress_values(line, language))
        onsets = _onsets(strong, count, foot, begin, dotted)
        end = begin + line_bars * bar - _first_pickup(following, foot)
        if end - onsets[-1] < foot // 4:  # no room for the last syllable before the next pickup
            line_bars += 1 + (bar == foot)
            end += bar * (1 + (bar == foot))
        for at, next_at in zip(onsets, [*onsets[1:], end], strict=True):
            longest = int(_LONGEST_END * foot) if next_at == end else next_at - at
            notes.append((at, max(min(next_at - at, longest, MAX_DURATION), 1), number))
        starts.append(starts[-1] + line_bars)
    return WordRhythm(time_signature, starts[-1], tuple(notes), tuple(starts))


def _first_pickup(strong: Sequence[int], foot: int) -> int:
    return sum(_PICKUPS[foot][strong[0]])


def _onsets(
    strong: Sequence[int], count: int, foot: int, begin: int, dotted: NDArray[np.bool_]
) -> list[int]:
    """Return the onset of each syllable of a line, in steps."""
    onsets = []
    pickup = _PICKUPS[foot][strong[0]]
    at = begin - sum(pickup)
    for steps in pickup:
        onsets.append(at)
        at += steps
    ends = [*strong[1:], count]
    for number, (first, end) in enumerate(zip(strong, ends, strict=True)):
        steps_of = _FEET[foot][end - first - 1]
        if dotted[number] and end < count:
            steps_of = _DOTTED.get(steps_of, steps_of)
        at = begin + number * foot
        for steps in steps_of:
            onsets.append(at)
            at += steps
    return onsets


# --- chords ---


def default_form(count: int) -> str:
    """Return the form of a stanza of so many lines: ABAC, AB, ABA and so on."""
    if count == 4:
        return "ABAC"
    return "".join("AB"[at % 2] if at + 1 < count else "C" for at in range(count))


def progression(rhythm: WordRhythm, form: str, key: str) -> Chart:
    """Return simple chords: lines end on the subdominant, the dominant or the tonic.

    Parameters
    ----------
    rhythm : WordRhythm
    form : str
        A letter for each line of a stanza, see `default_form`; lines of one letter have the same
        chords, but for the last of a stanza, which ends on the tonic.
    key : str
        Such as "C" or "A minor".
    """
    from segue.theory.keys import parse_key

    table = _MINOR if parse_key(key)[1] else _MAJOR
    lines = len(rhythm.starts) - 1
    bars: list[str] = [table[0][0]] * rhythm.starts[0]
    for number in range(lines):
        at = number % len(form)
        is_last = at == len(form) - 1 or number == lines - 1
        place = 3 if is_last else min(sorted({*form}).index(form[at]), 2)
        count = rhythm.starts[number + 1] - rhythm.starts[number]
        first, last = table[place]
        tonic = table[0][0]
        if count == 1:
            bars.append(last if is_last else f"{first} {last}")
        else:
            inner = [first if n < (count - 1) / 2 else table[1][1] for n in range(count - 1)]
            inner[0] = tonic if is_last and count > 2 else inner[0]
            bars += [*inner, last] if place == 3 else [*([first] * (count - 1)), last]
    return parse_roman_numerals(" | ".join(bars), key, rhythm.time_signature)


def given_chords(rhythm: WordRhythm, text: str) -> Chart:
    """Return chords that a user gives, repeated to the end; the last bar has the last chords."""
    chart = parse_chart(text, rhythm.time_signature)
    bar, count = chart.steps_per_bar, rhythm.bars - rhythm.starts[0]
    order = [at % chart.bars for at in range(count - 1)] + [chart.bars - 1]
    order = [order[0]] * rhythm.starts[0] + order
    rows, names = [], []
    for number, source in enumerate(order):
        at = np.searchsorted(chart.chords[:, 0], source * bar, side="right") - 1
        inside = [
            n for n, start in enumerate(chart.chords[:, 0].tolist())
            if source * bar < start < (source + 1) * bar
        ]  # fmt: skip
        for n in (int(at), *inside):
            start = max(int(chart.chords[n, 0]) - source * bar, 0) + number * bar
            rows.append([start, *chart.chords[n, 1:].tolist()])
            names.append(chart.names[n])
    return Chart(rhythm.time_signature, rhythm.bars, np.array(rows, np.int64), tuple(names))


# --- words, their rhythm and chords ---


@dataclass(frozen=True, slots=True, eq=False)
class WordSetting:
    """Words with a rhythm and chords, for which melodies are generated.

    Attributes
    ----------
    verses : tuple of tuple of str
        Lines of each verse.
    language : str
    rhythm : WordRhythm
    form : str
        A letter for each line of a stanza.
    chart : Chart
        As long as the rhythm.
    """

    verses: tuple[tuple[str, ...], ...]
    language: Language
    rhythm: WordRhythm
    form: str
    chart: Chart


def set_words(
    text: str,
    language: Language,
    *,
    chords: str = "",
    key: str = "C",
    time_signature: tuple[int, int] | None = None,
    form: str = "",
    seed: int = 0,
) -> WordSetting:
    """Return the rhythm and the chords of words.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`. Stanzas whose lines have the same numbers of syllables are
        verses of one melody, others follow each other.
    language : {"en", "de", "fr", "es", "it", "other"}
    chords : str
        Chord symbols, see `given_chords`; "" for a simple progression in `key`.
    key : str
    time_signature : tuple of int, int, optional
        See `word_rhythm`.
    form : str
        A letter for each line of a stanza; by default see `default_form`.
    seed : int

    Raises
    ------
    BadArgument
        There are no words, or too many; see `word_rhythm`; or the form is none.
    """
    verses = divide_stanzas(text, language)
    lines = verses[0]
    form = "".join(form.split()).upper() or default_form(len(lines) if len(lines) <= 6 else 4)
    if not form.isalpha() or len(form) > len(lines):
        raise BadArgument(f"{form!r} is not a form of {len(lines)} lines: a letter for each, ABAC")
    rhythm = word_rhythm(lines, language, time_signature, seed=seed)
    chart = given_chords(rhythm, chords) if chords else progression(rhythm, form, key)
    return WordSetting(verses, language, rhythm, form, chart)


def divide_stanzas(text: str, language: Language) -> tuple[tuple[str, ...], ...]:
    """Return the verses of a text: its stanzas, if all fit one melody, else all of its lines.

    Raises
    ------
    BadArgument
        It has no words, or too many lines.
    """
    lines = [
        tuple(line.strip() for line in stanza.split("\n") if normalised_words(line))
        for stanza in text.split("\n\n")
    ]
    stanzas = tuple(stanza for stanza in lines if stanza)
    if not stanzas:
        raise BadArgument("no words to set to music; expected a text of some lines")
    counts = [[len(_stress_values(line, language)) for line in stanza] for stanza in stanzas]
    if any(count != counts[0] for count in counts[1:]):
        stanzas = (tuple(line for stanza in stanzas for line in stanza),)
    if len(stanzas[0]) > MAX_LINES:
        raise BadArgument(
            f"{len(stanzas[0])} lines: a melody is written for {MAX_LINES} at most, or for stanzas "
            "whose lines have the same numbers of syllables"
        )
    return stanzas


# --- pitches ---


def sample_pitches(
    model: "MelodyModel",
    setting: WordSetting,
    style: str,
    count: int,
    sampling: "Sampling",
    *,
    seed: int,
    pitch_range: tuple[int, int],
    max_copy_bars: float,
) -> list[IntArray]:
    """Sample pitches for the rhythm of words.

    A line returns where its letter was there before with the same rhythm and chords, up to its last
    bar.

    Parameters
    ----------
    model : MelodyModel
    setting : WordSetting
    style : str
    count : int
        Number of melodies.
    sampling : Sampling
    seed : int
    pitch_range : tuple of int
        Lowest and highest MIDI pitch.
    max_copy_bars : float
        See `MelodyModel.sample`.

    Returns
    -------
    list of ndarray, each of shape (m, 2), int64
        Symbols and durations, filling the chart.
    """
    import torch

    from segue.nn.sampling import sample
    from segue.nn.transformer import KVCache

    network, chart, rhythm = model.network, setting.chart, setting.rhythm
    events = _events(rhythm, chart.steps)
    sources = _sources(events, rhythm, chart, setting.form)
    generator = torch.Generator().manual_seed(seed)
    styles = torch.full((count,), model.style_index(style))
    melodies = [
        _SungMelody(chart, rhythm, NoteTracker(model.training_melodies), pitch_range, max_copy_bars)
        for _ in range(count)
    ]
    with torch.inference_mode():
        chords = torch.from_numpy(chord_features(chart))[None]
        encoding = network.encode_chords(chords, torch.tensor([chords.shape[1]]), styles[:1])
        encoding = encoding.expand(count, -1, -1)
        cache = KVCache(network.config.stack, count)
        history: list[torch.Tensor] = []
        for number, (_, duration, line) in enumerate(events):
            features = torch.tensor([melody.features() for melody in melodies])[:, None]
            if not cache.free:  # refill with the recent half of the context
                cache.truncate(0)
                recent = torch.cat(history[-(network.config.stack.context // 2) :], dim=1)
                network.hidden_states(encoding, recent, styles, cache)
            history.append(features)
            hidden = network.hidden_states(encoding, features, styles, cache)
            logits = network.symbol_logits(hidden, features)[:, 0]
            is_last = number + 1 == len(events) or events[number + 1][2] != line
            masks = [melody.mask(line, sources[number], is_last=is_last) for melody in melodies]
            symbols = sample(
                logits.masked_fill(~torch.from_numpy(np.stack(masks)), float("-inf")),
                sampling,
                generator,
            )
            for melody, symbol in zip(melodies, symbols.tolist(), strict=True):
                melody.append(symbol, duration)
    return [np.array(melody.events, np.int64) for melody in melodies]


def _events(rhythm: WordRhythm, steps: int) -> list[tuple[int, int, int]]:
    """Return notes and rests that fill the chart: first step, duration, line; -1 for rests."""
    events: list[tuple[int, int, int]] = []
    at = 0
    for first, duration, line in (*rhythm.notes, (steps, 0, -1)):
        while at < first:
            rest = min(first - at, MAX_DURATION)
            events.append((at, rest, -1))
            at += rest
        if duration:
            events.append((first, duration, line))
            at = first + duration
    return events


def _sources(
    events: Sequence[tuple[int, int, int]], rhythm: WordRhythm, chart: Chart, form: str
) -> list[int | None]:
    """Return for each event the event of an earlier line that it repeats."""
    bar = chart.steps_per_bar
    index = {first: number for number, (first, _, line) in enumerate(events) if line >= 0}
    row = np.searchsorted(chart.chords[:, 0], np.arange(chart.steps), side="right") - 1
    sources: list[int | None] = []
    for first, duration, line in events:
        source = None
        if line >= 0:
            letter = form[line % len(form)]
            stanza = line - line % len(form)
            earlier = next((n for n in range(stanza + line % len(form))
                            if form[n % len(form)] == letter), line)  # fmt: skip
            shift = (rhythm.starts[line] - rhythm.starts[earlier]) * bar
            other = index.get(first - shift) if earlier < line else None
            is_free = first >= rhythm.starts[line + 1] * bar - bar
            if other is not None and not is_free and events[other][1:] == (duration, earlier):
                same = chart.chords[row[first], 1:] == chart.chords[row[first - shift], 1:]
                source = other if same.all() else None
        sources.append(source)
    return sources


def _only(symbol: int) -> NDArray[np.bool_]:
    return np.asarray(np.arange(NUM_PITCHES + 1) == symbol)


class _SungMelody:
    """A melody that is being sampled, and the symbols that may come next."""

    def __init__(
        self,
        chart: Chart,
        rhythm: WordRhythm,
        copies: NoteTracker,
        pitch_range: tuple[int, int],
        max_copy_bars: float,
    ) -> None:
        self._state = ConditioningState(chart)
        self._copies = copies
        self._max_copy_steps = max_copy_bars * chart.steps_per_bar
        self._lines = len(rhythm.starts) - 1
        low, high = (pitch - LOWEST_PITCH + 1 for pitch in pitch_range)
        self._range = np.zeros(NUM_PITCHES + 1, np.bool_)
        self._range[low : high + 1] = True
        row = np.searchsorted(chart.chords[:, 0], np.arange(chart.steps), side="right") - 1
        self._chords = chart.chords[row]
        self.events: list[tuple[int, int]] = []

    def features(self) -> list[int]:
        return self._state.features()

    def mask(self, line: int, source: int | None, *, is_last: bool) -> NDArray[np.bool_]:
        """Return which symbols may come next."""
        if line < 0:
            return _only(0)
        if source is not None and self.events[source][0]:
            return _only(self.events[source][0])
        allowed = self._range.copy()
        sung = [symbol for symbol, _ in self.events if symbol]
        if sung:
            near = np.abs(np.arange(NUM_PITCHES + 1) - sung[-1]) <= _MAX_LEAP
            allowed &= near
        if len({*sung[-_MAX_REPEATED:]}) == 1 and len(sung) >= _MAX_REPEATED:
            allowed[sung[-1]] = False
        pitches = range(LOWEST_PITCH, LOWEST_PITCH + NUM_PITCHES)
        copied = self._copies.would_copy(pitches, self._state.position, self._max_copy_steps)
        free = allowed.copy()
        free[1:] &= ~np.asarray(copied)
        allowed = free if free.any() else allowed
        if is_last:
            _, root, _, bits = self._chords[self._state.position].tolist()
            classes = (np.arange(NUM_PITCHES + 1) - 1 + LOWEST_PITCH) % 12
            tones = classes == root if line + 1 == self._lines else (bits >> classes & 1) > 0
            allowed = allowed & tones if (allowed & tones).any() else allowed
        return allowed

    def append(self, symbol: int, duration: int) -> None:
        if symbol:
            self._copies.append(symbol - 1 + LOWEST_PITCH, self._state.position)
        self.events.append((symbol, duration))
        self._state.append(symbol, duration)


# --- melodies with words ---


def melodies_for_words(
    model: "MelodyModel",
    setting: WordSetting,
    count: int = 3,
    *,
    style: str = "",
    sampling: "Sampling | None" = None,
    tempo_bpm: float | None = None,
    seed: int = 0,
    max_copy_bars: float = MAX_COPIED_BARS,
    title: str = "",
    pitch_range: tuple[int, int] | None = None,
) -> list[MelodyCandidate]:
    """Generate melodies for words, with an accompaniment, and rank them.

    Parameters are those of `segue.generate.melody.candidates.generate_melodies`; the range is by
    default that of untrained voices.

    Returns
    -------
    list of MelodyCandidate
        Best first, with the words under their notes.

    Raises
    ------
    BadArgument
        An option is out of range, or the model does not know the style.
    """
    from segue.nn.sampling import Sampling

    check_seed(seed)
    style = style or model.styles[0]
    model.style_index(style)
    tempo_bpm = usual_tempo(style, setting.chart) if tempo_bpm is None else tempo_bpm
    check_tempo(tempo_bpm)
    sampling = sampling or Sampling(top_p=0.95)
    samples = max(_OVERSAMPLING * count, _MIN_SAMPLES) if sampling.temperature else 1
    sampled = sample_pitches(
        model, setting, style, samples, sampling,
        seed=seed, pitch_range=pitch_range or SUNG_RANGE, max_copy_bars=max_copy_bars,
    )  # fmt: skip
    ranked = rank_melodies(model, setting.chart, sampled, style, tempo_bpm, title)[:count]
    return [replace(each, score=_with_words(each.score, setting)) for each in ranked]


def _with_words(score: Score, setting: WordSetting) -> Score:
    """Return a score with the words under the notes of its first part."""
    syllables = []
    for number, lines in enumerate(setting.verses, start=1):
        sung = [pair for line in lines for pair in sung_syllables(line, setting.language)]
        mark = f"{number}. " if len(setting.verses) > 1 else ""
        for (first, _, _), (text, syllabic) in zip(setting.rhythm.notes, sung, strict=True):
            syllables.append(Syllable(first * TICKS_PER_STEP, mark + text, syllabic, number))
            mark = ""
    part = replace(score.parts[0], syllables=tuple(syllables))
    return replace(score, parts=(part, *score.parts[1:]))
