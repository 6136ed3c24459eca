"""The commands `like` and `groups`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli.app import (
    Absolute,
    AlbumFilter,
    AllSounds,
    ArtistFilter,
    BpmOctaves,
    GenreFilter,
    JsonOption,
    LibraryOption,
    MetricOption,
    NoTaste,
    Output,
    Queries,
    SpaceOption,
    TempoFilter,
    YearFilter,
    app,
    open_library,
    parse_blend,
    parse_passage,
    parse_tempos,
    parse_years,
)
from segue.cli.output import (
    counted,
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
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.explore.playlist import PlaylistItem
    from segue.library import Library
    from segue.records import GroupHit, Hit, Track

_PAGES: Final = (".html", ".htm")
#: Said below answers to queries that lie far apart.
FAR_APART: Final = (
    "what you asked with lies far apart, so the answers are like one or the other in turn; "
    "`segue path` finds a way between two tracks"
)


@app.command()
def like(
    queries: Queries = None,
    minus: Annotated[
        list[str] | None, typer.Option(help="Unlike this; may be given several times.")
    ] = None,
    tags: Annotated[
        str | None,
        typer.Option(help='By description, alone or too: "sad, acoustic", or "metal, -party".'),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
    space: SpaceOption = None,
    blend: Annotated[
        str | None, typer.Option(help="Several spaces instead: sound=0.6,metadata=0.2,listens=0.2.")
    ] = None,
    metric: MetricOption = "cosine",
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Find whole artists, albums or genres: artist, album, genre."),
    ] = None,
    min_tracks: Annotated[
        int, typer.Option(min=1, help="Only artists, albums, genres of so many tracks.")
    ] = 3,
    among_similar_artists: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Only tracks by the artists you name and by this many artists most like them.",
        ),
    ] = None,
    at: Annotated[str | None, typer.Option(help="Ask with a passage: 1:20-1:35.")] = None,
    artist: ArtistFilter = None,
    album: AlbumFilter = None,
    genre: GenreFilter = None,
    year: YearFilter = None,
    bpm: TempoFilter = None,
    bpm_octaves: BpmOctaves = False,
    min_plays: Annotated[
        int | None,
        typer.Option(min=0, help="Only if played at least so many times; see `segue listens`."),
    ] = None,
    max_plays: Annotated[
        int | None, typer.Option(min=0, help="Only if played at most so many times.")
    ] = None,
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
    output: Output = None,
    absolute: Absolute = False,
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

    Filters that are given several times let pass what passes one of them: --genre metal --genre
    ambient. A name may be told apart: artist:nexuiz, album:nexuiz, genre:ambient ask with all
    tracks of that; and so does --genre ambient alone, where no track is named.

    Example: segue like "für elise" --max-per-artist 2 -o evening.m3u8
    """
    from segue.search.filters import Filters

    named_only = not queries and not tags
    fields = {"artist": artist, "album": album, "genre": genre} if named_only else {}
    asked = [
        *(queries or ()),
        *(f"{name}:{word}" for name, some in fields.items() for word in some or ()),
    ]
    if not asked and not tags:
        raise BadArgument(
            'say what it should be like: a track, a file, or --tags "sad, acoustic", or both'
        )
    if tags and (blend or kind or metric != "cosine"):
        raise BadArgument("--tags goes without --blend, --kind and --metric euclidean")
    if tags and not asked and (minus or at or among_similar_artists):
        raise BadArgument("--minus, --at and --among-similar-artists go with a track or a file")
    if kind and len(kind) > 1:
        raise BadArgument(f"--kind {' --kind '.join(kind)}: ask for one kind at a time")
    check_list(output, absolute=absolute)
    filters = Filters(
        artist=() if named_only else tuple(artist or ()),
        album=() if named_only else tuple(album or ()),
        genre=() if named_only else tuple(genre or ()),
        year=tuple(map(parse_years, year or ())) or None,
        bpm=tuple(map(parse_tempos, bpm or ())) or None,
        bpm_octaves=bpm_octaves,
        min_plays=min_plays,
        max_plays=max_plays,
        max_per_artist=max_per_artist,
        exclude_same_artist=exclude_same_artist,
        exclude_same_album=exclude_same_album,
        all_sounds=all_sounds,
    )
    weights = parse_blend(blend) if blend else None
    asked_in = ""
    with open_library(library) as lib:
        if kind:
            if minus or at or blend or output or among_similar_artists or filters != Filters():
                raise BadArgument("--kind goes with -n, --space, --metric and --min-tracks alone")
            groups = lib.similar_groups(
                *asked, kind=kind[0], n=n, space=space, metric=metric, min_tracks=min_tracks
            )
            show_groups(groups, f"Like {' + '.join(titles(lib, asked))}", kind[0], json=json)
            return
        title = f"Like {' + '.join([*titles(lib, asked), *([tags] if tags else [])])}"
        wanted = tags.split(",") if tags else []
        if not asked:
            hits = lib.like_tags(
                wanted, n=n, filters=filters, duplicates=duplicates, taste=not no_taste
            )
        else:
            if not (space or weights) and lib.kind(*asked) == "score":
                space = lib.default_space(*asked, minus=minus or ())
                asked_in = _asked_in(space)
            hits = lib.like(
                *asked,
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
                tags=wanted,
            )
        left_out = "" if hits else no_music_told(lib, all_sounds=all_sounds)
        told = [asked_in, leaning_told(lib, hits)]
        each = what_each_is_like(lib, hits)
    show_hits(
        hits,
        title,
        parts=list(weights or ()),
        like=each,
        json=json,
        output=output,
        absolute=absolute,
        left_out=left_out,
    )
    for line in filter(None, told):
        if not json:
            say(line)


def _asked_in(space: str) -> str:
    """Say which of the spaces of scores answers, where none was named."""
    if space == "roll-vae":
        return "asked in the space roll-vae, which holds scores in 4/4; see --space"
    return f"asked in the space {space}: roll-vae holds scores in 4/4 alone; see --space"


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
    like: Sequence[str] = (),
    json: bool = False,
    output: Path | None = None,
    absolute: bool = False,
    left_out: str = "",
) -> None:
    """Print answers, or JSON of them, and write them as a playlist where asked.

    Of a blend, what each of its `parts` gave has a column of its own; so has what each answer is
    `like`, of queries far apart.
    """
    if json:
        print_json("like", {"hits": [hit_fields(hit) for hit in hits]})
    elif hits and parts:
        print_blended(title, hits, parts, like)
    elif hits:
        print_hits(title, hits, like)
    else:
        say("; ".join(filter(None, ("nothing else passes the filters", left_out))))
    if like and not json:
        say(FAR_APART)
    if output:
        tracks, notes = [hit.track for hit in hits], [f"like {one}" for one in like]
        write_list(output, tracks, absolute=absolute, quiet=json, notes=notes, title=title)


def no_music_told(lib: "Library", *, all_sounds: bool) -> str:
    """Say how many tracks are left out as no music; nothing where there is none."""
    from segue.search.track_checks import non_music_type

    count = 0 if all_sounds else sum(bool(non_music_type(track)) for track in lib.tracks())
    if not count:
        return ""
    return (
        f"{counted(count, 'track')} of speech, of noise or under 10 s left out: "
        "--all takes them, too"
    )


def named(query: str) -> str:
    """Name a query in a title; a file without its folder, which is nobody else's business."""
    return shown(Path(Path(query).name)) if os.path.lexists(query) else query


def leaning_told(lib: "Library", answers: "Sequence[Hit | PlaylistItem]") -> str:
    """Say in a line that the user's taste leaned answers; nothing where it did not."""
    from segue.search.taste import LOVED, SKIPPED

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


def titles(lib: "Library", queries: Sequence[str]) -> list[str]:
    """Name what is asked with as people do, each once: a track by its title, an artist by name."""
    found = []
    for query in queries:
        by_file = os.path.lexists(query) or not lib.contains(query)
        tracks = [] if by_file else lib.find(query)
        if len(tracks) == 1:
            found.append(tracks[0].tags.title or named(query))
        else:
            found.append(named(query) if by_file else query.partition(":")[2].strip() or query)
    return list({name.casefold(): name for name in reversed(found)}.values())[::-1]


def what_each_is_like(lib: "Library", answers: "Sequence[Hit | PlaylistItem]") -> list[str]:
    """Name for each answer which of the queries it is like; nothing where they are blended."""
    asked = dict.fromkeys(answer.asked_with for answer in answers)
    names = {some: " + ".join(titles(lib, [str(one) for one in some])) for some in asked}
    return [names[answer.asked_with] for answer in answers] if any(asked) else []


def check_list(target: Path | None, *, absolute: bool) -> None:
    """Refuse what `write_list` could not do, before anything is computed for it."""
    from segue.io.playlists import ENDINGS

    if target is None:
        return
    suffix, endings = target.suffix.lower(), (*ENDINGS, *_PAGES[:1])
    if suffix not in (*endings, *_PAGES):
        raise BadArgument(
            f"{shown(target)} is no playlist; name it {', '.join(endings[:-1])} or, for a page "
            f"that plays it, {endings[-1]}"
        )
    if absolute and suffix in _PAGES:
        raise BadArgument(
            "--absolute goes with playlists: a page never holds whole paths of this machine; "
            "leave it out, or write .m3u8, .pls, .xspf or .json"
        )
    folder = next(above for above in target.absolute().parents if os.path.lexists(above))
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadArgument(
            f"{shown(target)} cannot be written; is {shown(folder)} a folder of yours?"
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
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadArgument(
            f"cannot make the folder {shown(target.parent)}: {error.strerror}"
        ) from None
    if target.suffix.lower() in _PAGES:
        from segue.render.pages import write_list as write_page

        write_page(tracks, notes or [""] * len(tracks), target, title, caption)
    else:
        from segue.io.playlists import write_playlist

        write_playlist(target, tracks, absolute=absolute)
    if not quiet:
        say(f"wrote {counted(len(tracks), 'track')} to {shown(target)}")
