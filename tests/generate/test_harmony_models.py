"""Voices drawn below a soprano, and chords found for a melody."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.chorale_ngrams import index_chorales, save_known_chorales
from recipes.chorales import save_chorale_network
from recipes.chords import fit_chord_hmm, save_chord_hmm
from recipes.datasets.pop909 import AnnotatedSong
from scores import part_of, score_of
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.harmony import chorale_network, chord_hmm
from segue.generate.harmony.chorale_frames import KnownChorales, voice_notes
from segue.generate.harmony.chorale_network import (
    LOWEST_PITCH,
    NUM_PITCHES,
    ChoraleConfig,
    ChoraleTransformer,
    load_chorale_network,
)
from segue.generate.harmony.chord_hmm import (
    NO_CHORD_STATE,
    QUALITIES,
    ChordHMM,
    ChordSlots,
    load_chord_hmm,
    melody_slots,
    most_likely_chords,
    relative_to_tonic,
    sample_chords,
    viterbi,
)
from segue.generate.harmony.particle_filter import (
    ChordConstraint,
    ParticleFilterOptions,
    allowed_pitches,
    constrained_pitches,
    sample_voices,
)
from segue.nn.checkpoint import save_checkpoint
from segue.nn.sampling import Sampling
from segue.nn.transformer import StackConfig


@pytest.fixture(scope="module")
def network() -> ChoraleTransformer:
    torch.manual_seed(3)
    found = ChoraleTransformer(ChoraleConfig(StackConfig(32, 2, 4, 40, 0.1))).eval()
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return found


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SOPRANO = torch.tensor([36, 36, 38, 38, 39, 41, 40, 38, 36, 0, 0, 36] * 8)


# ---- voices ------------------------------------------------------------------------------


def test_the_soprano_is_kept_beyond_the_context(network: ChoraleTransformer) -> None:
    seen = []
    sung = sample_voices(
        network,
        SOPRANO,
        ParticleFilterOptions(particles=4),
        generator(),
        watch=lambda *told: seen.append(told),
    )
    assert sung.frames.shape == (96, 4)  # the network has 40 frames in view
    assert torch.equal(sung.frames[:, 0], SOPRANO)
    assert seen == [(done, 96) for done in range(1, 97)]
    assert sung.nll > 0


def test_sampling_is_deterministic_given_a_seed(network: ChoraleTransformer) -> None:
    one, again, other = (
        sample_voices(
            network, SOPRANO[:30], ParticleFilterOptions(particles=4), generator(seed)
        ).frames
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_more_particles_give_a_likelier_soprano(network: ChoraleTransformer) -> None:
    sampling = Sampling()
    nats = [
        np.mean(
            [
                sample_voices(
                    network, SOPRANO[:24], ParticleFilterOptions(sampling, k), generator(s)
                ).nll
                for s in range(6)
            ]
        )
        for k in (1, 32)
    ]
    assert nats[1] < nats[0]


def test_voice_leading_rules_are_kept(network: ChoraleTransformer) -> None:
    frames = sample_voices(
        network, SOPRANO, ParticleFilterOptions(particles=8), generator()
    ).frames.numpy()
    sounding = frames[frames[:, 0] > 0]
    assert (sounding[:, 1:] > 0).all()
    assert (sounding[:, 1:] <= sounding[:, :-1]).all()


def test_allowed_pitches_are_in_range_below_and_not_parallel() -> None:
    c5, c4, c3 = (pitch - LOWEST_PITCH + 1 for pitch in (72, 60, 48))
    # Soprano and bass an octave and a fifth apart, then the soprano a step up.
    before = torch.tensor([[c5 + 7, c5, c4, c3]])
    may = allowed_pitches(before, torch.tensor([[c5 + 9, c5, c4]]))[0]
    assert not may[c3 + 2]  # a fifth again
    assert may[c3]  # it holds, so that nothing is in parallel
    assert may[c3 + 5]
    assert not may[c4 + 1]  # above the tenor
    assert not may[0]
    alto = allowed_pitches(before, torch.tensor([[c5 - 24]]))[0]  # nothing in range lies below
    assert int(alto.sum()) == NUM_PITCHES - 1


def test_chord_constraints_are_met(network: ChoraleTransformer) -> None:
    opening, close = (
        ChordConstraint(1, 10, frozenset({10, 2, 5})),
        ChordConstraint(4, 7, frozenset({7, 11, 2})),
    )
    soprano = torch.full((12,), 43 - 4)  # D5
    choir = ParticleFilterOptions(particles=4, strict=False)
    frames = sample_voices(network, soprano, choir, generator(), opening, close).frames
    for given, some in ((opening, frames[:1]), (close, frames[-4:])):
        assert set(((some[:, 1:] - 1) % 12).flatten().tolist()) <= given.classes
        assert set(((some[:, 3] - 1) % 12).tolist()) == {given.bass}
    assert constrained_pitches(close, 3).nonzero()[:, 0].tolist() == [8, 20, 32, 44]


@pytest.mark.parametrize(
    "soprano", [torch.zeros(0, dtype=torch.int64), torch.tensor([NUM_PITCHES])]
)
def test_invalid_sopranos_are_refused(network: ChoraleTransformer, soprano: torch.Tensor) -> None:
    with pytest.raises(BadArgument, match="soprano"):
        sample_voices(network, soprano, ParticleFilterOptions(), generator())
    with pytest.raises(BadArgument, match="from 1 to 512"):
        ParticleFilterOptions(particles=0)


def test_quantized_weights_round_trip(network: ChoraleTransformer, tmp_path: Path) -> None:
    path = tmp_path / "chorales.safetensors"
    save_chorale_network(network, path, {"run": "none"})
    again = load_chorale_network(path)
    frames = torch.randint(NUM_PITCHES, (2, 20, 4), generator=generator())
    with torch.inference_mode():
        one, other = (each(frames).log_softmax(dim=-1) for each in (network, again))
    assert float((one - other).abs().mean()) < 0.02
    size = sum(parameter.numel() for parameter in network.parameters())
    assert path.stat().st_size < 1.5 * size + 20_000


def test_weights_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "chorales.safetensors"
    save_checkpoint(path, chorale_network.CHECKPOINT_KIND, {"version": 0}, {})
    with pytest.raises(BadCheckpoint, match="version 0"):
        load_chorale_network(path)
    about = {"version": chorale_network.VERSION, "configuration": {"stack": {}}}
    save_checkpoint(path, chorale_network.CHECKPOINT_KIND, about, {})
    with pytest.raises(BadCheckpoint, match="no consistent 'chorales'"):
        load_chorale_network(path)


# ---- chords ------------------------------------------------------------------------------


def song(tonic: int, mode: int) -> AnnotatedSong:
    """Make a song of I IV V I in either mode, its melody the chords' roots and thirds."""
    degrees = [(0, mode), (5, mode), (7, 0), (0, mode)] * 4
    notes = []
    for bar, (root, quality) in enumerate(degrees):
        above = 60 + tonic + root
        notes += [(4.0 * bar, 2.0, above), (4.0 * bar + 2, 2.0, above + (3 if quality else 4))]
    part = part_of(*notes)
    chords = np.repeat([12 * quality + (root + tonic) % 12 for root, quality in degrees], 2)
    return AnnotatedSong(tonic, mode, chords, melody_slots(part, score_of(part)))


@pytest.fixture(scope="module")
def tables() -> ChordHMM:
    return fit_chord_hmm([song(tonic, mode) for tonic in (0, 5, 9) for mode in (0, 1)], 1.5)


def test_probabilities_sum_to_one(tables: ChordHMM) -> None:
    for table in (tables.transitions, tables.final, tables.emissions):
        np.testing.assert_allclose(np.exp(table).sum(axis=-1), 1, atol=1e-6)
        assert np.isfinite(table).all()


@pytest.mark.parametrize(("tonic", "mode"), [(2, 0), (7, 0), (11, 1)])
def test_viterbi_recovers_chords_in_any_key(tables: ChordHMM, tonic: int, mode: int) -> None:
    other = song(tonic, mode)
    path = most_likely_chords(tables, other.slots, np.zeros(24))
    assert (path.tonic, path.mode) == (tonic, mode)
    assert np.array_equal(path.chords, other.chords)


def test_the_key_prior_decides_the_key(tables: ChordHMM) -> None:
    prior = np.full(24, -np.inf)
    prior[12 + 4] = 0
    path = most_likely_chords(tables, song(0, 0).slots, prior)
    assert (path.tonic, path.mode) == (4, 1)


def test_sampled_chords_are_likelier_at_lower_temperature(tables: ChordHMM) -> None:
    slots = song(0, 0).slots
    best = viterbi(tables, slots, 0, 0)
    rng = np.random.default_rng(0)
    means = []
    for temperature in (0.1, 1.0, 3.0):
        drawn = [sample_chords(tables, slots, 0, 0, temperature, rng) for _ in range(20)]
        assert all(path.log_likelihood <= best.log_likelihood + 1e-9 for path in drawn)
        means.append(np.mean([path.log_likelihood for path in drawn]))
    assert means == sorted(means, reverse=True)
    with pytest.raises(BadArgument, match="temperature"):
        sample_chords(tables, slots, 0, 0, 0.0, rng)


def test_whole_bar_transitions_sum_over_their_middle(tables: ChordHMM) -> None:
    slots = song(0, 0).slots
    bars = ChordSlots(
        slots.edges[::2],
        slots.bar[::2],
        np.full(len(slots) // 2, 2),
        slots.durations[::2] + slots.durations[1::2],
    )
    assert np.array_equal(viterbi(tables, bars, 0, 0).chords, song(0, 0).chords[::2])


def test_relative_to_tonic_is_invertible() -> None:
    chords = np.array([0, 12 + 9, NO_CHORD_STATE, 12 * (len(QUALITIES) - 1) + 11])
    moved = relative_to_tonic(chords, 9)
    assert moved.tolist() == [3, 12, NO_CHORD_STATE, 12 * (len(QUALITIES) - 1) + 2]
    assert np.array_equal(relative_to_tonic(moved, 9, inverse=True), chords)


def test_chord_hmm_round_trips_and_other_files_are_refused(
    tables: ChordHMM, tmp_path: Path
) -> None:
    path = tmp_path / "chords.safetensors"
    save_chord_hmm(tables, path)
    again = load_chord_hmm(path)
    assert again.emission_weight == tables.emission_weight
    assert np.array_equal(again.states, tables.states)
    np.testing.assert_allclose(again.transitions, tables.transitions, atol=1e-5)
    save_chord_hmm(replace(tables, final=tables.final[:, :3]), path)
    with pytest.raises(BadCheckpoint, match="shapes"):
        load_chord_hmm(path)
    save_checkpoint(path, chord_hmm.CHECKPOINT_KIND, {"version": 0}, {})
    with pytest.raises(BadCheckpoint, match="version 0"):
        load_chord_hmm(path)


def test_fitting_needs_songs_in_both_modes() -> None:
    with pytest.raises(BadArgument, match="no song in minor"):
        fit_chord_hmm([song(0, 0)], 1.0)


def test_a_known_voice_is_found_in_another_key(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    chorales = [np.repeat(rng.integers(40, 80, (20, 4)), 4, axis=0) for _ in range(3)]
    known = index_chorales(["one", "two", "three"], chorales)
    save_known_chorales(known, tmp_path / "known")
    known = KnownChorales.load(tmp_path / "known")
    other = np.repeat(rng.integers(40, 80, (20, 4)), 4, axis=0)
    nothing = {"notes": 0, "sixteenths": 0, "voice": "", "chorale": ""}
    assert known.report(other) == nothing
    other[20:60, 2] = chorales[1][20:60, 2] + 5
    found = known.report(other)
    assert (found["voice"], found["chorale"]) == ("Tenor", "two")
    assert found["notes"] >= 9
    other[20:60, 2] = chorales[1][20:60, 1] + 5  # what another voice sings is no voice's own
    assert known.report(other) == nothing


def test_the_bundled_training_chorales_are_known() -> None:
    known = KnownChorales.load()
    assert all(len(index.names) == 229 == len(index.starts) for index in known.voices)
    assert voice_notes(np.array([60, 60, 62, -1, 62])).tolist() == [[60, 0], [62, 2], [62, 4]]
