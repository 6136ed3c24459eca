"""Voices drawn below a soprano, and chords found for a melody."""

from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.chorale_ngrams import index_chorales, save_known_chorales
from recipes.chorales import save_chorale_network
from recipes.chords import collate, save_chord_network, transition_log_ratios
from recipes.datasets.annotated_melodies import AnnotatedMelody, nearest_quality
from scores import QUARTER, part_of, score_of
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.harmony import chorale_network, chord_network
from segue.generate.harmony.chorale_frames import KnownChorales, voice_notes
from segue.generate.harmony.chorale_network import (
    LOWEST_PITCH,
    NUM_PITCHES,
    ChoraleConfig,
    ChoraleTransformer,
    load_chorale_network,
)
from segue.generate.harmony.chord_network import (
    NO_CHORD_INDEX,
    ChordChain,
    ChordNetwork,
    ChordNetworkConfig,
    load_chord_network,
    transpose_chords,
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
from segue.theory.chords import QUALITIES


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
        watch=lambda *progress: seen.append(progress),
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


def song(tonic: int, mode: int) -> AnnotatedMelody:
    """Return a song of I IV V I in either mode, its melody the chords' roots and thirds."""
    degrees = [(0, mode), (5, mode), (7, 0), (0, mode)] * 4
    notes, spans = [], []
    for bar, (root, quality) in enumerate(degrees):
        above = 60 + tonic + root
        notes += [(4.0 * bar, 2.0, above), (4.0 * bar + 2, 2.0, above + (3 if quality else 4))]
        chord = 12 * quality + (root + tonic) % 12
        spans.append((4.0 * bar * QUARTER, 4.0 * (bar + 1) * QUARTER, chord))
    return AnnotatedMelody("openewld", "", "train", score_of(part_of(*notes)), spans, tonic, mode)


@pytest.fixture(scope="module")
def chord_model() -> ChordNetwork:
    """Return a small network that has learned such songs."""
    torch.manual_seed(0)
    model = ChordNetwork(ChordNetworkConfig(32, (1, 2), 0.0))
    songs = [song(tonic, mode) for tonic in (0, 9) for mode in (0, 1)]
    batch = collate([(each, each.signature, slice(None)) for each in songs])
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(*batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    model.transitions.copy_(torch.from_numpy(0.2 * transition_log_ratios(songs)))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize(("tonic", "mode"), [(2, 0), (7, 0), (11, 1)])
def test_learned_chords_are_recovered_in_any_key(
    chord_model: ChordNetwork, tonic: int, mode: int
) -> None:
    other = song(tonic, mode)
    best = ChordChain(chord_model, other.slots, other.signature).best()
    assert np.array_equal(best.chords, other.chords)
    assert best.log_likelihood < 0


def test_sampled_chords_are_likelier_at_lower_temperature(chord_model: ChordNetwork) -> None:
    chain = ChordChain(chord_model, song(0, 0).slots, 5)  # a wrong key, so that chords are unsure
    best = chain.best()
    means = []
    for temperature in (0.0, 1.0, 3.0):
        sampled = chain.sample(20, temperature, np.random.default_rng(0))
        assert all(each.log_likelihood <= best.log_likelihood + 1e-9 for each in sampled)
        means.append(np.mean([each.log_likelihood for each in sampled]))
    assert means == sorted(means, reverse=True)
    assert means[0] == pytest.approx(best.log_likelihood)
    with pytest.raises(BadArgument, match="temperature"):
        chain.sample(1, -0.1, np.random.default_rng(0))


def test_probabilities_of_all_sequences_sum_to_one(chord_model: ChordNetwork) -> None:
    notes = part_of((0, 4, 60))
    slots = AnnotatedMelody("openewld", "", "test", score_of(notes), [], 0, 0).slots
    chain = ChordChain(chord_model, slots, 0)
    sampled = chain.sample(4000, 1.0, np.random.default_rng(0))
    likelihood = {each.chords.tobytes(): np.exp(each.log_likelihood) for each in sampled}
    seen = sum(likelihood.values())
    assert seen < 1 + 1e-9
    # Sequences that were seen once stand for those not seen (Good 1953).
    counts = np.unique([each.chords.tobytes() for each in sampled], return_counts=True)[1]
    assert 1 - seen == pytest.approx(np.mean(counts == 1) * len(counts) / 4000, abs=0.03)


def test_transpose_chords_is_invertible() -> None:
    chords = np.array([0, 12 + 9, NO_CHORD_INDEX, 12 * (len(QUALITIES) - 1) + 11])
    moved = transpose_chords(chords, -9)
    assert moved.tolist() == [3, 12, NO_CHORD_INDEX, 12 * (len(QUALITIES) - 1) + 2]
    assert np.array_equal(transpose_chords(moved, 9), chords)


@pytest.mark.parametrize(
    ("intervals", "quality"),
    [
        ((0, 4, 7), ""),
        ((0, 2, 4, 7, 10), "7"),
        ((0, 3, 7, 9), "m"),
        ((0, 4, 8, 10), "aug"),
        ((0, 3, 6, 10), "m7b5"),
        ((0, 4, 7, 9), "6"),
    ],
)
def test_chords_of_lead_sheets_have_the_nearest_quality(
    intervals: tuple[int, ...], quality: str
) -> None:
    assert list(QUALITIES)[nearest_quality(frozenset(intervals))] == quality


def test_chord_network_round_trips_and_other_files_are_refused(
    chord_model: ChordNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "chords.safetensors"
    save_chord_network(chord_model, path)
    other = song(4, 0)
    again, before = (
        ChordChain(each, other.slots, 4).best() for each in (load_chord_network(path), chord_model)
    )
    assert np.array_equal(again.chords, before.chords)
    assert again.log_likelihood == pytest.approx(before.log_likelihood, abs=0.5)
    save_checkpoint(path, chord_network.CHECKPOINT_KIND, {"version": 0}, {})
    with pytest.raises(BadCheckpoint, match="version 0"):
        load_chord_network(path)


def test_the_quarters_of_a_song_have_the_chords_of_their_middles() -> None:
    slots, chords = song(0, 0).quarters()
    assert slots.tolist() == [at // 2 for at in range(64)]
    assert chords.tolist() == [each for each in (0, 5, 7, 0) * 4 for _ in range(4)]


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
