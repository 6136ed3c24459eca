"""Planning of compositions: key, chords, sections and patterns that the options imply."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.generate.compose.editing import add_part
from segue.generate.compose.lead import (
    STATEMENT_PENALTY,
    VARIATION_PENALTY,
    add_lead,
    develop,
    lead_instrument,
    read_motif,
)
from segue.generate.compose.options import CompositionOptions, beat_length
from segue.generate.compose.plan import (
    GIVEN,
    BarChord,
    BarPlan,
    PartPattern,
    estimate_chords_key,
    numerals_in_key,
    parse_chords,
    plan_bars,
    sample_progressions,
)
from segue.generate.compose.styles import (
    Style,
    check_time_signature,
    chordal_instrument,
    default_style,
    find_style,
    style_notes,
    suggest_style,
)
from segue.generate.compose.tokens import (
    STEPS_PER_QUARTER,
    TIME_SIGNATURE_INDEX,
    Bar,
    bars_to_score,
    score_to_bars,
    steps_per_bar,
    tempo_to_bpm,
)
from segue.records import Score
from segue.score.harmony import estimate_key, with_estimated_key
from segue.score.lines import extract_melody
from segue.score.timing import bar_grid
from segue.theory.chords import is_chord, parse_chord
from segue.theory.instruments import DRUMS, is_bass, is_monophonic

#: Least number of bars of a new piece that gets an ending.
_MIN_ENDING_BARS: Final = 4
#: Penalties in nats of departing from the patterns of a style, of the drums, a bass, and chords.
_STYLE_PENALTIES: Final = (6.0, 9.0, 7.0)
#: Bars before whose chords a style goes on with.
_CONTINUED_BARS: Final = 8
#: Bars between the fills of an accompaniment without sections.
_FILL_BARS: Final = 8
#: Programs that stand for a melody whose own program is one of the accompaniment.
_MELODY_PROGRAMS: Final = (73, 65, 40, 71, 68)

_FOUR_FOUR: Final = TIME_SIGNATURE_INDEX[4, 4]


def key_index(score: Score) -> int:
    """Return the index of the key of a score, from 0: C major, C minor, C♯ major … B minor."""
    key = estimate_key(score)
    return 2 * key.tonic + (key.mode == "minor")


def plan_new_bars(
    options: CompositionOptions,
    length: int,
    prompt: Bar | None = None,
    before: Sequence[tuple[BarChord, ...]] = (),
    heard: Collection[int] = (),
) -> tuple[CompositionOptions, list[BarPlan]]:
    """Plan a new piece, or bars of a piece.

    A new piece for a band with drums of which no style is asked is in one that fits its time
    signature and tempo.

    Parameters
    ----------
    options : CompositionOptions
    length : int
        Number of bars.
    prompt : Bar, optional
        The bar before, or one that is replaced; None for a new piece.
    before : sequence of tuple of BarChord
        Chords of the bars before, which a style goes on with.
    heard : collection of int
        Instruments of the bars before, which play the style.

    Returns
    -------
    options : CompositionOptions
        With the key, the time signature, the tempo and the style of the plan.
    plans : list of BarPlan
        Empty where all is open.
    """
    rng = np.random.default_rng(options.seed)
    is_new = prompt is None
    if is_new:
        options = _with_suggested_style(options, rng)
    style = None if options.style is None else find_style(options.style)
    if style is not None:
        options = _with_style(options, style, prompt, heard)
    options, progressions = _plan_chords(options, prompt, before, rng)
    ends = bool(options.sections) or (is_new and length >= _MIN_ENDING_BARS)
    if not (ends or options.sections or progressions):
        return options, []
    plans = plan_bars(length, options.sections, progressions, ends=ends)
    if ends and options.chords is None:
        plans = _with_cadence(plans, options.key if progressions and is_new else None)
    lead = None
    if is_new and progressions and options.repetition:
        chordal = chordal_instrument(options.instruments or (), style)
        lead = lead_instrument(options.instruments or (), chordal)
        lead = chordal if lead is None and style is not None else lead
    signature = _FOUR_FOUR if options.time_signature is None else options.time_signature
    if style is not None:
        plans = _follow_style(plans, style, options.instruments or (), signature)
    if lead is not None:
        options = replace(options, time_signature=signature)
        plans = add_lead(plans, lead, signature, options.seed)
    return options, plans


def _plan_chords(
    options: CompositionOptions,
    prompt: Bar | None,
    before: Sequence[tuple[BarChord, ...]],
    rng: np.random.Generator,
) -> tuple[CompositionOptions, dict[str, list[tuple[BarChord, ...]]]]:
    """Return options with the key, and the chords of each section by its name, "" for all others.

    They are requested, sampled for a new piece, or go on from the bars before a style.
    """
    if options.chords is not None:
        signature = options.time_signature
        if signature is None:
            signature = _FOUR_FOUR if prompt is None else prompt.time_signature
        progression = parse_chords(options.chords, signature)
        key = options.key
        if key is None:
            key = estimate_chords_key(progression, signature)
        return replace(options, key=key, time_signature=signature), {"": progression}
    goes_on = any(chord.root >= 0 for bar in before for chord in bar)
    is_open = prompt is None or (options.style is not None and not goes_on)
    if is_open and set(options.instruments or ()) != {DRUMS}:
        key = int(rng.integers(24)) if options.key is None else options.key
        names = [section.name for section in options.sections] or [""]
        return replace(options, key=key), sample_progressions(key, names, rng)
    if options.style is not None and goes_on:
        return options, {"": list(before[-_CONTINUED_BARS:])}
    return options, {}


def _with_suggested_style(
    options: CompositionOptions, rng: np.random.Generator
) -> CompositionOptions:
    """Return options with a style for a band with drums of which none is asked."""
    is_band = DRUMS in (options.instruments or ())
    if options.style is not None or not is_band or not options.repetition:
        return options
    tempo = options.tempo
    if tempo is not None and options.time_signature is not None:
        tempo *= beat_length(options.time_signature)
    style = suggest_style(options.time_signature, tempo, rng)
    return options if style is None else replace(options, style=style.name)


def _with_cadence(plans: list[BarPlan], key: int | None) -> list[BarPlan]:
    """Let a piece end on the tonic, after its dominant where the key is known."""
    if key is None or len(plans) < _MIN_ENDING_BARS:
        return [*plans[:-1], replace(plans[-1], chords=())]
    dominant, tonic = numerals_in_key("V i" if key % 2 else "V I", key)
    before = replace(plans[-2], chords=dominant)
    return [*plans[:-2], before, replace(plans[-1], chords=tonic)]


def plan_motif(
    score: Score, options: CompositionOptions, length: int
) -> tuple[CompositionOptions, list[BarPlan]]:
    """Plan a new piece that develops the motif of a score; see `segue.generate.compose.lead`.

    The chords are those of the options, else those that `segue.generate.harmony` finds for the
    development.

    Raises
    ------
    BadArgument
        The score has no melody, or the options leave no room for it.
    """
    motif, key = _motif_in_key(score, options.key)
    signature, tempo_index = motif[0].time_signature, motif[0].tempo
    if options.time_signature not in (None, signature):
        raise BadArgument("the motif has a time signature of its own; leave --time-signature out")
    program = next(iter(motif[0].instruments))
    style = None if options.style is None else find_style(options.style)
    band = options.instruments
    if band is None:
        program = program if is_monophonic(program) else _MELODY_PROGRAMS[0]
        band = (*(style.instruments[:2] if style else (0, 33)), DRUMS, program)
    elif program not in band:
        program = _lead(band)
    tempo = tempo_to_bpm(tempo_index) / beat_length(signature)
    options = replace(
        options,
        key=key,
        instruments=tuple(sorted(set(band))),
        time_signature=signature,
        tempo=tempo if options.tempo is None else options.tempo,
    )
    developed = develop(motif, length, key, program)
    line = bars_to_score([Bar(signature, tempo_index, bar.notes) for bar in developed])
    progression = chords_of_bars(line, options, signature, length)
    plans = plan_bars(length, options.sections, {"": progression}, ends=True)
    plans[-1] = replace(plans[-1], chords=plans[-1].chords if options.chords else ())
    penalties = {"statement": STATEMENT_PENALTY}
    plans = [
        plan
        if not bar.notes
        else replace(
            plan,
            patterns=(
                PartPattern(
                    program, bar.notes, penalties.get(bar.transformation, VARIATION_PENALTY)
                ),
            ),
        )
        for plan, bar in zip(plans, developed, strict=True)
    ]
    if style is not None:
        check_time_signature(style, signature)
        others = [each for each in options.instruments or () if each != program]
        plans = _follow_style(plans, style, others, signature)
    return options, plans


def _motif_in_key(score: Score, requested: int | None) -> tuple[list[Bar], int]:
    """Return a motif, moved to the tonic of the requested key, and its key."""
    motif, key = read_motif(score), key_index(score)
    if requested is None:
        return motif, key
    interval = (requested // 2 - key // 2 + 6) % 12 - 6
    return [bar.transpose(interval) for bar in motif], requested // 2 * 2 + key % 2


def _lead(band: Sequence[int]) -> int:
    """Return the instrument of a band that plays the melody."""
    pitched = [each for each in band if each != DRUMS and not is_bass(each)]
    if not pitched:
        raise BadArgument("no instrument of the band can play the motif; name one, such as flute")
    return next((each for each in pitched if is_monophonic(each)), pitched[0])


def _with_style(
    options: CompositionOptions, style: Style, prompt: Bar | None, heard: Collection[int]
) -> CompositionOptions:
    """Return options with the time signature, tempo and band of a style, where they are open."""
    signature, tempo = options.time_signature, options.tempo
    if prompt is not None:
        signature = prompt.time_signature if signature is None else signature
    else:
        tempo = style.tempo if tempo is None else tempo
    if signature is None:
        signature = TIME_SIGNATURE_INDEX[style.beats, 4]
    check_time_signature(style, signature)
    instruments = options.instruments
    if instruments is None:
        bass, chordal, lead = style.instruments
        band = {next((each for each in heard if is_bass(each)), bass), DRUMS}
        own = chordal_instrument(sorted(heard), style)
        band.add(chordal if own is None else own)
        instruments = tuple(sorted(band if prompt is not None else {*band, lead}))
    return replace(options, time_signature=signature, instruments=instruments, tempo=tempo)


def _follow_style(
    plans: Sequence[BarPlan],
    style: Style,
    instruments: Sequence[int],
    signature: int | Sequence[int],
) -> list[BarPlan]:
    """Add the patterns of a style, and fills where there are no sections.

    `signature` is the index of the time signature, or that of each bar.
    """
    signatures = [signature] * len(plans) if isinstance(signature, int) else signature
    played = style_notes(style, instruments, plans, [steps_per_bar(each) for each in signatures])
    has_sections = any(plan.section for plan in plans)
    count = len(plans)
    fills = {bar for bar in range(_FILL_BARS - 1, count - 1, _FILL_BARS) if not has_sections}
    return [
        replace(
            plan,
            fill=plan.fill or index in fills,
            opens=plan.opens or index - 1 in fills,
            patterns=(
                *plan.patterns,
                *(
                    PartPattern(instrument, notes, _style_penalty(instrument))
                    for instrument, notes in bar.items()
                ),
            ),
        )
        for index, (plan, bar) in enumerate(zip(plans, played, strict=True))
    ]


def _style_penalty(instrument: int) -> float:
    drums, bass, chords = _STYLE_PENALTIES
    return drums if instrument == DRUMS else bass if is_bass(instrument) else chords


# ---- arrangements --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """What an accompaniment of a melody is to be.

    Attributes
    ----------
    options : CompositionOptions
        With the key, the instruments and the style of the arrangement.
    plans : list of BarPlan
    melody : Score
        The melody alone.
    bars : list of Bar
        Its bars, played by `instrument`.
    instrument : int
        Program of the melody among the tokens, not one of the accompaniment.
    """

    options: CompositionOptions
    plans: list[BarPlan]
    melody: Score
    bars: list[Bar]
    instrument: int

    def with_accompaniment(self, bars: Sequence[Bar]) -> Score:
        """Return the melody with the bars of an accompaniment."""
        part = self.melody.parts[0]
        apart = replace(self.melody, parts=(replace(part, program=self.instrument),))
        score = add_part(with_estimated_key(apart), bars)
        return replace(
            score, parts=(replace(score.parts[0], program=part.program), *score.parts[1:])
        )


def plan_arrangement(score: Score, options: CompositionOptions) -> Arrangement:
    """Plan an accompaniment of the melody of a score.

    The chords are those of the options, else the symbols that are written in the score, else those
    that `segue.generate.harmony` finds for the melody.

    Raises
    ------
    BadArgument
        The score has no melody, or the style does not fit its time signature.
    """
    part = extract_melody(score)
    melody = replace(score, parts=(part,))
    bars = score_to_bars(melody)
    signature = max(
        {bar.time_signature for bar in bars},
        key=[bar.time_signature for bar in bars].count,
    )
    style = default_style(signature) if options.style is None else find_style(options.style)
    if style is not None:
        check_time_signature(style, signature)
    instruments = options.instruments
    if instruments is None:
        instruments = tuple(sorted({*(style.instruments[:2] if style else (0, 33)), DRUMS}))
    key = key_index(score) if options.key is None else options.key
    options = replace(
        options, instruments=instruments, key=key, style=None if style is None else style.name
    )
    programs = (part.program, *_MELODY_PROGRAMS, *range(DRUMS))
    program = next(each for each in programs if each not in instruments)
    bars = [
        bar._replace(
            notes=tuple(note._replace(instrument=program) for note in bar.notes), pedals=()
        )
        for bar in bars
    ]
    chords = chords_of_bars(score, options, signature, len(bars))
    plans = [
        BarPlan(
            own,
            ends=index == len(bars) - 1 >= _MIN_ENDING_BARS,
            patterns=(PartPattern(program, bar.notes, GIVEN),),
        )
        for index, (bar, own) in enumerate(zip(bars, chords, strict=True))
    ]
    if style is not None:
        plans = _follow_style(plans, style, instruments, [bar.time_signature for bar in bars])
    return Arrangement(options, plans, melody, bars, program)


def chords_of_bars(
    score: Score, options: CompositionOptions, signature: int, count: int
) -> list[tuple[BarChord, ...]]:
    """Return the chords of each bar of a melody: requested, written, or found for it."""
    if options.chords is not None:
        progression = parse_chords(options.chords, signature)
        return [progression[index % len(progression)] for index in range(count)]
    symbols = [(tick, name) for tick, name in score.chords if is_chord(name)]
    if not symbols:
        from segue.generate.harmony.harmonise import harmonise_chords  # imports torch

        symbols = [(chord.start, chord.name) for chord in harmonise_chords(score)[0].chords]
    grid = bar_grid(score)
    bars: list[list[BarChord]] = [[] for _ in range(count)]
    for tick, name in symbols:
        bar = int(grid.index_of(np.array([tick]))[0])
        if bar < count:
            ticks = tick - int(grid.edges[bar])
            step = round(ticks * STEPS_PER_QUARTER / score.ticks_per_quarter)
            bars[bar].append(BarChord.of(parse_chord(name), max(step, 0)))
    holding: list[BarChord] = []
    for own in bars:
        if holding and (not own or own[0].step > 0):
            own.insert(0, holding[-1]._replace(step=0))
        holding = own or holding
    return [tuple(own) for own in bars]


def check_arrangement(options: CompositionOptions, *, has_bars: bool, has_prompt: bool) -> None:
    """Refuse what an arrangement of a melody has from the melody.

    Raises
    ------
    BadArgument
    """
    timed = options.time_signature is not None or options.tempo is not None
    for is_given, names in (
        (has_prompt, "a score to continue, --infill or --add"),
        (has_bars or bool(options.sections), "--bars, --form or --sections"),
        (timed, "--time-signature or --tempo"),
    ):
        if is_given:
            raise BadArgument(f"--melody has its own bars; leave out {names}")
