"""What is said of scores, by their features."""

from functools import cache
from typing import Final

from segue.explain.aspects import Aspect, Measures, measures, quality
from segue.represent.score.feature_names import FAMILIES, SCORE_FEATURE_NAMES

_PLAYED: Final = {
    "String Keyboard": "piano",
    "Mallet": "mallets",
    "Organ": "organ",
    "Acoustic Guitar": "acoustic guitar",
    "Electric Guitar": "electric guitar",
    "Bass": "bass",
    "Orchestral Strings": "solo strings",
    "String Ensemble": "string ensemble",
    "Voice": "singing",
    "Brass": "brass",
    "Saxophone": "saxophone",
    "Woodwinds": "woodwinds",
    "Synthesiser": "synthesiser",
    "Other": "other instruments",
}
_PITCH: Final = Aspect("scale", "harmony")

_FEATURES: Final = {
    Aspect("tempo", "rhythm", "fast", "slow", "faster", "slower"): "+Mean Tempo",
    Aspect("density", "rhythm", "many notes", "few notes", "more notes", "fewer notes"): (
        "+Note Density per Quarter Note; +Note Density; -Average Time Between Attacks;"
        "-Mean Rhythmic Value; Variability of Time Between Attacks;"
        "Variability in Rhythmic Values"
    ),
    Aspect("note values", "rhythm"): (
        "Rhythmic Value Histogram *; Time Between Attacks Histogram *"
    ),
    Aspect("metre", "rhythm"): "Metre *; Onsets at Sixteenth *",
    Aspect("range", "melody", "wide range", "narrow range", "wider range", "narrower range"): (
        "+Range; +Pitch Variability; +Pitch Variety; Pitch Skewness"
    ),
    Aspect(
        "melody",
        "melody",
        "stepwise melody",
        "leaping melody",
        "more stepwise melody",
        "more leaping melody",
    ): (
        "+Stepwise Motion; -Melodic Large Intervals; -Average Note to Note Change in Pitch;"
        "Melodic Interval Histogram *; Amount of Arpeggiation; Repeated Notes;"
        "Direction of Melodic Motion; Average Length of Melodic Arcs;"
        "Average Interval Spanned by Melodic Arcs"
    ),
    quality("chromatic notes", "harmony", "few"): (
        "+Chromatic Motion; +Pitch Class Variety; -Prevalence of Most Common Pitch Class"
    ),
    Aspect("melodic patterns", "melody"): "Interval Class *",
    Aspect("chords", "harmony", "full chords", "thin chords", "fuller chords", "thinner chords"): (
        "+Average Number of Simultaneous Pitch Classes;"
        "Variability of Number of Simultaneous Pitch Classes;"
        "Wrapped Vertical Interval Histogram *"
        + "".join(
            f"; {name} Chords Prevalence"
            for name in (
                "Minor",
                "Major",
                "Diminished",
                "Augmented",
                "Dominant Seventh",
                "Minor Seventh",
                "Major Seventh",
            )
        )
    ),
    Aspect("bass line", "harmony"): "Bass Pitch Class Histogram *",
    Aspect("parts", "texture", "many voices", "few voices", "more voices", "fewer voices"): (
        "+Average Number of Independent Voices; +Maximum Number of Independent Voices;"
        "Variability of Number of Independent Voices; Complete Rests Fraction;"
        "Simultaneous Attacks; Amount of Overlap"
    ),
    **{
        quality(_PLAYED[family], "instruments", "no"): f"+{family} Prevalence"
        for family in FAMILIES
    },
    quality("drums", "instruments", "no"): (
        "+Unpitched Percussion Prevalence; +Number of Unpitched Instruments"
    ),
    quality("instruments", "instruments", "few"): "+Number of Pitched Instruments",
}
_REST: Final = {
    "Pitch Class": _PITCH,
    "Interval Between": _PITCH,
    "Major or Minor": _PITCH,
    "Prevalence": _PITCH,
}


@cache
def score_aspects() -> tuple[Measures, ...]:
    """Return which of `SCORE_FEATURE_NAMES` belong to which aspect."""
    return measures(SCORE_FEATURE_NAMES, _FEATURES, _REST)
