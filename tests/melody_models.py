"""Small networks of melodies, and lead sheets that they can learn."""

import numpy as np
import torch

from segue.generate.melody.lead_sheet import LOWEST_PITCH, LeadSheet
from segue.generate.melody.model import MelodyConfig, MelodyModel, MelodyNetwork
from segue.generate.melody.training import build_melody_model
from segue.nn.transformer import StackConfig
from segue.theory.chord_charts import parse_chart

PROGRESSIONS = ("C F | G C", "Am Dm | G C", "F | G | Am | C", "Dm G | C Am")


def sheet(seed: int, style: str = "folk") -> LeadSheet:
    """Make eight bars of which each beat has the chord's root or its third above."""
    rng = np.random.default_rng(seed)
    text = " | ".join(rng.choice(PROGRESSIONS, 6))
    chart = parse_chart(text)
    events = []
    for step in range(0, chart.steps, 4):
        row = np.searchsorted(chart.chords[:, 0], step, side="right") - 1
        third = 3 if "m" in chart.names[row] else 4
        pitch = 60 + int(chart.chords[row, 1]) + (third if rng.random() < 0.5 else 0)
        events.append((pitch - LOWEST_PITCH + 1, 4))
    return LeadSheet(f"sheet {seed}", style, chart, np.array(events, np.int64), f"{seed}")


def network(*, context: int = 32, seed: int = 0) -> MelodyNetwork:
    torch.manual_seed(seed)
    config = MelodyConfig(StackConfig(32, 2, 2, context, 0.0), ("folk", "pop"), 16)
    return MelodyNetwork(config).eval()


def model(*, context: int = 32, seed: int = 0) -> MelodyModel:
    sheets = [sheet(each, style) for each in range(4) for style in ("folk", "pop")]
    return build_melody_model(
        network(context=context, seed=seed), sheets[:6], sheets[6:], {"epochs": 0}
    )
