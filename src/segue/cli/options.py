"""Options and arguments that several commands share, and readers of their values.

Each is an annotated type, so that an option has one name and one wording wherever it occurs.
Defaults stand in the commands.
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Span
    from segue.search.filters import Filters

LARGEST_SEED: Final = 2**32 - 1


def _library_before_the_command(context: typer.Context, folder: Path | None) -> Path | None:
    """Fall back on a --library that stands before the command."""
    above = context.parent
    while folder is None and above is not None:
        folder, above = above.params.get("library"), above.parent
    return folder


# Library and output

Library = Annotated[
    Path | None,
    typer.Option(
        "--library",
        help="Folder of the library; by default $SEGUE_LIBRARY, or else a folder in your user data "
        "directory.",
        callback=_library_before_the_command,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON output for programs.")]
Count = Annotated[int, typer.Option("-n", min=1, help="Maximum number of results.")]
Play = Annotated[
    bool, typer.Option("--play", help="Play the results in a media player; see `segue play`.")
]
PlaylistOutput = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="Path of the playlist: .m3u8, .m3u, .pls, .xspf, .json, or .html for a page that "
        "plays it.",
    ),
]
Absolute = Annotated[
    bool,
    typer.Option("--absolute", help="Absolute paths in the playlist, instead of relative ones."),
]
_MUSIC_OUTPUT: Final = typer.Option(
    "-o",
    "--output",
    help="Path of an output file: a score (.mid, .musicxml, .mxl, .abc), audio (.wav) or a "
    "piano roll (.png, .svg, .pdf); repeatable, for several formats.",
)
MusicOutputs = Annotated[list[Path], _MUSIC_OUTPUT]
OptionalMusicOutputs = Annotated[list[Path] | None, _MUSIC_OUTPUT]
#: Flags of version 0.1, in place of which -o is given several times.
Wav = Annotated[bool, typer.Option("--wav", help="Audio beside the score.", hidden=True)]
Png = Annotated[bool, typer.Option("--png", help="Piano roll beside the score.", hidden=True)]
Report = Annotated[
    Path | None,
    typer.Option(
        help="Path of a report, .json: statistics, passages shared with the training set, and what "
        "reproduces the output."
    ),
]
Folder = Annotated[
    Path,
    typer.Option(
        "-o", "--output", help="Folder of the output files; created if it does not exist."
    ),
]

# Queries and embedding spaces

Queries = Annotated[
    list[str] | None,
    typer.Argument(
        help="Track ids, files, or words of a title, artist, album or genre. Several are combined, "
        "or answered in turn if they are far apart."
    ),
]
Track = Annotated[str, typer.Argument(help="Track id, file, or words of a title.")]
Score = Annotated[str, typer.Argument(help="Id of a score, its file, or words of its title.")]
Space = Annotated[
    str | None,
    typer.Option(
        help="Name of the embedding space, as listed by `segue spaces`; by default sound for "
        "recordings, roll-vae or score-features for scores, style for lyrics."
    ),
]
RollSpace = Annotated[
    str,
    typer.Option(
        help="Name of the embedding space: roll-vae, or one trained with `segue train score`."
    ),
]
MetricName = Literal["cosine", "euclidean"]
Metric = Annotated[
    MetricName,
    typer.Option(help="Measure by which embeddings are compared: cosine similarity or distance."),
]
NoTaste = Annotated[
    bool, typer.Option("--no-taste", help="Results regardless of loved and skipped tracks.")
]

# Filters

Artist = Annotated[
    list[str] | None,
    typer.Option("--artist", help="Words of the artist's name; repeatable, for any of several."),
]
Album = Annotated[
    list[str] | None,
    typer.Option("--album", help="Words of the album's title; repeatable, for any of several."),
]
Genre = Annotated[
    list[str] | None,
    typer.Option("--genre", help="Words of the genre; repeatable, for any of several."),
]
Year = Annotated[
    list[str] | None,
    typer.Option("--year", help="Range of years: 1995, 1990-1999, 90s, 1990-, -1999; repeatable."),
]
Bpm = Annotated[
    list[str] | None,
    typer.Option("--bpm", help="Range of tempos in BPM: 118-126, 120, 118-; repeatable."),
]
BpmOctaves = Annotated[
    bool, typer.Option("--bpm-octaves", help="Half and double the tempo of --bpm as well.")
]
MediumName = Literal["sound", "score", "lyrics"]
AllSounds = Annotated[
    bool,
    typer.Option("--all", help="Tracks that are not music as well: speech, noise, under 10 s."),
]

# Random numbers and sampling

Seed = Annotated[
    int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the random number generator.")
]
NewSeed = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=LARGEST_SEED,
        help="Seed of the random number generator; by default a new one is drawn, and printed.",
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1, max=1024, help="Number of processor threads; one is fastest for small networks."
    ),
]
TEMPERATURE: Final = "Sampling temperature: 0 takes the most probable, above 1 is more surprising"
Temperature = Annotated[float, typer.Option(help=f"{TEMPERATURE}.")]
TopP = Annotated[
    float,
    typer.Option(help="Nucleus sampling: total probability of the candidates sampled from."),
]
TopK = Annotated[
    int, typer.Option(help="Maximum number of candidates that are sampled from; 0 for all.")
]
MinP = Annotated[
    float,
    typer.Option(help="Minimum probability of a candidate, relative to the most probable one."),
]

# Music

Title = Annotated[str | None, typer.Option(help="Title of the piece; by default the input's.")]
Tempo = Annotated[
    float | None,
    typer.Option(
        help="Tempo in BPM, of quarter notes, or of dotted quarter notes in 6/8, 9/8 and 12/8."
    ),
]
TimeSignature = Annotated[
    str | None, typer.Option(help="Time signature: 3/4, 6/8 …; by default the score's, or 4/4.")
]
Humanise = Annotated[
    float,
    typer.Option(
        help="Amount, from 0 to 1, of the timing and loudness of played drums in MIDI and audio; "
        "notation stays on the grid."
    ),
]
Swing = Annotated[
    float,
    typer.Option(
        help="Position in the beat of its second eighth in MIDI and audio: 0.5 is straight, 0.667 "
        "the triplet feel, up to 0.75."
    ),
]

_DASHES: Final = re.compile("[‐‑‒–—−]|\\.\\.")
_YEAR: Final = re.compile(r"(?P<year>\d{4}|\d{2})(?P<decade>'?s)?")
#: "20s" are the 2020s, "30s" the 1930s.
_LAST_SHORT_DECADE: Final = 20


def filters(
    artist: Sequence[str] | None = None,
    album: Sequence[str] | None = None,
    genre: Sequence[str] | None = None,
    year: Sequence[str] | None = None,
    bpm: Sequence[str] | None = None,
    **others: Any,
) -> "Filters":
    """Return the filters that the options of these names give."""
    from segue.search.filters import Filters

    return Filters(
        artist=tuple(artist or ()),
        album=tuple(album or ()),
        genre=tuple(genre or ()),
        year=tuple(map(parse_years, year or ())) or None,
        bpm=tuple(map(parse_tempos, bpm or ())) or None,
        **others,
    )


def parse_weights(text: str) -> dict[str, float]:
    """Read the weights of a combination, ``sound=0.6,metadata=0.4``; a name alone weighs 1."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = (piece.strip() for piece in part.partition("="))
        try:
            value = float(weight) if equals else 1.0
        except ValueError:
            value = 0.0
        if not name or name in weights or not 0 < value < math.inf:
            raise BadArgument(
                f"{part.strip()!r} is not understood, or there twice in the blend; "
                "give spaces with weights above 0, as sound=0.6,metadata=0.4"
            )
        weights[name] = value
    return weights


def parse_years(text: str) -> tuple[float, float]:
    """Read a range of years: ``1995``, ``1990-1999``, ``90s``, ``1990s``, ``1990-``, ``-1999``."""
    return _parse_range(
        text,
        _year,
        f"the year {text!r} is not understood; give it as 1995, 1990-1999, 90s or 1990-",
    )


def parse_tempos(text: str) -> tuple[float, float]:
    """Read a range in BPM: ``118-126``, ``120`` (which is 119.5 to 120.5), ``118-``, ``-126``."""
    return _parse_range(
        text, _tempo, f"the tempo {text!r} is not understood; give it as 118-126, 120 or 118-"
    )


def _parse_range(
    text: str, read: Callable[[str, bool], tuple[float, float]], error: str
) -> tuple[float, float]:
    """Read one value, or two with a dash between them, either of which may be left out."""
    low, dash, high = (part.strip() for part in _DASHES.sub("-", text).partition("-"))
    if not low and not high:
        raise BadArgument(error)
    try:
        first = read(low, bool(dash))[0] if low else -math.inf
        last = read(high, bool(dash))[1] if high else math.inf if dash else read(low, False)[1]
    except ValueError:
        raise BadArgument(error) from None
    if first > last:
        raise BadArgument(f"{text!r} runs backwards; the lower number comes first")
    return first, last


def _year(text: str, _is_range: bool) -> tuple[float, float]:
    match = _YEAR.fullmatch(text.casefold())
    if not match:
        raise ValueError(text)
    year, decade = int(match["year"]), bool(match["decade"])
    if len(match["year"]) == 2:
        if not decade or year % 10:
            raise ValueError(text)
        year += 2000 if year <= _LAST_SHORT_DECADE else 1900
    return (year, year + 9) if decade else (year, year)


def _tempo(text: str, is_range: bool) -> tuple[float, float]:
    tempo = float(text.casefold().removesuffix("bpm"))
    if not 0 < tempo < math.inf:
        raise ValueError(text)
    # Tempos are measured, so that none is a whole number.
    return (tempo, tempo) if is_range else (tempo - 0.5, tempo + 0.5)


def parse_time_span(text: str) -> "Span":
    """Read a time span of a recording: ``1:20-1:35``, or ``80-95`` in seconds."""
    from segue.records import Span

    start, dash, end = text.partition("-")
    try:
        span = Span(_seconds(start), _seconds(end))
    except ValueError:
        raise BadArgument(f"the passage {text!r} is not understood; give it as 1:20-1:35") from None
    if not dash or span.length_s < 1:
        raise BadArgument(f"the passage {text!r} is shorter than a second; give it as 1:20-1:35")
    return span


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total
