"""The commands `playlist` and `path`, and taste."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
    NoTaste,
    Output,
    Queries,
    SpaceOption,
    TempoFilter,
    YearFilter,
    app,
    counting,
    open_library,
    parse_tempos,
    parse_years,
)
from segue.cli.like import (
    FAR_APART,
    check_list,
    leaning_told,
    no_music_told,
    titles,
    what_each_is_like,
    write_list,
)
from segue.cli.output import (
    asked_with,
    counted,
    label,
    minutes,
    print_json,
    print_table,
    reason_fields,
    say,
    track_fields,
)
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Track


@app.command()
def path(
    start: Annotated[str, typer.Argument(help="A track's id, its file, or words of its title.")],
    goal: Annotated[str, typer.Argument(help="Likewise.")],
    n: Annotated[int, typer.Option("-n", min=2, help="How many tracks, both ends counted.")] = 20,
    space: SpaceOption = None,
    all_sounds: AllSounds = False,
    output: Output = None,
    absolute: Absolute = False,
    no_taste: NoTaste = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Travel from one track to another in small steps.

    It only goes forward: from track to track the distance to the start, less that to the goal,
    grows. No artist comes twice in a row unless there is no other way. A step is a distance
    between 0, the same, and 2: two tracks that have nothing in common are 1.41 apart. What you
    skip is not on the way.

    Example: segue path "für elise" "smoke on the water" -n 12 -o journey.m3u8
    """
    check_list(output, absolute=absolute)
    with open_library(library) as lib:
        space = space or lib.default_space(start, goal)
        found = lib.journeys.path(
            start, goal, n, space=space, taste=not no_taste, all_sounds=all_sounds
        )
        left_out = ""
        if len(found.tracks) < n:
            left_out = no_music_told(lib, all_sounds=all_sounds)
    steps = [0.0, *found.steps]
    if output:
        write_list(
            output,
            found.tracks,
            absolute=absolute,
            quiet=json,
            notes=["", *(f"step {step:.2f}" for step in found.steps)],
            title=f"From {found.tracks[0].tags.title} to {found.tracks[-1].tags.title}",
            caption=counted(len(found.tracks), "track"),
        )
    if json:
        listed = [
            {"track": track_fields(track), "step": step, "progress": progress}
            for track, step, progress in zip(found.tracks, steps, found.progress, strict=True)
        ]
        fields = {
            "space": space,
            "largest_step": found.largest_step,
            "direct": found.direct,
            "shorter": found.shorter,
            "tracks": listed,
        }
        print_json("path", fields)
        return
    rows = [
        (number, step or "", track.tags.title, track.tags.artist, track.tags.album)
        for number, (track, step) in enumerate(zip(found.tracks, steps, strict=True), start=1)
    ]
    title = f"From {found.tracks[0].tags.title} to {found.tracks[-1].tags.title}"
    print_table(title, ("", "step", "title", "artist", "album"), rows)
    if found.steps:
        at = found.steps.index(found.largest_step)
        say(f"largest step {found.largest_step:.2f}, from {at + 1} to {at + 2}")
    if found.shorter:
        say(
            f"the steps are no smaller than the whole way at once ({found.direct:.2f}): too few "
            f"tracks lie between these two for {len(rows)}; try -n {found.shorter}"
        )
    if found.same_artist:
        say(
            f"{counted(found.same_artist, 'time')} an artist comes twice in a row: with "
            f"{len(rows)} of the tracks that lie between there is no other way"
        )
    if len(found.tracks) < n:
        short = f"no more than {counted(len(rows), 'track')} are on the way"
        say("; ".join(filter(None, (short, left_out))))


@app.command()
def playlist(
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--like",
            help="Track ids, files, words of a title; several blend, or take turns if far apart.",
        ),
    ] = None,
    n: Annotated[int | None, typer.Option("-n", min=1, help="How many tracks; else 30.")] = None,
    length_minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", min=0, help="How long at most, instead; longer tracks are left out."
        ),
    ] = None,
    flow: Annotated[
        Literal["smooth", "rise", "shuffle", "dj"],
        typer.Option(help="Small steps; rising energy; no order; tempos and keys that mix."),
    ] = "smooth",
    surprise: Annotated[float, typer.Option(min=0, max=1, help="How far it may reach.")] = 0.3,
    max_per_artist: Annotated[int, typer.Option(min=1, help="Tracks of one artist at most.")] = 3,
    artist: ArtistFilter = None,
    album: AlbumFilter = None,
    genre: GenreFilter = None,
    year: YearFilter = None,
    bpm: TempoFilter = None,
    bpm_octaves: BpmOctaves = False,
    all_sounds: AllSounds = False,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="For the same list again; else another each time."),
    ] = None,
    versions: Annotated[
        bool,
        typer.Option("--versions", help="Keep several versions of one piece, in other keys say."),
    ] = False,
    fill: Annotated[
        bool,
        typer.Option("--fill", help="With --minutes: go on where nothing more is alike."),
    ] = False,
    space: SpaceOption = None,
    output: Output = None,
    absolute: Absolute = False,
    no_taste: NoTaste = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Make a playlist of what is like some tracks, in an order that flows.

    A single track that it should be like is on the list, and opens it with --flow smooth and dj.
    Copies and other versions of a piece are left out; files that may hold such are read for it
    the first time.
    With --flow dj each track's tempo is within 6 per cent of the one before (double and half
    count as the same), and its key is a neighbour on the Camelot wheel, where there is one.

    Example: segue playlist --like 12 --like "moonlight" --minutes 60 -o evening.html
    """
    from segue.explore.playlist import MIN_FILLED, PlaylistOptions, camelot_key
    from segue.search.filters import Filters

    if not like:
        raise BadArgument('say what it should be like: --like "für elise", an id or a file')
    check_list(output, absolute=absolute)
    drawn = secrets.randbelow(10**6) if seed is None else seed
    options = PlaylistOptions(
        n, length_minutes, flow, surprise, max_per_artist, drawn, versions, fill
    )
    filters = Filters(
        artist=tuple(artist or ()),
        album=tuple(album or ()),
        genre=tuple(genre or ()),
        year=tuple(map(parse_years, year or ())) or None,
        bpm=tuple(map(parse_tempos, bpm or ())) or None,
        bpm_octaves=bpm_octaves,
        all_sounds=all_sounds,
    )
    with open_library(library) as lib:
        with counting("reading, to leave out other versions") as watch:
            items = lib.journeys.playlist(
                *like,
                options=options,
                space=space,
                filters=filters,
                taste=not no_taste,
                watch=watch,
            )
        leaned = leaning_told(lib, items)
        title = f"Like {' + '.join(titles(lib, like))}"
        each = what_each_is_like(lib, items)
        few = len(items) < 2  # what is asked with comes first
        left_out = no_music_told(lib, all_sounds=all_sounds) if few else ""
    tracks = [item.track for item in items]
    length_s = sum(track.duration_s for track in tracks)
    told = f"{counted(len(tracks), 'track')}, {minutes(length_s)}"
    if output:
        write_list(
            output,
            tracks,
            absolute=absolute,
            quiet=json,
            notes=[_tempo_and_key(track) for track in tracks],
            title=title,
            caption=told,
        )
    if json:
        listed = [
            {
                "track": track_fields(item.track),
                "similarity": item.similarity,
                "reasons": [reason_fields(reason) for reason in item.reasons],
                "step": item.step,
                "mixes": item.mixes,
                "tempo_bpm": item.track.facts.get("tempo_bpm"),
                "camelot": camelot_key(item.track),
                "energy": item.energy,
                "alike": item.similar,
                "asked_with": asked_with(item),
            }
            for item in items
        ]
        print_json("playlist", {"seed": drawn, "flow": flow, "tracks": listed})
        return
    rows = [
        (
            number,
            item.similarity,
            item.step or "",
            *each[number - 1 : number],
            *([f"{item.energy:.2f}"] if flow == "rise" else []),
            round(float(item.track.facts.get("tempo_bpm") or 0)) or "",
            camelot_key(item.track) + ("" if item.mixes or number == 1 or flow != "dj" else " !"),
            item.track.tags.title,
            item.track.tags.artist,
        )
        for number, item in enumerate(items, start=1)
    ]
    energy = ["energy"] if flow == "rise" else []
    like_which = ["like"] if each else []
    columns = ("", "similarity", "step", *like_which, *energy, "bpm", "key", "title", "artist")
    print_table(f"{title}: {told}", columns, rows)
    clashes = sum(not item.mixes for item in items[1:])
    if flow == "dj" and clashes:
        say(f"{clashes} of {len(items) - 1} transitions do not mix (!): no track that was left did")
    unlike = [item.similarity for item in items if not item.similar]
    if unlike and len(unlike) < len(items) - 1:
        say(
            f"{len(unlike)} of {counted(len(items), 'track')}, of similarity {max(unlike):.2f} and "
            f"less, {'is' if len(unlike) == 1 else 'are'} no more like it than an average track of "
            f"the library: for a list of what is alike, ask for {len(items) - len(unlike)}"
        )
    if items and length_minutes and not fill and length_s < MIN_FILLED * 60 * length_minutes:
        say(
            f"it ends before {length_minutes:g} minutes: nothing more fits that is alike; --fill "
            "goes on with what is not"
        )
    if not items:
        say("nothing passes: ask for less with --genre, --year and --bpm, or for more --minutes")
    if left_out:
        say(left_out)
    for line in filter(None, (FAR_APART if each else "", leaned)):
        say(line)
    if seed is None and options.by_chance and items:
        say(f"for this list again: --seed {drawn}")


@app.command()
def love(queries: Queries = None, library: LibraryOption = None, json: JsonOption = False) -> None:
    """Remember that you love tracks: `like` and `playlist` lean towards them.

    Example: segue love "für elise"
    """
    _tell(queries, library, "loved", json=json)


@app.command()
def skip(queries: Queries = None, library: LibraryOption = None, json: JsonOption = False) -> None:
    """Remember that you skip tracks: `like` and `playlist` lean away from them.

    Example: segue skip 17
    """
    _tell(queries, library, "skipped", json=json)


@app.command()
def forget(
    queries: Queries = None, library: LibraryOption = None, json: JsonOption = False
) -> None:
    """Forget that tracks are loved or skipped.

    Those that were are listed.

    Example: segue forget 17
    """
    _tell(queries, library, "forgotten", json=json)


@app.command()
def taste(library: LibraryOption = None, json: JsonOption = False) -> None:
    """List what you love and what you skip.

    Example: segue taste
    """
    with open_library(library) as lib:
        known = {"loved": lib.taste.loved, "skipped": lib.taste.skipped}
    if json:
        fields = {done: [track_fields(track) for track in them] for done, them in known.items()}
        print_json("taste", fields)
        return
    rows = [
        (track.id, done, track.tags.title, track.tags.artist)
        for done, them in known.items()
        for track in them
    ]
    print_table(counted(len(rows), "track"), ("id", "", "title", "artist"), rows)


def _tell(queries: Sequence[str] | None, library: Path | None, done: str, *, json: bool) -> None:
    if not queries:
        raise BadArgument("name at least one track: an id, its file, or words of its title")
    with open_library(library) as lib:
        action = {
            "loved": lib.taste.love,
            "skipped": lib.taste.skip,
            "forgotten": lib.taste.forget,
        }[done]
        tracks = action(*queries)
    if json:
        print_json("taste", {done: [track_fields(track) for track in tracks]})
        return
    for track in tracks:
        say(f"{done}: {track.id}  {label(track)}")
    if not tracks:
        say("nothing to forget: none of these is loved or skipped")


def _tempo_and_key(track: "Track") -> str:
    from segue.explore.playlist import camelot_key

    tempo = float(track.facts.get("tempo_bpm") or 0)
    return " · ".join(
        part for part in (f"{tempo:.0f} bpm" if tempo else "", camelot_key(track)) if part
    )
