"""Whatever a network says, what is written is music that was asked for."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import little_score
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.compose.composition import Composition
from segue.generate.compose.model import Composer
from segue.generate.compose.options import (
    CompositionOptions,
    parse_key,
    parse_time_signature,
    tempo_bin,
)
from segue.generate.compose.plan import BarPlan, PartPattern
from segue.generate.compose.sampler import MAX_BARS, BarSampler
from segue.generate.compose.tokens import (
    DEFAULT_VELOCITY,
    END,
    FIRST_TOKEN,
    TIME_SIGNATURE_INDEX,
    VOCABULARY_SIZE,
    Bar,
    Note,
    bars_to_score,
    score_to_bars,
    steps_per_bar,
    tempo_to_bpm,
)
from segue.generate.compose.training import ExampleSampler, make_piece
from segue.generate.copying import fingerprint_parts, index_bars, longest_shared_bars
from segue.io.abc_write import write_abc
from segue.io.midi import read_midi, write_midi
from segue.io.musicxml_write import write_music_xml
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.records import BoolArray, Score
from segue.score.features import describe_score
from segue.score.harmony import estimate_chords, with_estimated_key
from segue.theory.instruments import DRUMS, parse_instrument, pitch_range, tessitura

CONTEXT = 192


@pytest.fixture(scope="module")
def composer() -> Composer:
    """Make a network that knows nothing."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, CONTEXT))).eval()
    return Composer(network, index_bars([]), {})


def options(seed: int = 0, **wished: object) -> CompositionOptions:
    return replace(CompositionOptions(Sampling(), seed=seed), **wished)  # type: ignore[arg-type]


def playing(bars: list[Bar]) -> set[int]:
    return set().union(*(bar.instruments for bar in bars))


def test_only_instruments_with_a_pedal_use_it(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = BarSampler._sample

    def pedalling(self: BarSampler, logits: Tensor, allowed: BoolArray, attempt: int) -> int:
        pedals = np.flatnonzero(allowed[FIRST_TOKEN["pedal"] : FIRST_TOKEN["velocity"]])
        if len(pedals):
            return FIRST_TOKEN["pedal"] + int(pedals[0])
        return sample(self, logits, allowed, attempt)

    monkeypatch.setattr(BarSampler, "_sample", pedalling)
    bars = list(BarSampler(composer, options(1, instruments=(0, 33, 73))).extend(6))
    assert playing(bars) == {0, 33, 73}
    assert {pedal.instrument for bar in bars for pedal in bar.pedals} == {0}
    pattern = PartPattern(0, (Note(0, 0, 60, 6, 4),), 2.0)
    plans = [BarPlan(patterns=(pattern,))] * 4
    bars = list(BarSampler(composer, options(1, instruments=(0, 33))).extend(4, plans=plans))
    assert not any(pedal.down for bar in bars for pedal in bar.pedals), "a pattern has rests"


def test_an_added_part_rests_for_two_bars_at_most_where_others_play(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = BarSampler._sample

    def resting(self: BarSampler, logits: Tensor, allowed: BoolArray, attempt: int) -> int:
        return END if allowed[END] else sample(self, logits, allowed, attempt)

    monkeypatch.setattr(BarSampler, "_sample", resting)
    piece = Composition(composer, options(), prompt=little_score(1, 8), added=73)
    assert [bool(bar.notes) for bar in piece] == [False, False, True] * 2 + [False] * 2


@pytest.mark.parametrize("temperature", [0.0, 1.0, 50.0])
def test_what_is_wished_is_written(composer: Composer, temperature: float) -> None:
    wished = options(
        3,
        sampling=Sampling(temperature),
        instruments=(33, 73, DRUMS),
        time_signature=TIME_SIGNATURE_INDEX[3, 4],
        tempo=tempo_to_bpm(10),
    )
    bars = list(BarSampler(composer, wished).extend(12))
    assert len(bars) == 12
    assert {(bar.time_signature, bar.tempo) for bar in bars} == {(TIME_SIGNATURE_INDEX[3, 4], 10)}
    assert playing(bars) <= {33, 73, DRUMS}
    for note in [note for bar in bars for note in bar.notes]:
        low, high = pitch_range(note.instrument)
        assert low <= note.pitch <= high
    score = bars_to_score(bars)
    assert [part.notes.tolist() for part in read_midi(write_midi(score)).parts]


def test_it_goes_on_far_beyond_its_view_in_the_same_memory(composer: Composer) -> None:
    writing = BarSampler(composer, options(1, instruments=(0, 33)))
    lengths = [writing._decoder.length for _ in writing.extend(80)]
    assert max(lengths) <= CONTEXT
    assert any(after < before for before, after in itertools.pairwise(lengths))


def test_the_same_seed_writes_the_same_and_another_another(composer: Composer) -> None:
    first, again, other = (
        list(BarSampler(composer, options(seed)).extend(6)) for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_who_was_asked_for_and_is_silent_is_leaned_towards(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (0, 33, DRUMS)

    def heard() -> int:
        bars = BarSampler(composer, options(6, instruments=asked)).extend(30)
        return sum(len(bar.instruments & set(asked)) for bar in bars)

    leaning = heard()
    monkeypatch.setattr("segue.generate.compose.biases._INSTRUMENT_BIAS", 0.0)
    assert leaning > 1.2 * heard()


def test_winds_play_one_note_at_a_time_unless_they_did_not_before(composer: Composer) -> None:
    def together(bars: list[Bar], instrument: int) -> bool:
        """Tell whether one note sounds while the next begins, within a bar."""
        return any(
            before.onset + before.duration > after.onset
            for bar in bars
            for before, after in itertools.pairwise(
                note for note in bar.notes if note.instrument == instrument
            )
        )

    bars = list(BarSampler(composer, options(4, instruments=(0, 73), repetition=0)).extend(30))
    assert together(bars, 0)
    assert playing(bars) == {0, 73}
    assert not together(bars, 73)
    repeated = list(BarSampler(composer, options(4, instruments=(0, 73))).extend(30))
    assert not together(repeated, 73)
    note = Note(0, 73, 72, 4, DEFAULT_VELOCITY)
    chord = Bar(TIME_SIGNATURE_INDEX[4, 4], 10, (note, note._replace(pitch=76)))
    # Without repetition, since a network that is not trained is led by little else.
    assert together(list(BarSampler(composer, options(4, repetition=0)).extend(30, [chord])), 73)


def test_two_silent_bars_do_not_follow_one_another(composer: Composer) -> None:
    bars = list(BarSampler(composer, options(2, instruments=(0,))).extend(40))
    assert not any(not a.notes and not b.notes for a, b in itertools.pairwise(bars))


def test_a_piece_of_one_bar_is_not_silent(composer: Composer) -> None:
    for seed in range(8):
        assert next(iter(BarSampler(composer, options(seed)).extend(1))).notes


def test_a_score_is_gone_on_with(composer: Composer) -> None:
    prompt = little_score(1, 4, 3)
    piece = Composition(composer, options(1), 5, prompt)
    assert len(list(piece)) == 5
    score = piece.score
    for before, after in zip(prompt.parts, score.parts, strict=False):
        assert np.array_equal(after.notes[: len(before.notes)], before.notes)
        assert (after.name, after.program) == (before.name, before.program)
    assert {bar.time_signature for bar in piece.generated} == {TIME_SIGNATURE_INDEX[3, 4]}
    assert playing(piece.generated) <= {40, 33, DRUMS}
    end = 4 * 3 * 480
    assert all(
        after.notes[len(before.notes) :, 0].min(initial=end) >= end
        for before, after in zip(prompt.parts, score.parts, strict=False)
    )
    report = piece.report
    assert report["bars"] == 5
    assert report["to_reproduce"]["seed"] == 1
    assert 0 <= report["statistics"]["empty_bar_rate"] <= 1


def test_bars_are_filled_in_and_the_others_stay(composer: Composer) -> None:
    prompt = little_score(2, 8)
    piece = Composition(composer, options(1), prompt=prompt, infill=(3, 5))
    assert len(list(piece)) == 3
    before, after = score_to_bars(prompt), score_to_bars(piece.score)
    assert after[:2] == before[:2]
    assert after[5:] == before[5:]
    assert after[2:5] != before[2:5]
    assert len(after) == 8

    def drums(bars: list[Bar]) -> set[int]:
        return {note.pitch for bar in bars for note in bar.notes if note.instrument == DRUMS}

    assert drums(after[2:5]) <= drums(before)  # one kit


def test_a_part_is_added_and_the_others_stay(composer: Composer) -> None:
    prompt = little_score(2, 6)
    piece = Composition(composer, options(4), prompt=prompt, added=parse_instrument("flute"))
    assert len(list(piece)) == 6
    assert playing(piece.generated) <= {73}
    assert [part.notes.tolist() for part in piece.score.parts[:3]] == [
        part.notes.tolist() for part in prompt.parts
    ]
    assert piece.score.parts[3].program == 73


@pytest.fixture(scope="module")
def taught() -> Composer:
    """Teach a network a few pieces, to write bars with some notes at least."""
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(32, 2, 2, CONTEXT, 0.0)))
    pieces = [make_piece(f"{seed}", little_score(seed)) for seed in range(6)]
    excerpts = ExampleSampler(pieces, CONTEXT, 8)
    optimiser = torch.optim.AdamW(network.parameters(), 6e-3)
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(60):
        loss = network.loss(*excerpts.draw(rng))
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert min(losses[5:10]) < losses[0]
    assert losses[-1] < 0.6 * losses[0]
    return Composer(network.eval(), index_bars([]), {})


def test_nothing_longer_than_allowed_is_copied(taught: Composer) -> None:
    """Without the limit, the model writes passages of its training set."""
    free = list(BarSampler(taught, options(7, instruments=(40, 33), max_copy=1000)).extend(16))
    known = index_bars([("learned", fingerprint_parts(free).values())])
    assert longest_shared_bars(known, fingerprint_parts(free)).length > 1
    knowing = replace(taught, index=known)
    writing = BarSampler(knowing, options(7, instruments=(40, 33), max_copy=1))
    bars = list(writing.extend(16))
    assert longest_shared_bars(known, fingerprint_parts(bars)).length <= 1
    assert writing.rejected


def test_the_same_bar_does_not_come_for_ever(composer: Composer) -> None:
    bars = list(BarSampler(composer, options(0, sampling=Sampling(0.0))).extend(40))
    longest, run = 1, 1
    for before, after in itertools.pairwise(bars):
        run = run + 1 if after.notes == before.notes else 1
        longest = max(longest, run)
    assert longest <= 5


def test_a_composer_comes_back_from_its_file(composer: Composer, tmp_path: Path) -> None:
    path = tmp_path / "composer.safetensors"
    known = index_bars([("a", fingerprint_parts(score_to_bars(little_score(1))).values())])
    replace(composer, index=known, metadata={"told": 1}).save(path)
    again = Composer.load(path)
    assert again.index.names == ("a",)
    assert np.array_equal(again.index.keys, known.keys)
    assert again.metadata == {"told": 1}
    first, second = (list(BarSampler(one, options(3)).extend(3)) for one in (composer, again))
    assert first == second


def test_a_composer_in_eight_bits_stays_so_and_can_learn_on(
    composer: Composer, tmp_path: Path
) -> None:
    path, again = tmp_path / "composer.safetensors", tmp_path / "again.safetensors"
    composer.save(path, torch.int8)
    small = Composer.load(path)
    assert not [weight for weight in small.network.parameters() if weight.dtype == torch.float32]
    assert sum(weight.numel() for weight in small.network.parameters()) < 1.1 * (
        composer.network.tokens.weight.numel()  # norms and embeddings alone
    )
    first, second = (list(BarSampler(one, options(3)).extend(3)) for one in (small, small))
    assert first == second
    small.save(again)  # in float32
    for name, weight in composer.network.state_dict().items():
        close = Composer.load(again).network.state_dict()[name]
        assert (close - weight).abs().max() <= 0.01 * weight.abs().max()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadCheckpoint):
        Composer.load(path)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"infill": (0, 2)}, "bars 0 to 2 cannot be filled in; the score has 4"),
        ({"infill": (3, 9)}, "bars 3 to 9 cannot be filled in"),
        ({"infill": (2, 1)}, "cannot be filled in"),
        ({"infill": (1, 2), "added": 0}, "one after the other"),
    ],
)
def test_what_cannot_be_is_refused(composer: Composer, asked: dict[str, object], said: str) -> None:
    with pytest.raises(BadArgument, match=said):
        Composition(composer, options(), prompt=little_score(1, 4), **asked)  # type: ignore[arg-type]


def test_a_prompt_is_needed_to_work_on(composer: Composer) -> None:
    with pytest.raises(BadArgument, match="need a score"):
        Composition(composer, options(), infill=(1, 2))
    with pytest.raises(BadArgument, match="those of the score"):
        Composition(composer, options(tempo=100.0), prompt=little_score(1, 4), infill=(1, 2))
    with pytest.raises(BadArgument, match="violin plays already"):
        list(Composition(composer, options(), prompt=little_score(1, 4), added=40))
    nothing = little_score(1, 4)
    silent = Score("", 480, (), nothing.tempos, nothing.time_signatures, nothing.keys)
    with pytest.raises(BadArgument, match="without a note"):
        Composition(composer, options(), prompt=silent)
    for bars in (0, -1, MAX_BARS + 1):
        with pytest.raises(BadArgument, match="from 1 to 10,000"):
            list(Composition(composer, options(), bars))
    with pytest.raises(BadArgument, match="at most 0 bars copied"):
        options(max_copy=0)


@pytest.mark.parametrize(
    ("time_signature", "message"),
    [
        ("9/4", "write 9/4 as 3 bars of 3/4"),
        ("12/4", "write 12/4 as 2 bars of 6/4"),
        ("15/8", "write 15/8 as 5 bars of 3/8"),
        ("10/4", "write 10/4 as 2 bars of 5/4"),
        ("13/8", "write 13/8 as a bar of 7/8 and one of 6/8"),
        ("4/32", "go up to 4/2, 8/4, 12/8 and 12/16"),
        ("waltz", "write it as 4/4, 3/4, 6/8 …"),
    ],
)
def test_an_unsupported_time_signature_is_to_be_written_in_shorter_bars(
    time_signature: str, message: str
) -> None:
    with pytest.raises(BadArgument, match=f"time signature '{time_signature}'.*{message}$"):
        parse_time_signature(time_signature)


def test_names_of_keys_time_signatures_and_tempos() -> None:
    assert [parse_key(name) for name in ("C", "Dm", "F# minor", "Bb", "Eb major", "b")] == [
        *(0, 5, 13, 20, 6, 22)
    ]
    assert parse_time_signature("6/8") == (6, 8)
    assert steps_per_bar(TIME_SIGNATURE_INDEX[parse_time_signature("3/4")]) == 36
    assert tempo_bin(120) == 18
    for name in ("H", "Cmajor7", "", "Q minor"):
        with pytest.raises(BadArgument, match="no key"):
            parse_key(name)
    for name in ("3", "0/4", "4/3", "a/b"):
        with pytest.raises(BadArgument, match="time signature"):
            parse_time_signature(name)
    for tempo in (0, 1000, float("nan")):
        with pytest.raises(BadArgument, match="a tempo of"):
            tempo_bin(tempo)
    assert parse_instrument(" Fretless  Bass ") == 35
    assert parse_instrument("127") == 127
    with pytest.raises(BadArgument, match="did you mean guitar"):
        parse_instrument("gitar")


def test_the_tempo_is_the_one_asked_for(composer: Composer) -> None:
    made = Composition(composer, options(1, instruments=(0,), tempo=96.0), 4)
    list(made)
    assert made.score.tempos[:, 1].tolist() == [96.0]
    after = Composition(composer, options(1, tempo=171.0), 2, prompt=little_score(1, 4))
    list(after)
    assert after.score.tempos[-1, 1] == 171.0
    assert np.array_equal(after.score.tempos[:-1], little_score(1, 4).tempos)
    with pytest.raises(BadArgument, match="a tempo of 1000; from"):
        options(tempo=1000.0)


def test_the_key_is_the_one_asked_for(composer: Composer) -> None:
    made = Composition(composer, options(1, instruments=(0,), key=parse_key("Cm")), 2)
    list(made)
    assert made.score.keys.tolist() == [[0, -3, 1]]
    prompt = little_score(1, 4)
    after = Composition(composer, options(1, key=parse_key("E")), 2, prompt=prompt)
    list(after)
    assert after.score.keys[:-1].tolist() == with_estimated_key(prompt).keys.tolist()
    assert after.score.keys[-1, 1:].tolist() == [4, 0]
    assert after.score.keys[-1, 0] == 4 * 4 * 480  # where the new bars begin


@pytest.mark.parametrize(
    ("time_signature", "asked", "quarters"),
    [("6/8", 70.0, 105.0), ("9/8", 64.0, 96.0), ("12/8", 50.0, 75.0), ("3/8", 70.0, 70.0),
     ("3/4", 70.0, 70.0), ("4/4", 71.0, 71.0)],
)  # fmt: skip
def test_tempos_are_counted_in_the_beats_of_the_time_signature(
    composer: Composer, time_signature: str, asked: float, quarters: float
) -> None:
    number = TIME_SIGNATURE_INDEX[parse_time_signature(time_signature)]
    made = Composition(
        composer, options(2, instruments=(0,), tempo=asked, time_signature=number), 3
    )
    list(made)
    assert made.score.tempos.tolist() == [[0.0, quarters]]
    assert describe_score(made.score).facts["tempo_bpm"] == asked
    written = write_music_xml(made.score).decode()
    assert f"<per-minute>{asked:g}</per-minute>" in written
    assert ("<beat-unit-dot/>" in written) == (quarters != asked)
    beat = "3/8" if quarters != asked else "1/4"
    assert f"Q:{beat}={asked:g}" in write_abc(made.score)
    back = read_midi(write_midi(made.score))
    assert back.tempos[0, 1] == pytest.approx(quarters, abs=1e-3)


@pytest.mark.parametrize("time_signature", ["6/8", "4/4", "12/8"])
def test_tempos_nobody_asked_for_are_whole_numbers_of_beats(
    composer: Composer, time_signature: str
) -> None:
    number = TIME_SIGNATURE_INDEX[parse_time_signature(time_signature)]
    made = Composition(composer, options(5, instruments=(0,), time_signature=number), 4)
    list(made)
    beats = made.score.tempos[:, 1] / (1 if time_signature == "4/4" else 1.5)
    assert beats.tolist() == pytest.approx(np.rint(beats).tolist())


def test_a_prompt_in_six_eight_goes_on_in_dotted_quarters(composer: Composer) -> None:
    prompt = replace(little_score(1, 4, 3), time_signatures=np.array([[0, 6, 8]], np.int32))
    made = Composition(composer, options(1, tempo=70.0), 2, prompt)
    list(made)
    assert made.score.tempos[-1, 1] == 105.0


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ((40, 40, 41, 42), ["Violin 1", "Violin 2", "Viola", "Cello"]),
        ((73, 73, 73), ["Flute 1", "Flute 2", "Flute 3"]),
        ((0, 0, 33, DRUMS), ["Grand piano 1", "Grand piano 2", "Fingered bass", "Drums"]),
    ],
)
@pytest.mark.parametrize("count", [2, 9])
def test_every_part_that_was_asked_for_is_written(
    composer: Composer, asked: tuple[int, ...], names: list[str], count: int
) -> None:
    for seed in range(2):
        made = Composition(composer, options(seed, instruments=asked), count)
        list(made)
        assert [part.name for part in made.score.parts] == names
        assert all(len(part.notes) for part in made.score.parts)
        for part in made.score.parts:
            if part.program in {40, 73}:
                ends = part.notes[:-1, 0] + part.notes[:-1, 1]
                assert (ends <= part.notes[1:, 0]).all()


def test_a_second_violin_joins_the_one_that_plays(composer: Composer) -> None:
    prompt = little_score(1, 4)
    made = Composition(composer, options(3, instruments=(40, 40)), 6, prompt)
    list(made)
    assert [part.name for part in made.score.parts] == ["violin", "bass", "drums", "Violin 2"]
    end = 4 * 4 * 480
    assert made.score.parts[3].notes[:, 0].min() >= end
    before = prompt.parts[0].notes.tolist()
    assert made.score.parts[0].notes[: len(before)].tolist() == before


@pytest.mark.parametrize("instrument", ["bass", "fretless bass", "contrabass", "cello", "flute"])
def test_a_part_that_is_added_stays_in_its_usual_register(
    composer: Composer, instrument: str
) -> None:
    prompt = little_score(2, 12)
    prompt = replace(prompt, parts=(prompt.parts[0], prompt.parts[2]))
    number = parse_instrument(instrument)
    made = Composition(composer, options(4), prompt=prompt, added=number)
    list(made)
    pitches = [note.pitch for bar in made.generated for note in bar.notes]
    low, high = tessitura(number)
    assert low <= np.median(pitches) <= high
    lowest, highest = pitch_range(number)
    assert all(lowest <= pitch <= highest for pitch in pitches)


def test_a_bass_that_is_added_plays_roots_on_beats(composer: Composer) -> None:
    prompt = little_score(2, 12)
    prompt = replace(prompt, parts=(prompt.parts[0], prompt.parts[2]))
    made = Composition(composer, options(4), prompt=prompt, added=33)
    list(made)
    roots = {chord.bar: chord.root for chord in estimate_chords(prompt)}
    on_beats = [
        note.pitch % 12 == roots[number]
        for number, bar in enumerate(made.generated)
        for note in bar.notes
        if note.onset % 12 == 0
    ]
    assert sum(on_beats) > 0.3 * len(on_beats)  # by chance a twelfth


@pytest.mark.parametrize(
    ("key", "scale"), [(7 * 2, {0, 2, 4, 6, 7, 9, 11}), (2 * 2, {1, 2, 4, 6, 7, 9, 11})]
)
def test_the_key_that_was_asked_for_is_leaned_towards(
    composer: Composer, key: int, scale: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def outside() -> float:
        bars = BarSampler(composer, options(6, instruments=(0,), key=key)).extend(30)
        pitches = [note.pitch % 12 for bar in bars for note in bar.notes]
        return sum(pitch not in scale for pitch in pitches) / len(pitches)

    leaning = outside()
    monkeypatch.setattr("segue.generate.compose.biases._OUT_OF_SCALE_PENALTY", 0.0)
    assert leaning < 0.7 * outside()
