"""Names of the features of recordings, scores and lyrics, by group. Light to import.

The features are computed in `segue.audio.features`, `segue.score.features` and
`segue.lyrics.features`. Features of scores have the names of jSymbolic (McKay, Cumming & Fujinaga,
ISMIR 2018) where it has them. Function words distinguish authors whatever their subject
(Mosteller & Wallace, "Inference in an Authorship Problem", JASA 58, 1963).
"""

from typing import Final

from segue.records import Medium

DEGREES: Final = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


def _names(groups: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(name for names in groups.values() for name in names)


def _slices(groups: dict[str, tuple[str, ...]]) -> dict[str, slice]:
    slices, start = {}, 0
    for group, names in groups.items():
        slices[group] = slice(start, start + len(names))
        start += len(names)
    return slices


# --- recordings ---

N_MFCC: Final = 20
CONTRAST_BANDS: Final = 7

#: Features by group, in the order of the vector. Contributions to a similarity are reported by
#: group.
SOUND_FEATURES_BY_GROUP: Final[dict[str, tuple[str, ...]]] = {
    "rhythm": (
        "tempo_octaves",
        "tempo_phase_cos",
        "tempo_phase_sin",
        "pulse_clarity",
        "beat_unevenness_log",
        "onset_strength_mean_log",
        "onset_strength_std_log",
        "onsets_per_s_log",
    ),
    "harmony": (
        *(f"degree_{degree}_share" for degree in DEGREES),
        *(f"degree_{degree}_spread" for degree in DEGREES),
        "major_minus_minor",
        "key_fit",
        "chroma_change",
        "chroma_entropy",
    ),
    "timbre": (
        *(f"mfcc_{i}_mean" for i in range(1, N_MFCC)),
        *(f"mfcc_{i}_std" for i in range(1, N_MFCC)),
        *(f"mfcc_{i}_delta_std" for i in range(N_MFCC)),
    ),
    "brightness": (
        "centroid_octaves_mean",
        "centroid_octaves_std",
        "bandwidth_octaves_mean",
        "rolloff_octaves_mean",
        "rolloff_octaves_std",
        "zero_crossing_rate_mean_log",
        "zero_crossing_rate_range_log",
        "mel_frequency_mean",
        "mel_frequency_std_log",
        "tonic_distance_z",
    ),
    "texture": (
        "flatness_log_mean",
        "flatness_log_std",
        *(f"contrast_{i}_mean_db" for i in range(CONTRAST_BANDS)),
        *(f"contrast_{i}_std_db" for i in range(CONTRAST_BANDS)),
    ),
    "dynamics": (
        "loudness_lufs",
        "level_range_db",
        "level_std_db",
        "crest_db",
    ),
}

#: Name of each feature of a vector.
SOUND_FEATURE_NAMES: Final = _names(SOUND_FEATURES_BY_GROUP)
#: Where in a vector each group is.
SOUND_FEATURE_GROUPS: Final = _slices(SOUND_FEATURES_BY_GROUP)


# --- scores ---

INTERVALS: Final = tuple(range(-12, 13))
SIXTEENTHS_PER_BAR: Final = 16  # sixteenths of a bar
#: Note values of the Rhythmic Value Histogram, in quarter notes.
NOTE_VALUES: Final[dict[str, float]] = {
    "thirty-second": 0.125,
    "sixteenth": 0.25,
    "eighth": 0.5,
    "dotted eighth": 0.75,
    "quarter": 1.0,
    "dotted quarter": 1.5,
    "half": 2.0,
    "dotted half": 3.0,
    "whole": 4.0,
    "longer": 6.0,
}
TIME_SIGNATURES: Final = ("2/4 or 2/2", "3/4", "4/4", "6/8 or 12/8", "9/8 or 3/8", "other")
CHORDS: Final[dict[str, tuple[int, ...]]] = {
    "Minor": (0, 3, 7),
    "Major": (0, 4, 7),
    "Diminished": (0, 3, 6),
    "Augmented": (0, 4, 8),
    "Dominant Seventh": (0, 4, 7, 10),
    "Minor Seventh": (0, 3, 7, 10),
    "Major Seventh": (0, 4, 7, 11),
}
NO_CHORD: Final = len(CHORDS)
#: General MIDI programs (first, end) of jSymbolic's instrument families and of the others.
INSTRUMENT_FAMILIES: Final[dict[str, tuple[int, int]]] = {
    "String Keyboard": (0, 8),
    "Mallet": (8, 16),
    "Organ": (16, 24),
    "Acoustic Guitar": (24, 26),
    "Electric Guitar": (26, 32),
    "Bass": (32, 40),
    "Orchestral Strings": (40, 48),
    "String Ensemble": (48, 52),
    "Voice": (52, 56),
    "Brass": (56, 64),
    "Saxophone": (64, 68),
    "Woodwinds": (68, 80),
    "Synthesiser": (80, 104),
    "Other": (104, 128),
}

SCORE_FEATURES_BY_GROUP: Final[dict[str, tuple[str, ...]]] = {
    "pitch": (
        *(f"Pitch Class Histogram {degree}" for degree in DEGREES),
        *(f"Pitch Class Periodicity {order}" for order in range(1, 7)),
        "Range",
        "Pitch Variability",
        "Pitch Variety",
        "Pitch Class Variety",
        "Pitch Skewness",
        "Prevalence of Most Common Pitch Class",
        "Interval Between Most Prevalent Pitch Classes",
        "Major or Minor",
    ),
    "melody": (
        *(f"Melodic Interval Histogram {interval:+d}" for interval in INTERVALS),
        "Average Note to Note Change in Pitch",
        "Amount of Arpeggiation",
        "Repeated Notes",
        "Chromatic Motion",
        "Stepwise Motion",
        "Melodic Large Intervals",
        "Direction of Melodic Motion",
        "Average Length of Melodic Arcs",
        "Average Interval Spanned by Melodic Arcs",
    ),
    "harmony": (
        *(f"Wrapped Vertical Interval Histogram {interval}" for interval in range(12)),
        *(f"{name} Chords Prevalence" for name in CHORDS),
        *(f"Bass Pitch Class Histogram {degree}" for degree in DEGREES),
        "Average Number of Simultaneous Pitch Classes",
        "Variability of Number of Simultaneous Pitch Classes",
    ),
    "rhythm": (
        *(f"Rhythmic Value Histogram {name}" for name in NOTE_VALUES),
        *(f"Time Between Attacks Histogram {name}" for name in NOTE_VALUES),
        "Note Density per Quarter Note",
        "Note Density",
        "Average Time Between Attacks",
        "Variability of Time Between Attacks",
        "Mean Tempo",
        "Mean Rhythmic Value",
        "Variability in Rhythmic Values",
    ),
    "metre": (
        *(f"Metre {name}" for name in TIME_SIGNATURES),
        *(f"Onsets at Sixteenth {position + 1}" for position in range(SIXTEENTHS_PER_BAR)),
    ),
    "figures": tuple(
        f"Interval Class {interval} at Sixteenth {position + 1}"
        for position in range(SIXTEENTHS_PER_BAR)
        for interval in range(12)
    ),
    "texture": (
        "Average Number of Independent Voices",
        "Maximum Number of Independent Voices",
        "Variability of Number of Independent Voices",
        "Complete Rests Fraction",
        "Simultaneous Attacks",
        "Amount of Overlap",
    ),
    "instruments": (
        *(f"{name} Prevalence" for name in INSTRUMENT_FAMILIES),
        "Number of Pitched Instruments",
        "Unpitched Percussion Prevalence",
        "Number of Unpitched Instruments",
    ),
}

#: Name of each feature of a vector.
SCORE_FEATURE_NAMES: Final = _names(SCORE_FEATURES_BY_GROUP)
#: Where in a vector each group is.
SCORE_FEATURE_GROUPS: Final = _slices(SCORE_FEATURES_BY_GROUP)


# --- lyrics ---

_ENGLISH: Final = """
a about after again all am an and are as at be been before but by can could did do does down for
from had has have he her here him his how i if in into is it its just like me might more must my
never no nor not now o of off oh on once one only or our out over own shall she should so some
still such than that the thee their them then there these they this those thou though through thus
thy till to too unto up upon us was we were what when where which while who whom whose why will
with would yet you your ye hath doth i'm don't it's can't you're i'll won't ain't 'tis o'er
"""
_GERMAN: Final = """
aber alle als am an auch auf aus bei bin bis bist da dann das dass dein dem den denn der des dich
die dir doch du durch ein eine einen er es für hab hat hast ich ihm ihn ihr im in ist ja kein man
mein mich mir mit nach nicht nichts noch nun nur ob oder ohn' sein sich sie sind so soll um und
uns unser vom von vor war was weil wenn wer wie will wir wird zu zum zur
"""
_FRENCH: Final = """
à au aux avec ce ces dans de des elle en est et il ils j'ai je la le les leur lui ma mais me mes
moi mon ne nous on ou où par pas plus pour qu'il que qui sa sans se ses si son sur ta te tes toi
ton tout tu un une vous y c'est
"""
_SPANISH: Final = """
al como con cuando del el ella eres es esta este fue ha hay las lo los más mi muy no nos o para
pero por porque qué sin soy su sus también tan ti todo tus una uno ya yo
"""
_ITALIAN: Final = """
ai al amor che chi ci come con cui da dal dei del della di e ed è gli ha ho i il io la lei li lo
ma mai mia mio nel non ogni per più qual quando quel questo se sei si sia sono sua sul suo tu ti
tua tuo un una vi
"""

#: Articles, pronouns, particles and auxiliaries of five languages, in a fixed order, in lower case
#: with straight apostrophes. A word of two languages is listed once.
FUNCTION_WORDS: Final = tuple(
    dict.fromkeys((_ENGLISH + _GERMAN + _FRENCH + _SPANISH + _ITALIAN).split())
)


#: Number of hash buckets for character n-grams, by n.
NGRAM_BUCKETS: Final[dict[int, int]] = {1: 128, 2: 384, 3: 512, 4: 512}
# The last bin of each histogram also counts what is longer.
MAX_WORDS_PER_LINE: Final = 14
MAX_LETTERS_PER_WORD: Final = 12
MAX_LINES_PER_STANZA: Final = 10
MAX_SYLLABLES_PER_LINE: Final = 18
MAX_SYLLABLES_PER_WORD: Final = 5
N_SYLLABLE_POSITIONS: Final = 12  # counted from the start of a line
MAX_LINE_LAG: Final = 4
#: Punctuation marks that are counted among all characters and at the ends of lines.
PUNCTUATION: Final[dict[str, str]] = {
    "Commas": ",،、，",
    "Full Stops": ".。",
    "Exclamation Marks": "!！",
    "Question Marks": "?？؟",
    "Semicolons": ";؛",
    "Colons": ":：",
    "Apostrophes": "'’‘",
    "Hyphens": "-",
    "Dashes": "—–",
    "Quotation Marks": '"“”„«»「」',
    "Brackets": "()[]",
    "Ellipses": "…",
    "Digits": "0123456789",
}


def _bins(maximum: int) -> list[str]:
    return [*map(str, range(1, maximum)), f"{maximum} or More"]


STYLE_FEATURES_BY_GROUP: Final[dict[str, tuple[str, ...]]] = {
    "characters": tuple(
        f"Runs of {length} Characters, Bucket {bucket}"
        for length, buckets in NGRAM_BUCKETS.items()
        for bucket in range(buckets)
    ),
    "function words": tuple(f"Share of '{word}'" for word in FUNCTION_WORDS),
    "lines": (
        *(f"Lines of {n} Words" for n in _bins(MAX_WORDS_PER_LINE)),
        *(f"Words of {n} Letters" for n in _bins(MAX_LETTERS_PER_WORD)),
        *(f"Stanzas of {n} Lines" for n in _bins(MAX_LINES_PER_STANZA)),
        "Mean Length of Line",
        "Variability of Length of Line",
        "Mean Length of Word",
        "Lines that Begin with a Capital",
        "Capitals within Lines",
        "Words in Capitals",
        *(f"{name} among Characters" for name in PUNCTUATION),
        *(f"Lines that End with {name}" for name in PUNCTUATION),
    ),
    "metre": (
        *(f"Lines of {n} Syllables" for n in _bins(MAX_SYLLABLES_PER_LINE)),
        *(f"Words of {n} Syllables" for n in _bins(MAX_SYLLABLES_PER_WORD)),
        *(f"Weak Syllable {position}" for position in range(1, N_SYLLABLE_POSITIONS + 1)),
        *(
            f"Word Ends after Syllable {position}"
            for position in range(1, N_SYLLABLE_POSITIONS + 1)
        ),
        *(f"Change of Syllables over {lag} Lines" for lag in range(1, MAX_LINE_LAG + 1)),
        "Mean Syllables of Line",
        "Variability of Syllables of Line",
        "Lines of Even Syllables",
    ),
    "rhyme": (
        *(f"Rhyme over {lag} Lines" for lag in range(1, MAX_LINE_LAG + 1)),
        "Rhyme Density",
        "Rhyme on the Same Word",
        "Length of Rhymes",
        "Rhyme within Lines",
        "Alliteration",
        "Lines that End in a Vowel",
    ),
    "repetition": (
        "Repeated Lines",
        "Repeated Stanzas",
        "Repeated Runs of Three Words",
        "Lines that Begin as the One Before",
        "Lines that Begin with Two Words as the One Before",
        "Words Said Twice in a Row",
        "Distinct among Fifty Words",
        "Words that Come Once",
    ),
}

#: Name of each feature of a vector.
STYLE_FEATURE_NAMES: Final = _names(STYLE_FEATURES_BY_GROUP)
#: Where in a vector each group is.
STYLE_FEATURE_GROUPS: Final = _slices(STYLE_FEATURES_BY_GROUP)

#: Names and groups of the features of each medium.
FEATURE_NAMES: Final[dict[Medium, tuple[str, ...]]] = {
    "sound": SOUND_FEATURE_NAMES,
    "score": SCORE_FEATURE_NAMES,
    "lyrics": STYLE_FEATURE_NAMES,
}
FEATURE_GROUPS: Final[dict[Medium, dict[str, slice]]] = {
    "sound": SOUND_FEATURE_GROUPS,
    "score": SCORE_FEATURE_GROUPS,
    "lyrics": STYLE_FEATURE_GROUPS,
}
