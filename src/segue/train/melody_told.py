"""What a network of melodies takes along: what real melodies are like, and which it knows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from segue.measure.hashed_copying import hashed_runs
from segue.model.score.melody import MelodyNetwork
from segue.model.score.melody_model import MelodyModel, Taught
from segue.represent.score.lead_sheet import LOWEST, LeadSheet
from segue.represent.score.melody_figures import COMPARED, figures_of, onsets


def melody_model(
    network: MelodyNetwork,
    learned: Sequence[LeadSheet],
    held: Sequence[LeadSheet],
    about: dict[str, Any],
) -> MelodyModel:
    """Make a model of a trained network.

    Parameters
    ----------
    network : MelodyNetwork
    learned : sequence of LeadSheet
        What it learned from: their figures are what is usual, their hashes are kept.
    held : sequence of LeadSheet
        What it did not learn from: how likely they are is what is usual.
    about : dict
        JSON values: how it was taught.
    """
    runs, names = [], []
    for sheet in learned:
        onset, symbol = onsets(sheet.melody)
        runs.append(hashed_runs(np.column_stack([symbol - 1 + LOWEST, onset])))
        names.append(sheet.name)
    starts = np.cumsum([0, *(len(each) for each in runs)])[:-1].astype(np.int64)
    taught = Taught(tuple(names), starts, np.concatenate(runs))
    model = MelodyModel(network, {style: {} for style in network.config.styles}, taught, about)
    for style in network.config.styles:
        model.usual[style] = _usual(
            model,
            style,
            [sheet for sheet in learned if sheet.style == style],
            [sheet for sheet in held if sheet.style == style],
        )
    return model


def _usual(
    model: MelodyModel, style: str, learned: Sequence[LeadSheet], held: Sequence[LeadSheet]
) -> dict[str, tuple[float, float]]:
    some = learned or held
    figures = [figures_of(sheet.chart, sheet.melody) for sheet in some]
    found = {name: _spread([each[name] for each in figures]) for name in COMPARED}
    judged = held or learned
    costs = model.costs(
        [sheet.chart for sheet in judged], [sheet.melody for sheet in judged], style
    )
    found["likelihood"] = _spread([-float(cost.sum(axis=1).mean()) for cost in costs])
    pitches = np.concatenate([onsets(sheet.melody)[1] for sheet in some]) - 1 + LOWEST
    low, high = np.percentile(pitches, [1, 99])
    found["pitch"] = (float(np.floor(low)), float(np.ceil(high)))
    return found


def _spread(values: Sequence[float]) -> tuple[float, float]:
    known = np.array(values)
    known = known[np.isfinite(known)]
    return (float(known.mean()), float(known.std())) if len(known) else (0.0, 1.0)
