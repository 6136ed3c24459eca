"""What is said of recordings: qualities by MusiCNN's tags, and aspects by measured features."""

from functools import cache
from typing import Final

import numpy as np

from segue.explain.aspects import Aspect, Measures, measures, quality
from segue.model.sound.spaces import TAGS
from segue.represent.feature_names import FEATURE_NAMES

#: Tags that say nearly the same are one quality.
_QUALITIES: Final[dict[Aspect, tuple[str, ...]]] = {
    quality("metal", "genre"): ("metal", "heavy metal", "hard rock", "punk"),
    quality("rock", "genre"): ("rock", "alternative rock", "classic rock", "progressive rock"),
    quality("indie", "genre"): ("alternative", "indie", "indie rock", "indie pop"),
    quality("pop", "genre"): ("pop",),
    quality("electronic", "genre"): ("electronic", "electronica", "electro"),
    quality("dance", "genre"): ("dance", "house"),
    quality("hip-hop", "genre"): ("hip-hop",),
    quality("folk", "genre"): ("folk", "acoustic", "country"),
    quality("blues", "genre"): ("blues",),
    quality("jazz", "genre"): ("jazz", "easy listening"),
    quality("soul", "genre"): ("soul", "rnb"),
    quality("funk", "genre"): ("funk",),
    quality("experimental", "genre"): ("experimental",),
    quality("ambient", "mood"): ("ambient", "chillout", "chill"),
    quality("sad", "mood"): ("sad", "beautiful", "mellow"),
    quality("happy", "mood"): ("happy",),
    quality("party", "mood"): ("party", "catchy"),
    quality("sexy", "mood"): ("sexy",),
    quality("oldies", "decade"): ("60s", "70s", "oldies"),
    quality("80s", "decade"): ("80s",),
    quality("90s", "decade"): ("90s",),
    quality("00s", "decade"): ("00s",),
    quality("female voice", "instruments"): ("female vocalists", "female vocalist"),
    quality("male voice", "instruments"): ("male vocalists",),
    quality("guitar", "instruments"): ("guitar",),
    quality("instrumental", "instruments"): ("instrumental",),
}

_FEATURES: Final = {
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
_REST: Final = {"mfcc_": Aspect("timbre", "timbre"), "degree_": Aspect("scale", "harmony")}


@cache
def qualities() -> tuple[Measures, ...]:
    """Return which tags belong to which quality."""
    return tuple(
        Measures(aspect, np.array([TAGS.index(tag) for tag in tags]), np.ones(len(tags)))
        for aspect, tags in _QUALITIES.items()
    )


@cache
def measured_aspects() -> tuple[Measures, ...]:
    """Return which of `FEATURE_NAMES` belong to which aspect."""
    return measures(FEATURE_NAMES, _FEATURES, _REST)
