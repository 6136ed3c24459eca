"""The names of the features of recordings, by group: see `segue.represent.features`."""

from typing import Final

COEFFICIENTS: Final = 20  # of the mel-frequency cepstrum
CONTRAST_BANDS: Final = 7

_DEGREES: Final = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")

#: What each group of numbers holds, in the order of the vector. Shares of a similarity are told
#: by group.
CONTENTS: Final[dict[str, tuple[str, ...]]] = {
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
        *(f"degree_{degree}_share" for degree in _DEGREES),
        *(f"degree_{degree}_spread" for degree in _DEGREES),
        "major_minus_minor",
        "key_fit",
        "chroma_change",
        "chroma_entropy",
    ),
    "timbre": (
        *(f"mfcc_{i}_mean" for i in range(1, COEFFICIENTS)),
        *(f"mfcc_{i}_std" for i in range(1, COEFFICIENTS)),
        *(f"mfcc_{i}_delta_std" for i in range(COEFFICIENTS)),
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

#: One name for each number of a vector.
FEATURE_NAMES: Final = tuple(name for names in CONTENTS.values() for name in names)


def _slices() -> dict[str, slice]:
    slices, start = {}, 0
    for group, names in CONTENTS.items():
        slices[group] = slice(start, start + len(names))
        start += len(names)
    return slices


#: Where in a vector each group lies, by the name that people are shown.
FEATURE_GROUPS: Final = _slices()
