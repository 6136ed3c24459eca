"""The network of melodies: what it may look at, what it writes, what is kept of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from melody_models import model, network, sheet
from segue.errors import BadArgument, BadCheckpoint
from segue.generate.copying import longest_shared_notes
from segue.generate.melody.lead_sheet import (
    CHORD_INDEX,
    LOWEST_PITCH,
    MAX_DURATION,
    chord_features,
    conditioning_features,
)
from segue.generate.melody.model import (
    CHECKPOINT_KIND,
    MAX_REPEATED_NOTES,
    NUM_SYMBOLS,
    MelodyConfig,
    MelodyModel,
    MelodyNetwork,
)
from segue.generate.melody.training import build_melody_model, note_onsets
from segue.nn.checkpoint import load_checkpoint, save_checkpoint
from segue.nn.sampling import Sampling
from segue.nn.transformer import KVCache, StackConfig
from segue.theory.chord_charts import parse_chart

CHART = parse_chart("Dm7 G7 | Cmaj7 | N.C. | F/A G | C")


def batch(seed: int = 0) -> tuple[torch.Tensor, ...]:
    one = sheet(seed)
    rows, chords = conditioning_features(one.chart, one.melody)[:32], chord_features(one.chart)
    return (
        torch.from_numpy(rows)[None],
        torch.from_numpy(one.melody[:32])[None],
        torch.from_numpy(chords)[None],
        torch.tensor([len(chords)]),
        torch.tensor([0]),
    )


def test_events_are_causal_and_chords_are_bidirectional() -> None:
    net = network()
    rows, wanted, chords, count, style = batch()
    before = net.nll(rows, wanted, chords, count, style)
    later = rows.clone()
    later[:, 20:, 0] = 5
    after = net.nll(later, wanted, chords, count, style)
    torch.testing.assert_close(after[:, :20], before[:, :20])
    assert not torch.allclose(after[:, 20:], before[:, 20:])
    other = chords.clone()
    other[:, int(rows[0, 8, CHORD_INDEX]) + 1, 0] = (
        other[:, int(rows[0, 8, CHORD_INDEX]) + 1, 0] + 5
    ) % 12
    assert not torch.allclose(net.nll(rows, wanted, other, count, style)[:, 8], before[:, 8])


def test_padding_of_chords_is_ignored() -> None:
    net = network()
    rows, wanted, chords, count, style = batch()
    padded = torch.cat([chords, chords.flip(1)], dim=1)
    torch.testing.assert_close(
        net.nll(rows, wanted, padded, count, style),
        net.nll(rows, wanted, chords, count, style),
    )


def test_probabilities_sum_to_one_and_the_loss_is_their_mean_nll() -> None:
    net = network()
    rows, wanted, chords, count, style = batch()
    state = net.hidden_states(net.encode_chords(chords, count, style), rows, style)
    for logits in (
        net.symbol_logits(state, rows),
        net.duration_logits(state, rows, wanted[..., 0]),
    ):
        torch.testing.assert_close(logits.softmax(-1).sum(-1), torch.ones(1, 32))
    costs = net.nll(rows, wanted, chords, count, style)
    ended = wanted.clone()
    ended[:, 30:] = -1
    loss = net.loss(rows, ended, chords, count, style)
    torch.testing.assert_close(loss.symbols, costs[0, :30, 0].mean())
    torch.testing.assert_close(loss.lengths, costs[0, :30, 1].mean())


def test_incremental_decoding_matches_a_full_pass() -> None:
    net = network()
    rows, _, chords, count, style = batch()
    harmony = net.encode_chords(chords, count, style)
    at_once = net.hidden_states(harmony, rows, style)
    cache = KVCache(net.config.stack, 1)
    steps = [net.hidden_states(harmony, rows[:, at : at + 1], style, cache) for at in range(32)]
    torch.testing.assert_close(torch.cat(steps, dim=1), at_once, rtol=1e-4, atol=1e-5)


def test_melodies_fill_their_chart_and_keep_the_rules() -> None:
    found = model()
    low, high = found.reference["folk"]["pitch"]
    written = found.sample(CHART, "folk", 6, Sampling(), torch.Generator().manual_seed(1))
    for melody in written:
        assert melody[:, 1].sum() == CHART.steps
        heard = melody[melody[:, 0] > 0, 0] - 1 + LOWEST_PITCH
        assert low <= heard.min() <= heard.max() <= high
        silence = repeated = last = 0
        for symbol, length in melody.tolist():
            silence = 0 if symbol else silence + length
            repeated = repeated + 1 if symbol == last else 1
            last = symbol or last
            assert silence <= CHART.steps_per_bar
            assert not symbol or repeated <= MAX_REPEATED_NOTES
    assert len({melody.tobytes() for melody in written}) == 6


@pytest.mark.parametrize(("most", "notes"), [(1, 0), (2, 9), (100, 64)])
def test_what_is_known_by_heart_is_copied_no_longer_than_may_be(most: int, notes: int) -> None:
    known = sheet(0)  # four quarters to the bar, 16 bars
    found = build_melody_model(network(), [known, sheet(1, "pop")], [], {})
    found.reference["folk"]["pitch"] = (48, 95)
    by_heart = iter(known.melody[:, 0].tolist())

    class ByHeart(MelodyNetwork):
        def symbol_logits(self, _: Tensor, features: Tensor) -> Tensor:
            return 99 * torch.eye(NUM_SYMBOLS)[next(by_heart)].expand(*features.shape[:2], -1)

        def duration_logits(self, _: Tensor, __: Tensor, symbol: Tensor) -> Tensor:
            return 99 * torch.eye(MAX_DURATION)[torch.full(symbol.shape, 3)]

    found.network = ByHeart(found.network.config).eval()
    greedy = Sampling(temperature=0)
    (melody,) = found.sample(known.chart, "folk", 1, greedy, torch.Generator(), most)
    onset, symbol = note_onsets(melody)
    shared = longest_shared_notes(found.training_melodies, np.column_stack([symbol, onset]))
    assert shared.length == notes


def test_a_melody_longer_than_the_context_goes_on() -> None:
    chart = parse_chart("|: C | G :|x16")
    (melody,) = model(context=8).sample(
        chart, "pop", 1, Sampling(), torch.Generator().manual_seed(0)
    )
    assert melody[:, 1].sum() == chart.steps
    assert len(melody) > 16


def test_sampling_is_deterministic_given_a_seed() -> None:
    found = model()
    one, other = (
        found.sample(CHART, "folk", 2, Sampling(), torch.Generator().manual_seed(7))
        for _ in range(2)
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_nll_of_windows_matches_the_whole() -> None:
    one = sheet(3)
    wide, narrow = model(context=128), model(context=16)
    narrow.network.load_state_dict(wide.network.state_dict())
    (whole,) = wide.nll([one.chart], [one.melody], "folk")
    (cut,) = narrow.nll([one.chart], [one.melody], "folk")
    assert whole.shape == cut.shape == one.melody.shape
    np.testing.assert_allclose(cut[:16], whole[:16], rtol=1e-4)
    assert (cut > 0).all()


def test_a_saved_model_loads_unchanged(tmp_path: Path) -> None:
    made = model()
    made.save(tmp_path / "m.safetensors")
    again = MelodyModel.load(tmp_path / "m.safetensors")
    assert (again.reference, again.metadata, again.styles) == (
        made.reference,
        made.metadata,
        made.styles,
    )
    assert again.training_melodies.names == made.training_melodies.names
    np.testing.assert_array_equal(again.training_melodies.keys, made.training_melodies.keys)
    one = sheet(9)
    np.testing.assert_array_equal(
        again.nll([one.chart], [one.melody], "pop")[0],
        made.nll([one.chart], [one.melody], "pop")[0],
    )


@pytest.mark.parametrize("damage", ["version", "config", "usual", "taught"])
def test_a_damaged_model_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "m.safetensors"
    model().save(path)
    saved = load_checkpoint(path, CHECKPOINT_KIND)
    about = dict(saved.metadata)
    wrong = {"version": 99, "config": {"stack": {}}, "usual": {"folk": {}}, "taught": ["a"]}
    about[damage] = wrong[damage]
    save_checkpoint(path, CHECKPOINT_KIND, about, saved.tensors)
    with pytest.raises(BadCheckpoint, match="train it again"):
        MelodyModel.load(path)


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(BadArgument, match="this model knows: folk, pop"):
        model().style_index("jazz")
    stack = StackConfig(32, 2, 2, 32, 0.0)
    for wrong in ({"styles": ()}, {"styles": ("a",), "chord_width": 0}):
        with pytest.raises(BadArgument):
            MelodyConfig(stack, **wrong)
    with pytest.raises(BadArgument, match="feature dropout"):
        MelodyConfig(stack, ("a",), feature_dropout=1.0)
