"""Aspects of similarity in words, for sound, scores and lyrics.

How much each group of features has to do with the likeness of two vectors.

What a reason is about, and how it is said: which way both tracks lean, or how they differ.

What is said of recordings: qualities by MusiCNN's tags, and aspects by measured features.

What is said of scores, by their features.

What is said of lyrics, by the features of their style.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import TAGS
from segue.feature_names import FAMILIES, FEATURE_NAMES, SCORE_FEATURE_NAMES, STYLE_FEATURE_NAMES
from segue.records import FloatArray, Reason

# --- shares ---


def similarity_contributions(
    a: FloatArray, b: FloatArray, groups: Mapping[str, slice]
) -> dict[str, float]:
    """Divide the similarity of two vectors among groups of their numbers.

    Parameters
    ----------
    a, b : ndarray, shape (n,), float32
        Standardised.
    groups : mapping of str to slice
        They cover all numbers.

    Returns
    -------
    dict of str to float
        By group; their sum is the cosine of the angle between `a` and `b`. A share below 0
        speaks against likeness. All are 0 where one of the vectors is.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b)) or 1.0
    return {group: float(a[at] @ b[at]) / lengths for group, at in groups.items()}


# --- aspects ---

#: Name of the share that no aspect accounts for.
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Aspect:
    """Something in which tracks are alike or differ.

    Attributes
    ----------
    name : str
        "tempo".
    family : str
        What it belongs to: "rhythm". Small reasons are summed up by family.
    high, low : str
        What a track is that has much of it, and little: "fast", "slow"; "" where it has no
        direction, as timbre.
    more, less : str
        What a track is that has more of it than another, and less: "faster", "slower".
    """

    name: str
    family: str
    high: str = ""
    low: str = ""
    more: str = ""
    less: str = ""


def tag_aspect(name: str, family: str, none: str = "little") -> Aspect:
    """Return the aspect of a quality that there is much or little of: "metal", "strings"."""
    return Aspect(name, family, name, f"{none} {name}", f"more {name}", f"less {name}")


UNNAMED: Final = Aspect(OTHER, OTHER)


@dataclass(frozen=True, slots=True)
class AspectFeatures:
    """Which numbers of a vector belong to an aspect, and which of them tell its direction.

    Attributes
    ----------
    aspect : Aspect
    columns : ndarray, shape (n,), int64
    signs : ndarray, shape (n,), float64
        +1 for a number that grows with the aspect, -1 for one that falls, 0 for one that is only
        about it.
    """

    aspect: Aspect
    columns: NDArray[np.int64]
    signs: NDArray[np.float64]

    def level(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tell how much of the aspect there is, from standard scores, shape (..., numbers)."""
        weight = self.signs / max(float(np.abs(self.signs).sum()), 1.0)
        return np.asarray(scores[..., self.columns] @ weight)


def assign_features(
    names: Sequence[str], table: Mapping[Aspect, str], rest: Mapping[str, Aspect]
) -> tuple[AspectFeatures, ...]:
    """Divide the numbers of a vector among aspects.

    Parameters
    ----------
    names : sequence of str
        One for each number.
    table : mapping of Aspect to str
        The numbers of each, separated by ";": "+" before one that grows with the aspect, "-"
        before one that falls. A name that ends in "*" stands for all that begin so and that are
        not named themselves.
    rest : mapping of str to Aspect
        By the beginning of a name, what a number is about that is in none of the table.
    """
    found: dict[Aspect, list[tuple[int, float]]] = {}
    exact = {part.strip(" +-") for parts in table.values() for part in parts.split(";")}
    taken: set[int] = set()
    for aspect, parts in table.items():
        for part in parts.split(";"):
            sign = {"+": 1.0, "-": -1.0}.get(part.strip()[0], 0.0)
            wanted = part.strip(" +-")
            for column, name in enumerate(names):
                family = wanted.endswith("*") and name.startswith(wanted[:-1])
                if name == wanted or (family and name not in exact):
                    found.setdefault(aspect, []).append((column, sign))
                    taken.add(column)
    for column, name in enumerate(names):
        if column not in taken:
            about = next(aspect for begins, aspect in rest.items() if name.startswith(begins))
            found.setdefault(about, []).append((column, 0.0))
    return tuple(
        AspectFeatures(
            aspect,
            np.array([column for column, _ in pairs], np.int64),
            np.array([sign for _, sign in pairs]),
        )
        for aspect, pairs in found.items()
    )


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one aspect gives of a similarity, and how much of it both have; 0 is the average."""

    aspect: Aspect
    share: float
    first: float = 0.0
    second: float = 0.0


def to_reasons(shares: Iterable[Contribution]) -> tuple[Reason, ...]:
    """Turn shares into reasons, the largest first; shares of one aspect are added.

    Parameters
    ----------
    shares : iterable of Share
        `first` is of what was asked with, `second` of the answer.
    """
    total: dict[Aspect, float] = {}
    levels: dict[Aspect, tuple[float, float]] = {}
    for one in shares:
        total[one.aspect] = total.get(one.aspect, 0.0) + one.share
        levels.setdefault(one.aspect, (one.first, one.second))
    _leave_at_most_half(total)
    found = [
        Reason(
            aspect.name, share, describe_contribution(aspect, share, *levels[aspect]), aspect.family
        )
        for aspect, share in total.items()
    ]
    return tuple(sorted(found, key=lambda reason: -reason.share))


def _leave_at_most_half(total: dict[Aspect, float]) -> None:
    """Divide what is left beyond half of a similarity among the aspects, by their size.

    That much is left only where aspects that speak for and against likeness outweigh each other,
    so that the similarity is about zero.
    """
    left, similarity = total.get(UNNAMED, 0.0), sum(total.values())
    named = sum(abs(share) for aspect, share in total.items() if aspect != UNNAMED)
    kept = max(-abs(similarity) / 2, min(left, abs(similarity) / 2))
    if kept != left and named > 0:
        for aspect, share in total.items():
            if aspect != UNNAMED:
                total[aspect] = share + (left - kept) * abs(share) / named
        total[UNNAMED] = kept


def describe_contribution(aspect: Aspect, share: float, first: float, second: float) -> str:
    """Say which way a share goes.

    What speaks for likeness is what both are, where both are on one side of the average; what
    speaks against it is what the answer is more or less than what was asked with.
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


# --- sound aspects ---

#: Tags that say nearly the same are one quality.
_QUALITIES: Final[dict[Aspect, tuple[str, ...]]] = {
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
    """Return which tags belong to which quality."""
    return tuple(
        AspectFeatures(aspect, np.array([TAGS.index(tag) for tag in tags]), np.ones(len(tags)))
        for aspect, tags in _QUALITIES.items()
    )


@cache
def sound_aspects() -> tuple[AspectFeatures, ...]:
    """Return which of `FEATURE_NAMES` belong to which aspect."""
    return assign_features(FEATURE_NAMES, _SOUND_FEATURES, _SOUND_REST)


# --- score aspects ---

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
        tag_aspect(_PLAYED[family], "instruments", "no"): f"+{family} Prevalence"
        for family in FAMILIES
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
    """Return which of `SCORE_FEATURE_NAMES` belong to which aspect."""
    return assign_features(SCORE_FEATURE_NAMES, _SCORE_FEATURES, _SCORE_REST)


# --- lyrics aspects ---

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
    """Return which of `STYLE_FEATURE_NAMES` belong to which aspect."""
    return assign_features(STYLE_FEATURE_NAMES, _LYRICS_FEATURES, _LYRICS_REST)
