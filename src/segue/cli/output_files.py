"""Files that commands write: their paths checked before anything is computed, then written."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from segue.cli.output import count_of, display_path, say
from segue.errors import BadArgument
from segue.files import resolve_link
from segue.render import FIGURE_SUFFIXES, PAGE_SUFFIXES

if TYPE_CHECKING:
    from segue.generate.compose.humanise import HumaniseOptions
    from segue.records import Score, Track
    from segue.score.harmony import Chord

SCORE_SUFFIXES: Final = (".mid", ".musicxml", ".mxl", ".abc")
#: Formats that a score can be written, played or drawn as.
MUSIC_SUFFIXES: Final = (*SCORE_SUFFIXES, ".wav", *FIGURE_SUFFIXES)
AUDIO_RATE_HZ: Final = 44_100


def check_inputs(paths: Sequence[Path]) -> None:
    """Refuse paths that do not exist, before a library is made for them."""
    for path in paths:
        if not os.path.lexists(path.expanduser()):
            raise BadArgument(f"there is no file or folder {display_path(path)}")


def check_target(target: Path | None, suffixes: Sequence[str]) -> None:
    """Refuse an output file that cannot be written, before anything is computed for it."""
    if target is None:
        return
    if target.suffix.lower() not in suffixes:
        raise BadArgument(f"{display_path(target)}: name a file that ends in {', '.join(suffixes)}")
    resolve_link(target)
    _check_writable(target, target.parent)


def check_playlist(target: Path | None, *, absolute: bool) -> None:
    """Refuse a playlist that `write_playlist` cannot write; its folder need not exist."""
    from segue.io.playlists import ENDINGS

    if target is None:
        return
    suffix, suffixes = target.suffix.lower(), (*ENDINGS, PAGE_SUFFIXES[0])
    if suffix not in (*suffixes, *PAGE_SUFFIXES):
        raise BadArgument(
            f"{display_path(target)} is no playlist; name it {', '.join(suffixes[:-1])} or, for a "
            f"page that plays it, {suffixes[-1]}"
        )
    if absolute and suffix in PAGE_SUFFIXES:
        raise BadArgument(
            "--absolute goes with playlists: a page never holds whole paths of this machine; "
            "leave it out, or write .m3u8, .pls, .xspf or .json"
        )
    folder = next(above for above in target.absolute().parents if os.path.lexists(above))
    _check_writable(target, folder)


def _check_writable(target: Path, folder: Path) -> None:
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadArgument(
            f"{display_path(target)} cannot be written; is {display_path(folder)} a folder of "
            "yours?"
        )


def make_folder(folder: Path) -> None:
    """Create a folder for output files, with those above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadArgument(
            f"cannot make the folder {display_path(folder)}: {error.strerror}; name another one"
        ) from None


def music_outputs(
    outputs: Iterable[Path], *, wav: bool, png: bool, report: Path | None
) -> list[Path]:
    """Check the output files of generated music, and return those of the music.

    The old flags --wav and --png add a file beside the first one.
    """
    files = list(outputs)
    files += [files[0].with_suffix(".wav")] if wav else []
    files += [files[0].with_suffix(".png")] if png else []
    for target in files:
        check_target(target, MUSIC_SUFFIXES)
    check_target(report, (".json",))
    return list(dict.fromkeys(files))


def keep_input(query: str, outputs: Iterable[Path]) -> None:
    """Refuse to write over the file that a command reads."""
    source = Path(query).expanduser()
    for target in outputs:
        if target.exists() and source.exists() and target.samefile(source):
            raise BadArgument(f"{display_path(target)} is the input; name another output file")


def numbered(outputs: Iterable[Path], number: int) -> list[Path]:
    """Add a number to the names of output files."""
    return [file.with_stem(f"{file.stem}-{number}") for file in outputs]


def write_music(
    score: "Score",
    target: Path,
    chords: "Sequence[Chord] | None" = None,
    performance: "HumaniseOptions | None" = None,
) -> None:
    """Write a score in a format of scores, as audio, or as a piano roll, by the file's suffix.

    Parameters
    ----------
    score : Score
    target : Path
        Output file, with one of `MUSIC_SUFFIXES`.
    chords : sequence of Chord, optional
        Chords that a piano roll names; by default those written in the score, or estimated.
    performance : HumaniseOptions, optional
        How MIDI and audio play the score; by default as it is written.
    """
    if performance and target.suffix.lower() in (".mid", ".wav"):
        from segue.generate.compose.humanise import humanise

        score = humanise(score, performance)
    if target.suffix.lower() in SCORE_SUFFIXES:
        from segue.io.scores import write_score
        from segue.score.harmony import with_estimated_key

        write_score(with_estimated_key(score), target)
    elif target.suffix.lower() == ".wav":
        from segue.io.audio import write_wav
        from segue.score.synthesis import synthesise

        write_wav(target, synthesise(score, AUDIO_RATE_HZ), AUDIO_RATE_HZ)
    else:
        from segue.render.piano_roll_plots import draw_piano_roll

        draw_piano_roll(score, target, chords=chords)


def write_playlist(
    target: Path,
    tracks: "Sequence[Track]",
    *,
    absolute: bool = False,
    quiet: bool = False,
    notes: Sequence[str] = (),
    title: str = "",
    caption: str = "",
) -> None:
    """Write tracks as a playlist or, to .html, as a page that plays them."""
    make_folder(target.parent)
    if target.suffix.lower() in PAGE_SUFFIXES:
        from segue.render.pages import write_playlist_page as write_page

        write_page(tracks, notes or [""] * len(tracks), target, title, caption)
    else:
        from segue.io import playlists

        playlists.write_playlist(target, tracks, absolute=absolute)
    if not quiet:
        say(f"wrote {count_of(len(tracks), 'track')} to {display_path(target)}")


def write_report(target: Path | None, fields: Any) -> None:
    """Write a report as JSON, if there is a path for it."""
    if target:
        from segue.files import write_text

        write_text(json.dumps(fields, ensure_ascii=False, indent=2) + "\n", target)
