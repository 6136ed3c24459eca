"""The command `play`, and the option `--play` of commands that find tracks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import count_of, say
from segue.errors import BadArgument, NotFound

if TYPE_CHECKING:
    from segue.library import Library
    from segue.records import Track

#: Environment variable that names the player.
PLAYER: Final = "SEGUE_PLAYER"
#: Players that open a playlist file, in the order in which they are tried; the last ones open
#: it in the desktop's default program.
_PLAYERS: Final = {
    "mpv": ["--force-window=no"],
    "vlc": [],
    "mplayer": ["-playlist"],
    "open": [],
    "xdg-open": [],
}
_FOLDER: Final = "playing"


@command("Search")
def play(
    queries: opt.Queries = None,
    player: Annotated[
        str | None,
        typer.Option(
            help="Program that plays; by default $SEGUE_PLAYER, mpv, VLC or the system's one."
        ),
    ] = None,
    library: opt.Library = None,
) -> None:
    """Play tracks of the library in a media player.

    The player gets a playlist of the tracks that the queries name; Ctrl-C ends it. Scores are
    synthesised with the General MIDI sound font. To play what is alike, use `segue like 12 --play`
    or `segue playlist 12 --play`.

    Example: segue play "für elise" 12
    """
    if not queries:
        raise BadArgument("say what to play: a track, an artist:name or an album:name")
    with open_library(library) as lib:
        tracks = [track for query in queries for track in lib.find(query)]
        play_tracks(lib, tracks, player)


def play_tracks(lib: "Library", tracks: "Sequence[Track]", player: str | None = None) -> None:
    """Play tracks in a media player, and wait until it ends.

    Parameters
    ----------
    lib : Library
    tracks : sequence of Track
    player : str, optional
        Program to use.

    Raises
    ------
    NotFound
        There is no player, or nothing that can be played.
    """
    from dataclasses import replace

    from segue.io.playlists import write_playlist

    command_line = _find_player(player or os.environ.get(PLAYER, ""))
    folder = _empty_folder(lib.folder / "derived" / _FOLDER)
    playable = []
    for track in tracks:
        if track.kind == "score":
            playable.append(replace(track, path=_synthesise(lib, track, folder)))
        elif track.kind == "sound" and track.path.exists():
            playable.append(_part(track, folder) if track.passage else track)
    if not playable:
        raise NotFound("none of these tracks can be played: their files are gone, or have no sound")
    file = folder / "playing.m3u8"
    write_playlist(file, playable, absolute=True)
    say(f"playing {count_of(len(playable), 'track')} in {Path(command_line[0]).name}")
    if len(playable) < len(tracks):
        say(f"left out {count_of(len(tracks) - len(playable), 'track')} without sound")
    sys.stderr.flush()
    try:
        # The player is the user's own choice, and the file is ours.
        done = subprocess.run([*command_line, str(file)], check=False)  # noqa: S603
    except OSError as error:
        raise NotFound(f"cannot start {command_line[0]} ({error.strerror})") from None
    except KeyboardInterrupt:
        return
    if done.returncode > 0:
        raise NotFound(f"{command_line[0]} ended with an error; choose another --player")


def _empty_folder(folder: Path) -> Path:
    """Return an empty folder, which stays, since some players go on after they have returned."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError:  # the library is read-only
        from tempfile import mkdtemp

        return Path(mkdtemp(prefix="segue-"))
    return folder


def _find_player(name: str) -> list[str]:
    """Return the command line of a player, without the playlist."""
    for candidate in [name] if name else _PLAYERS:
        path = shutil.which(candidate)
        if path:
            return [path, *_PLAYERS.get(Path(candidate).name, [])]
    if name:
        raise NotFound(f"there is no program {name!r} to play with; name another with --player")
    raise NotFound("no media player was found; install mpv or VLC, or name one with --player")


def _part(track: "Track", folder: Path) -> "Track":
    """Return a track of a divided file with a file of its own, since few players know parts."""
    from dataclasses import replace

    from segue.web.transcode import write_passage

    target = folder / f"{track.id}.flac"
    if track.passage:
        write_passage(track.path, track.passage, target)
    return replace(track, path=target, tune=0)


def _synthesise(lib: "Library", track: "Track", folder: Path) -> Path:
    from segue.cli.output_files import write_music

    target = folder / f"{track.id}.wav"
    write_music(lib.scores.read(track.id), target)
    return target
