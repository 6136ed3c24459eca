"""The command `path`."""

from typing import Annotated

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.like import non_music_text
from segue.cli.output import count_of, print_json, print_table, say, track_fields
from segue.cli.output_files import check_playlist, write_playlist


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
        return
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
    if len(route.tracks) < n:
        too_few = f"no more than {count_of(len(rows), 'track')} are on the way"
        say("; ".join(filter(None, (too_few, left_out))))
