"""The command `like`, which is also called `similar`."""

import os
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import (
    count_of,
    display_path,
    format_reasons,
    matched_queries,
    print_json,
    print_table,
    reason_fields,
    say,
    track_fields,
)
from segue.cli.output_files import check_playlist, write_playlist
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.explore.playlist import PlaylistItem
    from segue.library import Library
    from segue.records import GroupHit, Hit
    from segue.search.text_query import Reading

#: Printed below the results of queries that are far apart.
FAR_APART: Final = (
    "the queries are far apart, so the results are similar to one or the other in turn; "
    "`segue path` finds a way between two tracks"
)

HUBS: Final = "ranked by similarity less a correction for hubs, tracks that are similar to many"


class GroupKind(StrEnum):
    """What tracks can be grouped by; an enumeration, since Typer takes no list of literals."""

    ARTIST = "artist"
    ALBUM = "album"
    GENRE = "genre"


@command("Search", also="similar")
def like(
    queries: opt.Queries = None,
    minus: Annotated[
        list[str] | None,
        typer.Option(help="Track that results should differ from; repeatable."),
    ] = None,
    tags: Annotated[
        str | None,
        typer.Option(
            help='Description of the results, alone or beside a track: "sad, acoustic", '
            '"metal, -party".'
        ),
    ] = None,
    n: opt.Count = 10,
    space: opt.Space = None,
    blend: Annotated[
        str | None,
        typer.Option(
            help="Weights of several spaces that are combined: sound=0.6,metadata=0.2,listens=0.2."
        ),
    ] = None,
    metric: opt.Metric = "cosine",
    kind: Annotated[
        list[GroupKind] | None,
        typer.Option(help="Kind of results, instead of tracks."),
    ] = None,
    min_tracks: Annotated[
        int,
        typer.Option(min=1, help="Minimum number of tracks of an artist, album or genre."),
    ] = 3,
    among_similar_artists: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of most similar artists whose tracks, beside those by the artists of the "
            "queries, are searched.",
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Time span of the query that is compared: 1:20-1:35.")
    ] = None,
    artist: opt.Artist = None,
    album: opt.Album = None,
    genre: opt.Genre = None,
    year: opt.Year = None,
    bpm: opt.Bpm = None,
    bpm_octaves: opt.BpmOctaves = False,
    min_plays: Annotated[
        int | None, typer.Option(min=0, help="Minimum number of plays; see `segue listens`.")
    ] = None,
    max_plays: Annotated[int | None, typer.Option(min=0, help="Maximum number of plays.")] = None,
    max_per_artist: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of results by one artist.")
    ] = None,
    exclude_same_artist: Annotated[
        bool,
        typer.Option("--exclude-same-artist", help="No results by the artist of a query."),
    ] = False,
    exclude_same_album: Annotated[
        bool,
        typer.Option("--exclude-same-album", help="No results from the album of a query."),
    ] = False,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Every copy of a recording, instead of one.")
    ] = False,
    all_sounds: opt.AllSounds = False,
    output: opt.PlaylistOutput = None,
    absolute: opt.Absolute = False,
    play: opt.Play = False,
    no_taste: opt.NoTaste = False,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Find tracks similar to a track, file or description.

    What is no name is read as a description, in English, German, French or Spanish: "calm piano, no
    vocals"; how it is read is printed. After a track, it says how results should differ: "12 but
    sadder, faster". If it is a name as well, "text:calm" is the description.

    The reasons are shares of the similarity and sum to it. With --metric euclidean, the similarity
    is the negative distance: 0 is the same, and the reasons say what makes the difference. With
    --blend, the similarity is the weighted mean of the similarities in several spaces, of which
    `metadata` is one (same artist 0.4, same album 0.3, overlap of genres 0.2, similar year 0.1).
    Where a space has no data, as for a track without listens, the others weigh more.

    A filter that is given several times passes tracks that match any of them: --genre metal --genre
    ambient. Queries can be restricted to a field: artist:nexuiz, album:nexuiz, genre:ambient stand
    for all tracks of that name, and so does --genre ambient alone, without a query.

    Example: segue like "für elise" --max-per-artist 2 -o evening.m3u8

    Example: segue like "calm piano, rainy evening, no vocals"
    """
    fields_are_queries = not queries and not tags
    fields = {"artist": artist, "album": album, "genre": genre} if fields_are_queries else {}
    query = [
        *(queries or ()),
        *(f"{name}:{words}" for name, values in fields.items() for words in values or ()),
    ]
    if not query and not tags:
        raise BadArgument(
            'say what it should be like: a track, a file, or words, as "calm piano, no vocals"'
        )
    if tags and (blend or kind or metric != "cosine"):
        raise BadArgument("--tags goes without --blend, --kind and --metric euclidean")
    if tags and not query and (minus or at or among_similar_artists):
        raise BadArgument("--minus, --at and --among-similar-artists go with a track or a file")
    if kind and len(kind) > 1:
        raise BadArgument(f"--kind {' --kind '.join(kind)}: ask for one kind at a time")
    check_playlist(output, absolute=absolute)
    filters = opt.filters(
        None if fields_are_queries else artist,
        None if fields_are_queries else album,
        None if fields_are_queries else genre,
        year,
        bpm,
        bpm_octaves=bpm_octaves,
        min_plays=min_plays,
        max_plays=max_plays,
        max_per_artist=max_per_artist,
        exclude_same_artist=exclude_same_artist,
        exclude_same_album=exclude_same_album,
        all_sounds=all_sounds,
    )
    weights = opt.parse_weights(blend) if blend else None
    remarks = []
    reading = None
    with open_library(library) as lib:
        if kind:
            if (
                minus or at or blend or output or play or among_similar_artists
                or filters != opt.filters()
            ):  # fmt: skip
                raise BadArgument("--kind goes with -n, --space, --metric and --min-tracks alone")
            groups = lib.similar_groups(
                *query, kind=kind[0], n=n, space=space, metric=metric, min_tracks=min_tracks
            )
            title = f"Like {' + '.join(query_titles(lib, query))}"
            _print_groups(groups, title, kind[0], json=json)
            return
        tag_list = tags.split(",") if tags else []
        if not query:
            title = f"Like {tags}"
            hits = lib.like_tags(
                tag_list, n=n, filters=filters, duplicates=duplicates, taste=not no_taste
            )
        else:
            reading = lib.read_queries(*query)
            remarks.append(reading.remark)
            described = [reading.description.text] if reading.description else []
            names = [*query_titles(lib, reading.names), *described, *([tags] if tags else [])]
            title = f"Like {' + '.join(names)}"
            if reading.names and not (space or weights) and lib.kind(*reading.names) == "score":
                space = lib.default_space(*reading.names, minus=minus or ())
                remarks.append(_score_space_text(space))
            hits = lib.like(
                *query,
                minus=minus or (),
                n=n,
                space=space,
                metric=metric,
                blend=weights,
                at=opt.parse_time_span(at) if at else None,
                filters=filters,
                among_similar_artists=among_similar_artists,
                min_tracks=min_tracks,
                duplicates=duplicates,
                taste=not no_taste,
                tags=tag_list,
            )
        left_out = "" if hits else non_music_text(lib, all_sounds=all_sounds)
        remarks.append(taste_text(lib, hits))
        matched = titles_of_matched_queries(lib, hits)
        remarks.append("" if matched else _hubness_text(hits))
    print_results(
        hits,
        title,
        parts=list(weights or ()),
        like=matched,
        json=json,
        output=output,
        absolute=absolute,
        left_out=left_out,
        reading=reading,
    )
    for remark in filter(None, remarks):
        if not json:
            say(remark)
    if play and hits:
        from segue.cli.play import play_tracks

        with open_library(library) as lib:
            play_tracks(lib, [hit.track for hit in hits])


def _hubness_text(hits: "Sequence[Hit]") -> str:
    """Explain the order of hits whose similarities do not fall; "" if they do."""
    rises = any(after.similarity > before.similarity for before, after in pairwise(hits))
    return HUBS if rises else ""


def _score_space_text(space: str) -> str:
    """Return a remark on the space in which scores were compared by default."""
    if space == "roll-vae":
        return "searched in the space roll-vae, which holds scores in 4/4; see --space"
    return f"searched in the space {space}: roll-vae holds scores in 4/4 alone; see --space"


def _print_groups(hits: "list[GroupHit]", title: str, kind: str, *, json: bool) -> None:
    if json:
        fields = [
            {
                "rank": hit.rank,
                "similarity": hit.similarity,
                "name": hit.name,
                "tracks": hit.tracks,
                "reasons": [reason_fields(reason) for reason in hit.reasons],
            }
            for hit in hits
        ]
        print_json("like-groups", {"kind": kind, "groups": fields})
    elif hits:
        rows = [
            (hit.rank, hit.similarity, hit.name, hit.tracks, format_reasons(hit)) for hit in hits
        ]
        print_table(title, ("", "similarity", kind, "tracks", "why"), rows)
    else:
        say(f"no other {kind} has enough tracks; ask for fewer with --min-tracks")


def print_results(
    hits: "list[Hit]",
    title: str,
    *,
    parts: Sequence[str] = (),
    like: Sequence[str] = (),
    json: bool = False,
    output: Path | None = None,
    absolute: bool = False,
    left_out: str = "",
    reading: "Reading | None" = None,
) -> None:
    """Print results as a table or as JSON, and write them as a playlist.

    Parameters
    ----------
    hits : list of Hit
    title : str
        Title of the table and of the playlist.
    parts : sequence of str
        Names of the spaces that were combined; the share of each has a column of its own.
    like : sequence of str
        Query that each result is similar to, if the queries are far apart.
    json : bool
    output : Path, optional
        Path of the playlist.
    absolute : bool
        Whether paths in the playlist are absolute.
    left_out : str
        Text printed beside the message that there are no results.
    reading : Reading, optional
        How the queries were read.
    """
    if json:
        print_json("like", _result_fields(hits, reading))
    elif hits:
        _print_hits(title, hits, parts, like)
    else:
        say("; ".join(filter(None, ("nothing else passes the filters", left_out))))
    if like and not json:
        say(FAR_APART)
    if output:
        notes = [f"like {query}" for query in like]
        tracks = [hit.track for hit in hits]
        write_playlist(output, tracks, absolute=absolute, quiet=json, notes=notes, title=title)


def _result_fields(hits: "Sequence[Hit]", reading: "Reading | None") -> dict[str, Any]:
    """Return results, and how a description was read, as JSON fields."""
    fields = [
        {
            "rank": hit.rank,
            "similarity": hit.similarity,
            "track": track_fields(hit.track),
            "reasons": [reason_fields(reason) for reason in hit.reasons],
            "asked_with": matched_queries(hit),
        }
        for hit in hits
    ]
    if reading is None or reading.description is None:
        return {"hits": fields, "description": None}
    terms = [
        {"words": term.words, "concept": term.concept.name, "weight": term.weight}
        for term in reading.description.terms
    ]
    unknown = list(reading.description.unknown)
    return {"hits": fields, "description": {"terms": terms, "unknown": unknown}}


def _print_hits(
    title: str, hits: "Sequence[Hit]", parts: Sequence[str], like: Sequence[str]
) -> None:
    """Print a table of hits, with the shares of combined spaces, or else with reasons."""
    rows = []
    for index, hit in enumerate(hits):
        tags = hit.track.tags
        shares = {reason.name: reason.share for reason in hit.reasons}
        rows.append(
            (
                hit.rank,
                hit.similarity,
                *(shares.get(part, "") for part in parts),
                *like[index : index + 1],
                tags.title,
                tags.artist,
                tags.album,
                *([] if parts else [format_reasons(hit)]),
            )
        )
    columns = ["", "similarity", *parts, *(["like"] if like else []), "title", "artist", "album"]
    print_table(title, columns if parts else [*columns, "why"], rows)
    for part in parts:
        if not any(reason.name == part for hit in hits for reason in hit.reasons):
            say(f"{part} does not know the query or these tracks; the other parts weigh more")


def non_music_text(lib: "Library", *, all_sounds: bool) -> str:
    """Say how many tracks are left out because they are not music; "" if there are none."""
    from segue.search.filters import non_music_type

    count = 0 if all_sounds else sum(bool(non_music_type(track)) for track in lib.tracks())
    if not count:
        return ""
    return (
        f"{count_of(count, 'track')} of speech, of noise or under 10 s left out: "
        "--all takes them, too"
    )


def _query_name(query: str) -> str:
    """Return the name of a query in a title; a file without its folder, which is private."""
    return display_path(Path(Path(query).name)) if os.path.lexists(query) else query


def taste_text(lib: "Library", results: "Sequence[Hit | PlaylistItem]") -> str:
    """Say that the user's taste changed the results; "" if it did not."""
    from segue.search.taste import LOVED, SKIPPED

    reasons = {reason.name for result in results for reason in result.reasons}
    ways = [
        f"{way} ({len(tracks)})"
        for way, name, tracks in (
            ("towards what you love", LOVED, lib.taste.loved),
            ("away from what you skip", SKIPPED, lib.taste.skipped),
        )
        if name in reasons
    ]
    return f"leaned {' and '.join(ways)}; --no-taste switches this off" if ways else ""


def query_titles(lib: "Library", queries: "Sequence[str | int | Path]") -> list[str]:
    """Return the names of queries, each once: a track by its title, an artist by name."""
    names = []
    for query in map(str, queries):
        by_file = os.path.lexists(query) or not lib.contains(query)
        tracks = [] if by_file else lib.find(query)
        if len(tracks) == 1:
            names.append(tracks[0].tags.title or _query_name(query))
        else:
            names.append(
                _query_name(query) if by_file else query.partition(":")[2].strip() or query
            )
    return list({name.casefold(): name for name in reversed(names)}.values())[::-1]


def titles_of_matched_queries(lib: "Library", results: "Sequence[Hit | PlaylistItem]") -> list[str]:
    """Return the query that each result is similar to; nothing if queries are combined."""
    matched = dict.fromkeys(result.asked_with for result in results)
    titles = {
        queries: " + ".join(query_titles(lib, list(map(str, queries)))) for queries in matched
    }
    return [titles[result.asked_with] for result in results] if any(matched) else []
