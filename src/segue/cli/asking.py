"""Commands that ask a library what is like what."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli.app import JsonOption, LibraryOption, Queries, app, open_library
from segue.cli.output import hit_fields, print_hits, print_json, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Hit, Span, Track


@app.command()
def like(
    queries: Queries = None,
    minus: Annotated[
        list[str] | None, typer.Option(help="Unlike this; may be given several times.")
    ] = None,
    tags: Annotated[
        str | None, typer.Option(help='By description instead: "female vocalists, sad".')
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
    space: Annotated[str, typer.Option(help="Space to search in; see `segue spaces`.")] = "sound",
    at: Annotated[str | None, typer.Option(help="Ask with a passage: 1:20-1:35.")] = None,
    artist: Annotated[str, typer.Option(help="Only where the artist has these words.")] = "",
    album: Annotated[str, typer.Option(help="Only where the album has these words.")] = "",
    genre: Annotated[str, typer.Option(help="Only where the genre has these words.")] = "",
    year: Annotated[str | None, typer.Option(help="Only from these years: 1990-1999.")] = None,
    bpm: Annotated[str | None, typer.Option(help="Only at these tempos: 118-126.")] = None,
    max_per_artist: Annotated[int | None, typer.Option(min=1, help="At most so many each.")] = None,
    exclude_same_artist: Annotated[
        bool, typer.Option("--exclude-same-artist", help="Nothing by an artist asked with.")
    ] = False,
    exclude_same_album: Annotated[
        bool, typer.Option("--exclude-same-album", help="Nothing from an album asked with.")
    ] = False,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="List every copy of one recording.")
    ] = False,
    m3u: Annotated[Path | None, typer.Option(help="Write the answers as a playlist.")] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find what sounds like a track, a file, a passage, or a description.

    The reasons are shares of the similarity and sum to it.

    Example: segue like "für elise" --max-per-artist 2 --m3u evening.m3u8
    """
    from segue.query import Filters, parse_range

    if bool(queries) == bool(tags):
        raise BadArgument('say what it should be like: a track, a file, or --tags "sad, piano"')
    if tags and (minus or at):
        raise BadArgument("--minus and --at go with a track or file, not with --tags")
    filters = Filters(
        artist=artist,
        album=album,
        genre=genre,
        year=parse_range(year, "the year") if year else None,
        bpm=parse_range(bpm, "the tempo") if bpm else None,
        max_per_artist=max_per_artist,
        exclude_same_artist=exclude_same_artist,
        exclude_same_album=exclude_same_album,
    )
    with open_library(library) as lib:
        if tags:
            hits = lib.like_tags(tags.split(","), n=n, filters=filters, duplicates=duplicates)
        else:
            hits = lib.like(
                *(queries or ()),
                minus=minus or (),
                n=n,
                space=space,
                at=_passage(at) if at else None,
                filters=filters,
                duplicates=duplicates,
            )
    show_hits(hits, f"like {tags or ' + '.join(queries or ())}", json=json, m3u=m3u)


def show_hits(
    hits: "list[Hit]", title: str, *, json: bool = False, m3u: Path | None = None
) -> None:
    """Print answers, or JSON of them, and write them as a playlist where asked."""
    if json:
        print_json("like", {"hits": [hit_fields(hit) for hit in hits]})
    elif hits:
        print_hits(title, hits)
    else:
        say("nothing in the library passes these filters")
    if m3u:
        write_playlist(m3u, [hit.track for hit in hits], quiet=json)


def write_playlist(target: Path, tracks: "list[Track]", *, quiet: bool = False) -> None:
    """Write a playlist and, unless `quiet`, say so."""
    from segue.formats.playlists import write_m3u8

    try:
        write_m3u8(target, tracks)
    except OSError as error:
        raise BadArgument(f"cannot write the playlist {target}: {error.strerror}") from None
    if not quiet:
        say(f"wrote {len(tracks)} tracks to {shown(target)}")


def _passage(text: str) -> "Span":
    """Read ``1:20-1:35`` or ``80-95``."""
    from segue.records import Span

    start, dash, end = text.partition("-")
    try:
        span = Span(_seconds(start), _seconds(end))
    except ValueError:
        raise BadArgument(f"{text!r} is no passage; give it as 1:20-1:35") from None
    if not dash or span.length_s < 1:
        raise BadArgument(f"the passage {text!r} is shorter than a second; give it as 1:20-1:35")
    return span


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total
