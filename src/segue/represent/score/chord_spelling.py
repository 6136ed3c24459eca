"""How chords are spelled: F#7 and not Gb7 before Bm, A7/C# and not A7/Db.

Names stand on the line of fifths, … Bb F C G D A E B F# C# …: C is 0, G 1, F -1. A key has the
chords around it; which of two names of a root is meant depends on what the chord is. Temperley,
"The Cognition of Basic Musical Structures" (MIT Press, 2001), ch. 5, spells notes so.
"""

from typing import Final

#: How far on the flat side of the key's tonic (of its relative major) roots are looked for.
_MAJOR_DEPTH: Final = 5
_MINOR_KEY_DEPTH: Final = 4  # of minor keys: raised sixths and sevenths are common
_MINOR_CHORD_DEPTH: Final = 4
#: Diminished chords lead upwards by a semitone: they are of the sharp side.
_DIMINISHED_DEPTH: Final = 1
_DIMINISHED: Final = ("dim", "m7b5")
#: No root is beyond Gb, or Cb in keys of five flats and more; windows begin at F at the latest.
_LOWEST: Final = -6
_LOWEST_OF_FLAT_KEYS: Final = -7
_HIGHEST: Final = -1
#: Steps on the line of fifths from a root up to a tone, by semitones.
_TO_TONE: Final = {
    0: 0, 1: -5, 2: 2, 3: -3, 4: 4, 5: -1, 6: -6, 7: 1, 8: 8, 9: 3, 10: -2, 11: 5,
}  # fmt: skip
_LETTERS: Final = "FCGDAEB"
_MOST_SHARPS: Final = 7


def chord_name(root: int, quality: str, bass: int, sharps: int, *, is_minor: bool = False) -> str:
    """Spell a chord in a key.

    Parameters
    ----------
    root, bass : int
        Pitch classes, 0 for C; equal where the root is the bass.
    quality : str
        What follows the root: "m7".
    sharps : int
        Of the key signature; below 0: flats.
    is_minor : bool
        The key is minor.

    Returns
    -------
    str
        "Bb7", "A7/C#".

    Examples
    --------
    >>> chord_name(10, "7", 10, -1, is_minor=True)
    'Bb7'
    >>> chord_name(9, "7", 1, -1, is_minor=True)
    'A7/C#'
    """
    place = _place_of_root(root, quality, sharps, is_minor=is_minor)
    name = _name(place) + quality
    if bass == root:
        return name
    tone = place + _TO_TONE[(bass - root) % 12]
    if not -8 <= tone <= 12:  # a double sharp or flat: nobody writes it below a slash
        tone += 12 if tone < 0 else -12
    return f"{name}/{_name(tone)}"


def tonic_name(tonic: int, *, is_minor: bool, near: int = 0) -> str:
    """Spell the tonic of a key: "Db" rather than "C#", with at most six sharps or five flats.

    Parameters
    ----------
    tonic : int
        Pitch class, 0 for C.
    is_minor : bool
    near : int
        As in `sharps_of`.
    """
    return _name(sharps_of(tonic, is_minor=is_minor, near=near) + 3 * is_minor)


def sharps_of(tonic: int, *, is_minor: bool, near: int = 0) -> int:
    """Count the sharps (below 0: flats) of a key's signature.

    Parameters
    ----------
    tonic : int
        Pitch class, 0 for C.
    is_minor : bool
    near : int
        Sharps of the music around it: of two signatures, F# and Gb major say, the nearer one is
        meant.

    Returns
    -------
    int
        -5 to 6 in music without sharps and flats, -7 to 7 elsewhere.
    """
    sharps = (7 * (tonic + 3 * is_minor) + 5) % 12 - 5
    others = [same for same in (sharps - 12, sharps + 12) if abs(same) <= _MOST_SHARPS]
    return min([sharps, *others], key=lambda one: abs(one - near))


def _place_of_root(root: int, quality: str, sharps: int, *, is_minor: bool) -> int:
    depth = _MINOR_KEY_DEPTH if is_minor else _MAJOR_DEPTH
    if quality.startswith(_DIMINISHED):
        depth = _DIMINISHED_DEPTH
    elif quality.startswith("m") and not quality.startswith("maj"):
        depth = _MINOR_CHORD_DEPTH
    least = _LOWEST_OF_FLAT_KEYS if sharps <= -5 else _LOWEST
    lowest = min(max(sharps - depth, least), _HIGHEST)
    return lowest + (root * 7 - lowest) % 12


def _name(place: int) -> str:
    """Return the name of a place on the line of fifths."""
    sharpened, letter = divmod(place + 1, 7)
    sign = "#" * sharpened if sharpened >= 0 else "b" * -sharpened
    return _LETTERS[letter] + sign
