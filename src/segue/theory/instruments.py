"""Instruments: General MIDI programs and drums, their names, and ranges."""

import difflib
import re
from typing import Final

from segue.errors import BadArgument
from segue.text import normalise

# ---- General MIDI ------------------------------------------------------------------------

DRUMS: Final = 128  # the drum kit, after the 128 programs
#: By program, from 0.
PROGRAM_NAMES: Final = (
    "grand piano", "bright piano", "electric grand piano", "honky-tonk piano",
    "electric piano 1", "electric piano 2", "harpsichord", "clavinet",
    "celesta", "glockenspiel", "music box", "vibraphone",
    "marimba", "xylophone", "tubular bells", "dulcimer",
    "drawbar organ", "percussive organ", "rock organ", "church organ",
    "reed organ", "accordion", "harmonica", "tango accordion",
    "nylon guitar", "steel guitar", "jazz guitar", "clean electric guitar",
    "muted guitar", "overdriven guitar", "distorted guitar", "guitar harmonics",
    "acoustic bass", "fingered bass", "picked bass", "fretless bass",
    "slap bass 1", "slap bass 2", "synth bass 1", "synth bass 2",
    "violin", "viola", "cello", "double bass",
    "tremolo strings", "pizzicato strings", "harp", "timpani",
    "string ensemble 1", "string ensemble 2", "synth strings 1", "synth strings 2",
    "choir aahs", "voice oohs", "synth voice", "orchestra hit",
    "trumpet", "trombone", "tuba", "muted trumpet",
    "french horn", "brass section", "synth brass 1", "synth brass 2",
    "soprano saxophone", "alto saxophone", "tenor saxophone", "baritone saxophone",
    "oboe", "cor anglais", "bassoon", "clarinet",
    "piccolo", "flute", "recorder", "pan flute",
    "blown bottle", "shakuhachi", "whistle", "ocarina",
    "square lead", "sawtooth lead", "calliope lead", "chiff lead",
    "charang lead", "voice lead", "fifths lead", "bass and lead",
    "new age pad", "warm pad", "polysynth pad", "choir pad",
    "bowed pad", "metallic pad", "halo pad", "sweep pad",
    "rain", "soundtrack", "crystal", "atmosphere",
    "brightness", "goblins", "echoes", "sci-fi",
    "sitar", "banjo", "shamisen", "koto",
    "kalimba", "bagpipe", "fiddle", "shanai",
    "tinkle bell", "agogo", "steel drums", "woodblock",
    "taiko drum", "melodic tom", "synth drum", "reverse cymbal",
    "fret noise", "breath noise", "seashore", "bird tweet",
    "telephone ring", "helicopter", "applause", "gunshot",
)  # fmt: skip

#: Short names of the drums, by pitch.
DRUM_NAMES: Final = {
    35: "kick 2", 36: "kick", 37: "side stick", 38: "snare", 39: "clap", 40: "snare 2",
    41: "low tom 2", 42: "closed hat", 43: "low tom", 44: "pedal hat", 45: "mid tom 2",
    46: "open hat", 47: "mid tom", 48: "high tom 2", 49: "crash", 50: "high tom", 51: "ride",
    52: "china", 53: "ride bell", 54: "tambourine", 55: "splash", 56: "cowbell", 57: "crash 2",
    58: "vibraslap", 59: "ride 2", 60: "high bongo", 61: "low bongo", 62: "mute conga",
    63: "open conga", 64: "low conga", 65: "high timbale", 66: "low timbale", 67: "high agogo",
    68: "low agogo", 69: "cabasa", 70: "maracas", 71: "short whistle", 72: "long whistle",
    73: "short guiro", 74: "long guiro", 75: "claves", 76: "high woodblock",
    77: "low woodblock", 78: "mute cuica", 79: "open cuica", 80: "mute triangle",
    81: "open triangle",
}  # fmt: skip


# ---- names -------------------------------------------------------------------------------

#: Words of names in English, German, French, Italian and Spanish, and of MusicXML's sound
#: identifiers ("wind.flutes.flute"); the first match counts.
_PROGRAMS: Final = tuple(
    (re.compile(rf"\b(?:{words})"), program)
    for words, program in (
        ("english horn|cor anglais|corno inglese|englischhorn", 69),
        ("french horn|horns?\\b|corn[io]\\b|cors?\\b|waldhorn|hoerner|horner", 60),
        ("contrabassoon|double bassoon|contrafagott|kontrafagott|contrebasson", 70),
        ("bassoon|fagott|basson\\b|fagot", 70),
        ("contrabass|double bass|kontrabass|contrebasse|contrabba|string bass|upright bass", 43),
        ("piccolo|ottavino|flautin|pikkolo", 72),
        ("recorder|blockflote|flauto dolce|flute a bec", 74),
        ("pan flute|panflote|pan pipe", 75),
        ("flute|flote|flauto|flauta", 73),
        ("soprano sax|sopransax", 64), ("tenor sax|tenorsax", 66),
        ("baritone sax|bari sax|baritonsax", 67), ("alto sax|altsax|sax", 65),
        ("oboe|hautbois|hoboe", 68),
        ("clarinet|klarinette|clarinetto|bassklarinette", 71),
        ("bass trombone|trombone|posaune", 57),
        ("trumpet|trompete|trompette|tromba|cornet|kornett|flugelhorn|flugel", 56),
        ("tuba|euphonium|sousaphone|ophicleide|baritone horn", 58),
        ("timpani|pauken|timbales|kettle", 47),
        ("glockenspiel", 9), ("celesta", 8), ("music box", 10), ("vibraphon", 11),
        ("marimba", 12), ("xylophon", 13), ("tubular bell|rohrenglocken|chimes", 14),
        ("dulcimer|hackbrett|cimbalom", 15),
        ("harpsichord|cembalo|clavecin|clavicembalo", 6), ("clavinet|clavichord", 7),
        ("electric piano|rhodes|e piano", 4), ("honky", 3),
        ("accordion|akkordeon|accordeon|fisarmonica", 21), ("harmonica|mundharmonika", 22),
        ("harmonium|reed organ", 20), ("organ\\b|orgel|orgue|organo", 19),
        ("piano|klavier|pianoforte|fortepiano|keyboard", 0),
        ("ukulele|mandolin|lute|laute|nylon|classical guitar|konzertgitarre", 24),
        ("electric guitar|e gitarre|distort", 27),
        ("electric bass|bass guitar|e bass|fretless|bassgitarre", 33),
        ("acoustic guitar|steel guitar|western guitar", 25),
        ("guitar|gitarre|guitare|chitarra", 24),
        ("banjo", 105), ("sitar", 104), ("shamisen", 106), ("koto", 107), ("kalimba", 108),
        ("bagpipe|dudelsack", 109), ("fiddle", 110),
        ("violas?\\b|bratsche|alto viola|viole\\b", 41),
        ("violoncell|cello|celli\\b", 42), ("violin|geige|violon", 40),
        ("harp\\b|harfe|harpe\\b|arpa\\b", 46), ("pizzicato", 45),
        ("strings?\\b|streicher|cordes|archi\\b", 48),
        ("synth", 80),
        ("choir|chor\\b|choeur|coro\\b|chorus", 52),
        ("voice|vocal|voix|stimme|singstimme|gesang|canto|chant\\b|soprano?|mezzo|alto?\\b"
         "|contralto|tenore?\\b|bariton|basso\\b|countertenor|sopran\\b", 52),
        ("bass\\b", 43),
    )
)  # fmt: skip


def find_program(name: str) -> int | None:
    """Return the General MIDI program, 0 to 127, of an instrument's name; None if unknown."""
    words = normalise(name)
    return next((program for pattern, program in _PROGRAMS if pattern.search(words)), None)


#: Common names that are not those of General MIDI.
_COMMON_NAMES: Final = {
    "piano": 0, "electric piano": 4, "organ": 16, "guitar": 24, "acoustic guitar": 25,
    "electric guitar": 27, "bass": 33, "electric bass": 33, "contrabass": 43, "strings": 48,
    "choir": 52, "voice": 53, "brass": 61, "sax": 65, "saxophone": 66, "horn": 60,
    "synth": 81, "lead": 81, "pad": 89, "drums": DRUMS, "percussion": DRUMS,
}  # fmt: skip

# ---- ranges ------------------------------------------------------------------------------

#: First and last program, lowest and highest MIDI pitch, and the tessitura, as sounding.
#: Handbooks of orchestration agree to within some semitones.
_RANGES: Final = (
    # keyboards, tuned percussion, organs and accordions
    (0, 7, 21, 108, 36, 91), (8, 8, 60, 108, 60, 103), (9, 9, 72, 108, 79, 103),
    (10, 10, 48, 108, 60, 96), (11, 11, 53, 89, 53, 89), (12, 12, 36, 96, 45, 89),
    (13, 13, 60, 108, 65, 103), (14, 14, 48, 84, 60, 77), (15, 15, 48, 96, 55, 91),
    (16, 20, 24, 108, 36, 91), (21, 23, 36, 101, 53, 88),
    # guitars, basses
    (24, 31, 40, 88, 40, 79), (32, 37, 28, 60, 28, 48), (38, 39, 24, 60, 28, 48),
    # bowed and plucked strings, timpani, sections, choirs
    (40, 40, 55, 103, 55, 88), (41, 41, 48, 91, 48, 76), (42, 42, 36, 84, 36, 64),
    (43, 43, 24, 67, 28, 50), (44, 45, 28, 103, 36, 88), (46, 46, 23, 103, 36, 91),
    (47, 47, 36, 60, 41, 57), (48, 51, 24, 103, 36, 88), (52, 54, 36, 89, 41, 81),
    (55, 55, 36, 89, 36, 89),
    # brass
    (56, 56, 52, 86, 55, 82), (57, 57, 34, 77, 40, 70), (58, 58, 26, 65, 28, 55),
    (59, 59, 52, 86, 55, 82), (60, 60, 34, 77, 41, 74), (61, 63, 28, 89, 40, 79),
    # reeds, pipes
    (64, 64, 56, 91, 58, 87), (65, 65, 49, 85, 49, 80), (66, 66, 44, 80, 44, 75),
    (67, 67, 36, 75, 36, 68), (68, 68, 58, 93, 60, 88), (69, 69, 52, 84, 52, 79),
    (70, 70, 34, 77, 34, 67), (71, 71, 50, 94, 50, 86), (72, 72, 74, 108, 74, 103),
    (73, 73, 59, 98, 60, 93), (74, 79, 60, 98, 60, 91),
    # synthesisers: leads, pads, effects
    (80, 86, 21, 108, 48, 91), (87, 87, 21, 108, 28, 84), (88, 95, 21, 108, 36, 84),
    (96, 103, 21, 108, 36, 91),
    # of other traditions
    (104, 104, 40, 88, 48, 79), (105, 105, 48, 88, 50, 84), (106, 106, 45, 88, 50, 79),
    (107, 107, 36, 93, 43, 84), (108, 108, 48, 93, 55, 84), (109, 109, 57, 84, 57, 84),
    (110, 110, 55, 103, 55, 88), (111, 111, 50, 91, 55, 86),
    # percussion with a pitch, noises
    (112, 113, 60, 108, 60, 103), (114, 114, 48, 96, 52, 88), (115, 115, 48, 108, 60, 96),
    (116, 119, 24, 84, 36, 72), (120, 127, 21, 108, 21, 108),
)  # fmt: skip
_DRUM_RANGE: Final = (27, 87)
#: Bass guitars, double bass, tuba.
_BASSES: Final = frozenset({*range(32, 40), 43, 58})
#: Basses, solo strings, brass without its sections, reeds and pipes.
_MONOPHONIC: Final = frozenset({*range(32, 44), *range(56, 61), *range(64, 80)})


def pitch_range(instrument: int) -> tuple[int, int]:
    """Return the lowest and highest MIDI pitch of a program or `DRUMS`."""
    return _row(instrument)[:2]


def tessitura(instrument: int) -> tuple[int, int]:
    """Return the lowest and highest MIDI pitch that a program or `DRUMS` mostly plays."""
    return _row(instrument)[2:]


def _row(instrument: int) -> tuple[int, int, int, int]:
    if instrument == DRUMS:
        return _DRUM_RANGE * 2
    return next(row[2:] for row in _RANGES if row[0] <= instrument <= row[1])


def is_bass(instrument: int) -> bool:
    """Return whether a program or `DRUMS` is a bass instrument."""
    return instrument in _BASSES


def is_monophonic(instrument: int) -> bool:
    """Return whether a program plays one note at a time, as winds do, and basses mostly."""
    return instrument in _MONOPHONIC


def parse_instrument(name: str) -> int:
    """Return the program of an instrument, or `DRUMS`.

    Parameters
    ----------
    name : str
        A common name ("bass", "drums"), a name of General MIDI ("fretless bass"), or the number
        of a program, from 0.

    Raises
    ------
    BadArgument
        There is no such instrument; the message suggests the nearest.
    """
    programs = {known: program for program, known in enumerate(PROGRAM_NAMES)} | _COMMON_NAMES
    plain = " ".join(name.casefold().split())
    if plain in programs:
        return programs[plain]
    if plain.isdecimal() and int(plain) < DRUMS:
        return int(plain)
    nearest = difflib.get_close_matches(plain, programs, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(nearest)}?" if nearest else "piano, bass, drums, flute …"
    raise BadArgument(f"no instrument {name!r}; {hint}")


def instrument_name(instrument: int) -> str:
    """Return the name of a program or `DRUMS`."""
    return "drums" if instrument == DRUMS else PROGRAM_NAMES[instrument]
