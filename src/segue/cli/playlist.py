"""The commands `path` and `playlist`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, count_progress, open_library, seed_or_new
from segue.cli.like import (
    FAR_APART,
    non_music_text,
    query_titles,
    taste_text,
    titles_of_matched_queries,
)
from segue.cli.output import (
    count_of,
    format_duration,
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
    from segue.explore.path import TrackPath
    from segue.explore.playlist import PlaylistItem
    from segue.records import Track


@command("Search")
def path(
    start: opt.Track,
    goal: opt.Track,
    n: Annotated[
        int, typer.Option("-n", min=2, help="Number of tracks, including both ends.")
    ] = 20,
    space: opt.Space = None,
    all_sounds: opt.AllSounds = False,
    output: opt.PlaylistOutput = None,
    absolute: opt.Absolute = False,
    no_taste: opt.NoTaste = False,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Find a path from one track to another in small steps.

    The path only goes forward: from track to track, the distance to the start minus the distance to
    the goal grows. No artist comes twice in a row unless there is no other way. A step is a
    distance between 0 for the same and 2; two unrelated tracks have a distance of 1.41. Tracks that
    you skip are not on the path.

    Example: segue path "für elise" "smoke on the water" -n 12 -o journey.m3u8
    """
    check_playlist(output, absolute=absolute)
    with open_library(library) as lib:
        space = space or lib.default_space(start, goal)
        route = lib.journeys.path(
            start, goal, n, space=space, taste=not no_taste, all_sounds=all_sounds
        )
        left_out = ""
        if len(route.tracks) < n:
            left_out = non_music_text(lib, all_sounds=all_sounds)
    steps = [0.0, *route.steps]
    title = f"From {route.tracks[0].tags.title} to {route.tracks[-1].tags.title}"
    if output:
        write_playlist(
            output,
            route.tracks,
            absolute=absolute,
            quiet=json,
            notes=["", *(f"step {step:.2f}" for step in route.steps)],
            title=title,
            caption=count_of(len(route.tracks), "track"),
        )
    if json:
        listed = [
            {"track": track_fields(track), "step": step, "progress": share}
            for track, step, share in zip(route.tracks, steps, route.progress, strict=True)
        ]
        fields = {
            "space": space,
            "largest_step": route.largest_step,
            "direct": route.direct,
            "shorter": route.shorter,
            "tracks": listed,
        }
        print_json("path", fields)
    else:
        _print_path(route, title, steps)
        if len(route.tracks) < n:
            too_few = f"no more than {count_of(len(route.tracks), 'track')} are on the way"
            say("; ".join(filter(None, (too_few, left_out))))


def _print_path(route: "TrackPath", title: str, steps: Sequence[float]) -> None:
    rows = [
        (number, step or "", track.tags.title, track.tags.artist, track.tags.album)
        for number, (track, step) in enumerate(zip(route.tracks, steps, strict=True), start=1)
    ]
    print_table(title, ("", "step", "title", "artist", "album"), rows)
    if route.steps:
        index = route.steps.index(route.largest_step)
        say(f"largest step {route.largest_step:.2f}, from {index + 1} to {index + 2}")
    if route.shorter:
        say(
            f"the steps are no smaller than the whole way at once ({route.direct:.2f}): too few "
            f"tracks lie between these two for {len(rows)}; try -n {route.shorter}"
        )
    if route.same_artist:
        say(
            f"{count_of(route.same_artist, 'time')} an artist comes twice in a row: with "
            f"{len(rows)} of the tracks that lie between there is no other way"
        )


@command("Search")
def playlist(
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--like",
            help="Track id, file, words of a title, artist, album or genre, or a description; "
            "repeatable. Several are combined, or answered in turn if they are far apart.",
        ),
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", min=1, help="Number of tracks; by default 30.")
    ] = None,
    length_minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, help="Maximum length in minutes, instead of -n."),
    ] = None,
    flow: Annotated[
        Literal["smooth", "rise", "shuffle", "dj"],
        typer.Option(
            help="Order of the tracks: small steps, rising energy, random, or tempos and keys that "
            "mix."
        ),
    ] = "smooth",
    surprise: Annotated[
        float, typer.Option(min=0, max=1, help="Randomness of the choice, from 0 to 1.")
    ] = 0.3,
    max_per_artist: Annotated[
        int, typer.Option(min=1, help="Maximum number of results by one artist.")
    ] = 3,
    artist: opt.Artist = None,
    album: opt.Album = None,
    genre: opt.Genre = None,
    year: opt.Year = None,
    bpm: opt.Bpm = None,
    bpm_octaves: opt.BpmOctaves = False,
    all_sounds: opt.AllSounds = False,
    seed: opt.NewSeed = None,
    versions: Annotated[
        bool,
        typer.Option("--versions", help="Several versions of one piece, as in other keys."),
    ] = False,
    fill: Annotated[
        bool,
        typer.Option("--fill", help="Dissimilar tracks as well, to fill --minutes."),
    ] = False,
    space: opt.Space = None,
    output: opt.PlaylistOutput = None,
    absolute: opt.Absolute = False,
    play: opt.Play = False,
    no_taste: opt.NoTaste = False,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Make a playlist of similar tracks in an order that flows.

    A single track given with --like is on the list, and comes first with --flow smooth and dj.
    Duplicates and other versions of a piece are left out; files that may hold such are read for it
    the first time. With --flow dj, the tempo of each track is within 6 per cent of the one before
    (half and double tempo count as the same), and its key is a neighbour on the Camelot wheel,
    where there is one.

    Example: segue playlist --like 12 --like "moonlight" --minutes 60 -o evening.html
    """
    from segue.explore.playlist import MIN_FILLED, PlaylistOptions

    if not like:
        raise BadArgument('say what it should be like: --like "für elise", an id or a file')
    check_playlist(output, absolute=absolute)
    chosen_seed = seed_or_new(seed)
    options = PlaylistOptions(
        n, length_minutes, flow, surprise, max_per_artist, chosen_seed, versions, fill
    )
    filters = opt.filters(
        artist, album, genre, year, bpm, bpm_octaves=bpm_octaves, all_sounds=all_sounds
    )
    with open_library(library) as lib:
        with count_progress("reading, to leave out other versions") as watch:
            items = lib.journeys.playlist(
                *like,
                options=options,
                space=space,
                filters=filters,
                taste=not no_taste,
                watch=watch,
            )
        taste = taste_text(lib, items)
        reading = lib.read_queries(*like)
        described = [reading.description.text] if reading.description else []
        title = f"Like {' + '.join([*query_titles(lib, reading.names), *described])}"
        matched = titles_of_matched_queries(lib, items)
        only_queries = len(items) < 2
        left_out = non_music_text(lib, all_sounds=all_sounds) if only_queries else ""
    tracks = [item.track for item in items]
    length_s = sum(track.duration_s for track in tracks)
    summary = f"{count_of(len(tracks), 'track')}, {format_duration(length_s)}"
    if output:
        write_playlist(
            output,
            tracks,
            absolute=absolute,
            quiet=json,
            notes=[_tempo_and_key(track) for track in tracks],
            title=title,
            caption=summary,
        )
    if json:
        listed = [_item_fields(item) for item in items]
        print_json("playlist", {"seed": chosen_seed, "flow": flow, "tracks": listed})
        return
    _print_items(f"{title}: {summary}", items, matched, flow)
    if items and length_minutes and not fill and length_s < MIN_FILLED * 60 * length_minutes:
        say(
            f"it ends before {length_minutes:g} minutes: no other similar track fits; --fill "
            "continues with others"
        )
    if not items:
        say("nothing passes: ask for less with --genre, --year and --bpm, or for more --minutes")
    for line in filter(None, (reading.remark, left_out, FAR_APART if matched else "", taste)):
        say(line)
    if play and tracks:
        from segue.cli.play import play_tracks

        with open_library(library) as lib:
            play_tracks(lib, tracks)
    if seed is None and options.by_chance and items:
        say(f"for this list again: --seed {chosen_seed}")


def _item_fields(item: "PlaylistItem") -> dict[str, Any]:
    from segue.explore.playlist import camelot_key

    return {
        "track": track_fields(item.track),
        "similarity": item.similarity,
        "reasons": [reason_fields(reason) for reason in item.reasons],
        "step": item.step,
        "mixes": item.mixes,
        "tempo_bpm": item.track.facts.get("tempo_bpm"),
        "camelot": camelot_key(item.track),
        "energy": item.energy,
        "alike": item.similar,
        "asked_with": matched_queries(item),
    }


def _print_items(
    title: str, items: "Sequence[PlaylistItem]", matched: Sequence[str], flow: str
) -> None:
    """Print the tracks, transitions that do not mix, and how many tracks are not similar."""
    from segue.explore.playlist import camelot_key

    rows = [
        (
            number,
            item.similarity,
            item.step or "",
            *matched[number - 1 : number],
            *([f"{item.energy:.2f}"] if flow == "rise" else []),
            round(float(item.track.facts.get("tempo_bpm") or 0)) or "",
            camelot_key(item.track) + ("" if item.mixes or number == 1 or flow != "dj" else " !"),
            item.track.tags.title,
            item.track.tags.artist,
        )
        for number, item in enumerate(items, start=1)
    ]
    energy = ["energy"] if flow == "rise" else []
    like_which = ["like"] if matched else []
    columns = ("", "similarity", "step", *like_which, *energy, "bpm", "key", "title", "artist")
    print_table(title, columns, rows)
    clashes = sum(not item.mixes for item in items[1:])
    if flow == "dj" and clashes:
        say(f"{clashes} of {len(items) - 1} transitions do not mix (!): no track that was left did")
    dissimilar = [item.similarity for item in items if not item.similar]
    if dissimilar and len(dissimilar) < len(items) - 1:
        verb = "is" if len(dissimilar) == 1 else "are"
        say(
            f"{len(dissimilar)} of {count_of(len(items), 'track')}, of similarity "
            f"{max(dissimilar):.2f} and less, {verb} no more similar than an average track of the "
            f"library: for a list of similar tracks, ask for {len(items) - len(dissimilar)}"
        )


def _tempo_and_key(track: "Track") -> str:
    from segue.explore.playlist import camelot_key

    tempo = float(track.facts.get("tempo_bpm") or 0)
    return " · ".join(
        part for part in (f"{tempo:.0f} bpm" if tempo else "", camelot_key(track)) if part
    )
