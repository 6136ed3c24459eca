"""Little lyrics that tests are made of: two voices that differ, seeded."""

import random

_VOICES = {
    "Ada Long": (
        [
            "the river",
            "an old moon",
            "my sorrow",
            "her garden",
            "the silver rain",
            "a lantern",
            "the nightingale",
            "this autumn",
            "every candle",
            "our childhood",
        ],
        [
            "wanders slowly through",
            "shall never forget",
            "dreams upon",
            "has whispered to",
            "is weeping for",
            "lingers beside",
            "remembers",
            "returns unto",
        ],
        [
            "the valley of the morning",
            "a window by the water",
            "the shadows I remember",
            "those meadows white with hoar",
            "thy chamber, O beloved",
            "the ashes of the summer",
        ],
        ",",
    ),
    "Bob Short": (
        ["Hey!", "You", "We", "Girl", "Come on,"],
        ["gotta", "wanna", "don't", "can't"],
        ["run", "stop", "dance", "go home", "lie"],
        "!",
    ),
}


def song(artist: str, seed: int, stanzas: int = 4) -> str:
    """Make a song in the voice of "Ada Long" or "Bob Short"."""
    rng = random.Random(f"{artist} {seed}")
    who, does, what, end = _VOICES[artist]
    made = []
    for _ in range(stanzas):
        lines = [f"{rng.choice(who)} {rng.choice(does)} {rng.choice(what)}{end}" for _ in range(4)]
        made.append("\n".join(line[0].upper() + line[1:] for line in lines))
    return "\n\n".join(made)
