"""Aspects of similarity in words: tempo, timbre, rhyme and others, for sound, scores and lyrics.

A cosine similarity is a sum over the dimensions of two vectors. The dimensions are divided among
aspects, so that each contributes a share of the similarity. A contribution is put into words by the
levels of the aspect: what both tracks have more or less of than the average, or how they differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import MUSICNN_TAGS
from segue.feature_names import (
    INSTRUMENT_FAMILIES,
    SCORE_FEATURE_NAMES,
    SOUND_FEATURE_NAMES,
    STYLE_FEATURE_NAMES,
)
from segue.records import Reason

#: Name of the remainder that no aspect accounts for.
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Aspect:
    """An aspect in which tracks are similar or differ.

    Attributes
    ----------
    name : str
        Name, such as "tempo".
    family : str
        Wider aspect, such as "rhythm", by which small contributions are grouped.
    high, low : str
        Words for a high and a low level, such as "fast" and "slow"; "" for aspects without a
        direction, such as timbre.
    more, less : str
        Words for a higher and a lower level than another track's: "faster", "slower".
    """

    name: str
    family: str
    high: str = ""
    low: str = ""
    more: str = ""
    less: str = ""


def tag_aspect(name: str, family: str, none: str = "little") -> Aspect:
    """Return the aspect of something that a track has much or little of: "metal", "strings"."""
    return Aspect(name, family, name, f"{none} {name}", f"more {name}", f"less {name}")


UNNAMED: Final = Aspect(OTHER, OTHER)


@dataclass(frozen=True, slots=True)
class AspectFeatures:
    """The dimensions of a vector that belong to an aspect.

    Attributes
    ----------
    aspect : Aspect
        Aspect of the dimensions.
    columns : ndarray, shape (n,), int64
        Indices of the dimensions.
    signs : ndarray, shape (n,), float64
        +1 for a dimension that rises with the aspect's level, -1 for one that falls, 0 for one
        that does not enter the level.
    """

    aspect: Aspect
    columns: NDArray[np.int64]
    signs: NDArray[np.float64]

    def level(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the level of the aspect from standardised features, shape (..., dimensions)."""
        weights = self.signs / max(float(np.abs(self.signs).sum()), 1.0)
        return np.asarray(scores[..., self.columns] @ weights)


def assign_features(
    names: Sequence[str], table: Mapping[Aspect, str], rest: Mapping[str, Aspect]
) -> tuple[AspectFeatures, ...]:
    """Divide the dimensions of a vector among aspects.

    Parameters
    ----------
    names : sequence of str
        Names of the dimensions.
    table : mapping of Aspect to str
        Names of the dimensions of each aspect, separated by ";": after "+" those that rise with
        the level, after "-" those that fall. A name ending in "*" is a prefix, of all dimensions
        that are not named themselves.
    rest : mapping of str to Aspect
        Aspects of the remaining dimensions, by prefix of their names.
    """
    columns_by_aspect: dict[Aspect, list[tuple[int, float]]] = {}
    exact = {part.strip(" +-") for parts in table.values() for part in parts.split(";")}
    taken: set[int] = set()
    for aspect, parts in table.items():
        for part in parts.split(";"):
            sign = {"+": 1.0, "-": -1.0}.get(part.strip()[0], 0.0)
            pattern = part.strip(" +-")
            for column, name in enumerate(names):
                has_prefix = pattern.endswith("*") and name.startswith(pattern[:-1])
                if name == pattern or (has_prefix and name not in exact):
                    columns_by_aspect.setdefault(aspect, []).append((column, sign))
                    taken.add(column)
    for column, name in enumerate(names):
        if column not in taken:
            aspect = next(aspect for prefix, aspect in rest.items() if name.startswith(prefix))
            columns_by_aspect.setdefault(aspect, []).append((column, 0.0))
    return tuple(
        AspectFeatures(
            aspect,
            np.array([column for column, _ in pairs], np.int64),
            np.array([sign for _, sign in pairs]),
        )
        for aspect, pairs in columns_by_aspect.items()
    )


@dataclass(frozen=True, slots=True)
class Contribution:
    """The contribution of an aspect to a similarity.

    Attributes
    ----------
    aspect : Aspect
        Aspect.
    share : float
        Share of the similarity, negative if the tracks differ.
    first, second : float
        Levels of the aspect in both tracks, relative to the average.
    """

    aspect: Aspect
    share: float
    first: float = 0.0
    second: float = 0.0


def to_reasons(contributions: Iterable[Contribution]) -> tuple[Reason, ...]:
    """Convert contributions to reasons, the largest first, summed by aspect.

    Parameters
    ----------
    contributions : iterable of Contribution
        Contributions, with the levels of the query and of the result.
    """
    total: dict[Aspect, float] = {}
    levels: dict[Aspect, tuple[float, float]] = {}
    for item in contributions:
        total[item.aspect] = total.get(item.aspect, 0.0) + item.share
        levels.setdefault(item.aspect, (item.first, item.second))
    _limit_remainder(total)
    reasons = [
        Reason(
            aspect.name, share, describe_contribution(aspect, share, *levels[aspect]), aspect.family
        )
        for aspect, share in total.items()
    ]
    return tuple(sorted(reasons, key=lambda reason: -reason.share))


def _limit_remainder(total: dict[Aspect, float]) -> None:
    """Distribute a remainder beyond half of the similarity over the aspects, by their size.

    Such a remainder occurs only where positive and negative contributions cancel out, so that the
    similarity is about zero.
    """
    remainder, similarity = total.get(UNNAMED, 0.0), sum(total.values())
    named = sum(abs(share) for aspect, share in total.items() if aspect != UNNAMED)
    limited = max(-abs(similarity) / 2, min(remainder, abs(similarity) / 2))
    if limited != remainder and named > 0:
        for aspect, share in total.items():
            if aspect != UNNAMED:
                total[aspect] = share + (remainder - limited) * abs(share) / named
        total[UNNAMED] = limited


def describe_contribution(aspect: Aspect, share: float, first: float, second: float) -> str:
    """Describe a contribution in words.

    A positive one by what both tracks have, if both are on the same side of the average; a negative
    one by what the result has more or less of than the query.
    """
    if share >= 0:
        if aspect.high and min(first, second) > 0:
            return f"both: {aspect.high}"
        if aspect.low and max(first, second) < 0:
            return f"both: {aspect.low}"
        return f"similar {aspect.name}"
    if aspect.more and first != second:
        return f"differs: {aspect.more if second > first else aspect.less}"
    return f"different {aspect.name}"


# ---- sound -------------------------------------------------------------------------------

#: Groups of nearly synonymous tags.
_TAG_GROUPS: Final[dict[Aspect, tuple[str, ...]]] = {
    tag_aspect("metal", "genre"): ("metal", "heavy metal", "hard rock", "punk"),
    tag_aspect("rock", "genre"): ("rock", "alternative rock", "classic rock", "progressive rock"),
    tag_aspect("indie", "genre"): ("alternative", "indie", "indie rock", "indie pop"),
    tag_aspect("pop", "genre"): ("pop",),
    tag_aspect("electronic", "genre"): ("electronic", "electronica", "electro"),
    tag_aspect("dance", "genre"): ("dance", "house"),
    tag_aspect("hip-hop", "genre"): ("hip-hop",),
    tag_aspect("folk", "genre"): ("folk", "acoustic", "country"),
    tag_aspect("blues", "genre"): ("blues",),
    tag_aspect("jazz", "genre"): ("jazz", "easy listening"),
    tag_aspect("soul", "genre"): ("soul", "rnb"),
    tag_aspect("funk", "genre"): ("funk",),
    tag_aspect("experimental", "genre"): ("experimental",),
    tag_aspect("ambient", "mood"): ("ambient", "chillout", "chill"),
    tag_aspect("sad", "mood"): ("sad", "beautiful", "mellow"),
    tag_aspect("happy", "mood"): ("happy",),
    tag_aspect("party", "mood"): ("party", "catchy"),
    tag_aspect("sexy", "mood"): ("sexy",),
    tag_aspect("oldies", "decade"): ("60s", "70s", "oldies"),
    tag_aspect("80s", "decade"): ("80s",),
    tag_aspect("90s", "decade"): ("90s",),
    tag_aspect("00s", "decade"): ("00s",),
    tag_aspect("female voice", "instruments"): ("female vocalists", "female vocalist"),
    tag_aspect("male voice", "instruments"): ("male vocalists",),
    tag_aspect("guitar", "instruments"): ("guitar",),
    tag_aspect("instrumental", "instruments"): ("instrumental",),
}

_SOUND_FEATURES: Final = {
    Aspect("tempo", "rhythm", "fast", "slow", "faster", "slower"): (
        "+tempo_octaves; tempo_phase_cos; tempo_phase_sin"
    ),
    Aspect(
        "beat", "rhythm", "steady beat", "no steady beat", "steadier beat", "less steady beat"
    ): "+pulse_clarity; -beat_unevenness_log",
    Aspect(
        "attacks", "rhythm", "percussive", "soft attacks", "more percussive", "softer attacks"
    ): ("+onset_strength_mean_log; +onset_strength_std_log"),
    Aspect("density", "rhythm", "many notes", "few notes", "more notes", "fewer notes"): (
        "+onsets_per_s_log"
    ),
    Aspect("mode", "harmony", "major", "minor", "more major", "more minor"): (
        "+major_minus_minor; degree_3_share; degree_b3_share"
    ),
    Aspect("key", "harmony", "clear key", "vague key", "clearer key", "vaguer key"): (
        "+key_fit; -chroma_entropy"
    ),
    Aspect(
        "chord changes",
        "harmony",
        "quick chord changes",
        "slow chord changes",
        "quicker chord changes",
        "slower chord changes",
    ): "+chroma_change",
    Aspect("brightness", "timbre", "bright", "dark", "brighter", "darker"): (
        "+centroid_octaves_mean; +bandwidth_octaves_mean; +rolloff_octaves_mean;"
        "+zero_crossing_rate_mean_log; +mel_frequency_mean; centroid_octaves_std;"
        "rolloff_octaves_std; zero_crossing_rate_range_log; mel_frequency_std_log;"
        "tonic_distance_z"
    ),
    Aspect("noisiness", "timbre", "noisy", "clear tones", "noisier", "clearer tones"): (
        "+flatness_log_mean; -contrast_1_mean_db; -contrast_2_mean_db; -contrast_3_mean_db;"
        "-contrast_4_mean_db; flatness_log_std; contrast_*"
    ),
    Aspect(
        "movement of timbre",
        "timbre",
        "lively timbre",
        "steady timbre",
        "livelier timbre",
        "steadier timbre",
    ): "+mfcc_1_delta_std; +mfcc_2_delta_std; +mfcc_3_delta_std; +mfcc_4_delta_std",
    Aspect("loudness", "loudness", "loud", "quiet", "louder", "quieter"): "+loudness_lufs",
    Aspect(
        "dynamics",
        "loudness",
        "wide dynamics",
        "even loudness",
        "wider dynamics",
        "evener loudness",
    ): "+level_range_db; +level_std_db; crest_db",
}
_SOUND_REST: Final = {"mfcc_": Aspect("timbre", "timbre"), "degree_": Aspect("scale", "harmony")}


@cache
def tag_aspects() -> tuple[AspectFeatures, ...]:
    """Return the aspects of the space `tags`."""
    return tuple(
        AspectFeatures(
            aspect, np.array([MUSICNN_TAGS.index(tag) for tag in tags]), np.ones(len(tags))
        )
        for aspect, tags in _TAG_GROUPS.items()
    )


@cache
def sound_aspects() -> tuple[AspectFeatures, ...]:
    """Return the aspects of `FEATURE_NAMES`."""
    return assign_features(SOUND_FEATURE_NAMES, _SOUND_FEATURES, _SOUND_REST)


# ---- scores ------------------------------------------------------------------------------

_FAMILY_NAMES: Final = {
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

_SCORE_FEATURES: Final = {
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
    tag_aspect("chromatic notes", "harmony", "few"): (
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
        tag_aspect(_FAMILY_NAMES[family], "instruments", "no"): f"+{family} Prevalence"
        for family in INSTRUMENT_FAMILIES
    },
    tag_aspect("drums", "instruments", "no"): (
        "+Unpitched Percussion Prevalence; +Number of Unpitched Instruments"
    ),
    tag_aspect("instruments", "instruments", "few"): "+Number of Pitched Instruments",
}
_SCORE_REST: Final = {
    "Pitch Class": _PITCH,
    "Interval Between": _PITCH,
    "Major or Minor": _PITCH,
    "Prevalence": _PITCH,
}


@cache
def score_aspects() -> tuple[AspectFeatures, ...]:
    """Return the aspects of `SCORE_FEATURE_NAMES`."""
    return assign_features(SCORE_FEATURE_NAMES, _SCORE_FEATURES, _SCORE_REST)


# ---- lyrics ------------------------------------------------------------------------------

_LYRICS_FEATURES: Final = {
    Aspect(
        "length of lines", "form", "long lines", "short lines", "longer lines", "shorter lines"
    ): ("+Mean Length of Line; +Mean Syllables of Line; Lines of *"),
    Aspect(
        "length of words", "wording", "long words", "short words", "longer words", "shorter words"
    ): ("+Mean Length of Word; Words of *"),
    Aspect("verse metre", "form"): (
        "Weak Syllable *; Word Ends after Syllable *; Change of Syllables over *;"
        "Variability of Syllables of Line; Lines of Even Syllables; Variability of Length of Line"
    ),
    Aspect("stanzas", "form"): "Stanzas of *",
    Aspect("rhyme", "rhyme", "rhymed", "hardly rhymed", "more rhyme", "less rhyme"): (
        "+Rhyme Density; Rhyme over *; Rhyme on the Same Word; Length of Rhymes;"
        "Lines that End in a Vowel"
    ),
    Aspect("sounds within lines", "rhyme"): "Rhyme within Lines; Alliteration",
    Aspect(
        "repetition", "form", "much repeated", "hardly repeated", "more repeated", "less repeated"
    ): (
        "+Repeated Lines; +Repeated Stanzas; +Repeated Runs of Three Words;"
        "Lines that Begin as the One Before;"
        "Lines that Begin with Two Words as the One Before; Words Said Twice in a Row"
    ),
    Aspect(
        "vocabulary",
        "wording",
        "rich vocabulary",
        "plain vocabulary",
        "richer vocabulary",
        "plainer vocabulary",
    ): "+Distinct among Fifty Words; +Words that Come Once",
    Aspect("small words", "wording"): "Share of *",
    Aspect("wording", "wording"): "Runs of *",
}
_LYRICS_REST: Final = {"": Aspect("punctuation", "wording")}


@cache
def lyrics_aspects() -> tuple[AspectFeatures, ...]:
    """Return the aspects of `STYLE_FEATURE_NAMES`."""
    return assign_features(STYLE_FEATURE_NAMES, _LYRICS_FEATURES, _LYRICS_REST)
