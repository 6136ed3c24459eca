"""Commands that ask a library what is like what."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli.app import (
    AllSounds,
    BpmOctaves,
    BpmOption,
    JsonOption,
    LibraryOption,
    MetricOption,
    NoTaste,
    Queries,
    SpaceOption,
    app,
    open_library,
)
from segue.cli.output import (
    group_fields,
    hit_fields,
    print_blended,
    print_hits,
    print_json,
    print_table,
    say,
    shown,
    why,
)
from segue.cli.values import parse_blend, parse_passage
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.journeys.playlist import Item
    from segue.library import Library
    from segue.records import GroupHit, Hit, Track

_PAGES: Final = (".html", ".htm")


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
    space: SpaceOption = None,
    blend: Annotated[
        str | None, typer.Option(help="Several spaces instead: sound=0.6,metadata=0.2,listens=0.2.")
    ] = None,
    metric: MetricOption = "cosine",
    kind: Annotated[
        str | None, typer.Option(help="Find whole artists, albums or genres: artist, album, genre.")
    ] = None,
    min_tracks: Annotated[
        int, typer.Option(min=1, help="Only artists, albums, genres of so many tracks.")
    ] = 3,
    among_similar_artists: Annotated[
        int | None,
        typer.Option(min=1, help="Only by artists asked with and so many most like them."),
    ] = None,
    at: Annotated[str | None, typer.Option(help="Ask with a passage: 1:20-1:35.")] = None,
    artist: Annotated[str, typer.Option(help="Only where the artist has these words.")] = "",
    album: Annotated[str, typer.Option(help="Only where the album has these words.")] = "",
    genre: Annotated[str, typer.Option(help="Only where the genre has these words.")] = "",
    year: Annotated[str | None, typer.Option(help="Only from these years: 1990-1999.")] = None,
    bpm: BpmOption = None,
    bpm_octaves: BpmOctaves = False,
    min_plays: Annotated[
        int | None, typer.Option(min=0, help="Only if played so often; see `segue listens`.")
    ] = None,
    max_plays: Annotated[int | None, typer.Option(min=0, help="Only if played no oftener.")] = None,
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
    all_sounds: AllSounds = False,
    m3u: Annotated[
        Path | None, typer.Option(help="Write the answers: .m3u8, .xspf, .json, .html.")
    ] = None,
    no_taste: NoTaste = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find what sounds like a track, a file, a passage, or a description.

    The reasons are shares of the similarity and sum to it. With --metric euclidean, the
    similarity is minus the distance: 0 is the same, and the reasons say what keeps two apart.
    With --blend it is the weighted mean of the parts' similarities: of any spaces, and of
    `metadata` (same artist 0.4, same album 0.3, overlap of genres 0.2, years close by 0.1).
    Where a part knows nothing, of a track without listens say, the others weigh more.

    Example: segue like "für elise" --max-per-artist 2 --m3u evening.m3u8
    """
    from segue.query import Filters, parse_range

    if bool(queries) == bool(tags):
        raise BadArgument('say what it should be like: a track, a file, or --tags "sad, piano"')
    if tags and (minus or at or blend or kind or among_similar_artists):
        raise BadArgument("--tags goes without --minus, --at, --blend, --kind and similar artists")
    filters = Filters(
        artist=artist,
        album=album,
        genre=genre,
        year=parse_range(year, "the year") if year else None,
        bpm=parse_range(bpm, "the tempo") if bpm else None,
        bpm_octaves=bpm_octaves,
        min_plays=min_plays,
        max_plays=max_plays,
        max_per_artist=max_per_artist,
        exclude_same_artist=exclude_same_artist,
        exclude_same_album=exclude_same_album,
        all_sounds=all_sounds,
    )
    title = f"like {tags or ' + '.join(map(named, queries or ()))}"
    weights = parse_blend(blend) if blend else None
    with open_library(library) as lib:
        if kind:
            if minus or at or blend or m3u or among_similar_artists or filters != Filters():
                raise BadArgument("--kind goes with -n, --space, --metric and --min-tracks alone")
            groups = lib.like_groups(
                *(queries or ()), kind=kind, n=n, space=space, metric=metric, min_tracks=min_tracks
            )
            show_groups(groups, title, kind, json=json)
            return
        if tags:
            hits = lib.like_tags(tags.split(","), n=n, filters=filters, duplicates=duplicates)
        else:
            hits = lib.like(
                *(queries or ()),
                minus=minus or (),
                n=n,
                space=space,
                metric=metric,
                blend=weights,
                at=parse_passage(at) if at else None,
                filters=filters,
                among_similar_artists=among_similar_artists,
                min_tracks=min_tracks,
                duplicates=duplicates,
                taste=not no_taste,
            )
        leaned = leaning_told(lib, hits)
    show_hits(hits, title, parts=list(weights or ()), json=json, m3u=m3u)
    if leaned and not json:
        say(leaned)


def show_groups(hits: "list[GroupHit]", title: str, kind: str, *, json: bool) -> None:
    """Print artists, albums or genres, or JSON of them."""
    if json:
        print_json("like-groups", {"kind": kind, "groups": [group_fields(hit) for hit in hits]})
    elif hits:
        rows = [(hit.rank, hit.similarity, hit.name, hit.tracks, why(hit)) for hit in hits]
        print_table(title, ("", "similarity", kind, "tracks", "why"), rows)
    else:
        say(f"no other {kind} has enough tracks; ask for fewer with --min-tracks")


def show_hits(
    hits: "list[Hit]",
    title: str,
    *,
    parts: Sequence[str] = (),
    json: bool = False,
    m3u: Path | None = None,
) -> None:
    """Print answers, or JSON of them, and write them as a playlist where asked.

    Of a blend, what each of its `parts` gave has a column of its own.
    """
    if json:
        print_json("like", {"hits": [hit_fields(hit) for hit in hits]})
    elif hits and parts:
        print_blended(title, hits, parts)
    elif hits:
        print_hits(title, hits)
    else:
        say("nothing in the library passes these filters")
    if m3u:
        write_list(m3u, [hit.track for hit in hits], quiet=json, title=title)


def named(query: str) -> str:
    """Name a query in a title; a file without its folder, which is nobody else's business."""
    return shown(Path(Path(query).name)) if os.path.lexists(query) else query


def leaning_told(lib: "Library", answers: "Sequence[Hit | Item]") -> str:
    """Say in a line that the user's taste leaned answers; nothing where it did not."""
    from segue.answers.taste import LOVED, SKIPPED

    leaned = {reason.name for one in answers for reason in one.reasons}
    ways = [
        f"{way} ({len(tracks)})"
        for way, name, tracks in (
            ("towards what you love", LOVED, lib.taste.loved),
            ("away from what you skip", SKIPPED, lib.taste.skipped),
        )
        if name in leaned
    ]
    return f"leaned {' and '.join(ways)}; --no-taste switches this off" if ways else ""


def refuse_whole_paths_in_pages(target: Path | None, *, absolute: bool) -> None:
    """Refuse what `write_list` could not do, before anything is computed for it."""
    if absolute and target and target.suffix.lower() in _PAGES:
        raise BadArgument(
            "--absolute goes with playlists: a page never holds whole paths of this machine; "
            "leave it out, or write .m3u8, .xspf or .json"
        )


def write_list(
    target: Path,
    tracks: "Sequence[Track]",
    *,
    absolute: bool = False,
    quiet: bool = False,
    notes: Sequence[str] = (),
    title: str = "",
    caption: str = "",
) -> None:
    """Write tracks as a playlist or, to .html, as a page that plays them; say so."""
    if target.suffix.lower() in _PAGES:
        from segue.pages.lists import write_list as write_page

        write_page(tracks, notes or [""] * len(tracks), target, title, caption)
    else:
        from segue.formats.playlists import write_playlist

        write_playlist(target, tracks, absolute=absolute)
    if not quiet:
        say(f"wrote {len(tracks)} tracks to {shown(target)}")
