"""The commands `twins`, `versions` and `outliers`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli.app import (
    AllSounds,
    JsonOption,
    LibraryOption,
    SpaceOption,
    app,
    live_line,
    open_library,
)
from segue.cli.like import write_list
from segue.cli.output import minutes, print_json, print_table, say, shown, track_fields

if TYPE_CHECKING:
    from segue.explore.covers import VersionReport
    from segue.explore.outliers import SameTune
    from segue.records import Span, Track

_TEMPO_TOLD: Final = 0.02  # what an alignment can tell


@app.command()
def twins(
    versions: Annotated[
        bool,
        typer.Option(help="Look for other versions too; the first time, every file is read."),
    ] = True,
    m3u: Annotated[
        Path | None,
        typer.Option(help="Write the files that one could do without: all but the best of each."),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List pairs of files that hold the same recording or tune, or likely versions of a piece.

    Other formats, bit rates and loudness count as the same recording, and ends cut by a few
    seconds. The likeness of two fingerprints is 1 where all bits agree, about 0 for unrelated
    recordings; from 0.65 on it is one recording. Of each pair the better file is marked, where
    it clearly is: whole before cut, without loss before with, then by bit rate and format. That
    a file was made from a worse one cannot be told.

    Versions may be in another key or tempo, by other instruments or other players. Their
    likeness is the share of the shorter one through which both take the same course of pitches:
    1 throughout, about 0.1 for unrelated pieces; listed from 0.4 on. Simple music on the same
    few chords may be listed too: listen.

    Of two scores it is the share of their runs of seven notes that both have, in whatever key,
    rhythm and instruments: 1 for the same notes, listed from 0.15 on.

    Example: segue twins --no-versions
    """
    from segue.explore.outliers import better_file, redundant_files

    with open_library(library) as lib:
        found, tunes = lib.atlas.duplicates(), lib.atlas.same_tunes()
        kinds = lib.kinds()
        others = None
        if versions:
            with live_line("") as show:
                others = lib.atlas.versions(
                    found,
                    read=lambda done, total: show("reading", done, total),
                    compared=lambda done, total: show("comparing", done, total),
                )
    if m3u:
        write_list(m3u, redundant_files(found), quiet=json)
    if json:
        fields = [
            {
                "first": track_fields(twin.first),
                "second": track_fields(twin.second),
                "first_file": _stored(twin.first),
                "second_file": _stored(twin.second),
                "better": better_file(twin.first, twin.second) or None,
                "likeness": twin.similarity,
                "lag_s": twin.lag_s,
                "overlap_s": twin.overlap_s,
                "same_content": twin.same_content,
            }
            for twin in found
        ]
        told = {
            "twins": fields,
            "versions": _version_fields(others) if others else None,
            "tunes": [
                {
                    "first": track_fields(pair.first),
                    "second": track_fields(pair.second),
                    "likeness": pair.similarity,
                    "same_content": pair.same_content,
                }
                for pair in tunes
            ],
            "failures": [
                {"path": shown(failure.path), "reason": failure.reason}
                for failure in (others.failures if others else ())
            ],
            "left_out": others.left_out if others else 0,
        }
        print_json("twins", told)
        return
    if kinds.get("score"):
        _say_tunes(tunes)
    if "sound" not in kinds and kinds:
        return
    where, names = _files([(twin.first, twin.second) for twin in found])
    rows = [
        (
            "equal files" if twin.same_content else f"{twin.similarity:.2f}",
            f"{twin.lag_s:+.1f} s",
            f"{twin.overlap_s:.0f} s",
            _marked(files[0], twin.first, better=better_file(twin.first, twin.second) == "first"),
            _marked(files[1], twin.second, better=better_file(twin.first, twin.second) == "second"),
        )
        for twin, files in zip(found, names, strict=True)
    ]
    print_table(
        f"{len(rows)} pairs of one recording{where}; * the better file",
        ("likeness", "later by", "compared", "first", "second"),
        rows,
    )
    if others:
        _say_versions(others)


@app.command()
def outliers(
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
    space: SpaceOption = None,
    all_sounds: AllSounds = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the tracks that are least like any other.

    "Times as far" says how much farther their ten nearest tracks are than is usual around there:
    1 is usual.

    Example: segue outliers -n 5
    """
    with open_library(library) as lib:
        space = space or lib.default_space()
        found = lib.atlas.outliers(n, space=space, all_sounds=all_sounds)
    if json:
        fields = [
            {
                "track": track_fields(one.track),
                "apart": one.factor,
                "nearest": track_fields(one.nearest),
                "similarity": one.similarity,
            }
            for one in found
        ]
        print_json("outliers", {"space": space, "outliers": fields})
        return
    rows = [
        (
            one.factor,
            one.track.id,
            one.track.tags.title,
            one.track.tags.artist,
            one.similarity,
            one.nearest.tags.title,
        )
        for one in found
    ]
    print_table(
        "least like any other track",
        ("times as far", "id", "title", "by", "similarity", "to its nearest"),
        rows,
    )


def _file(track: "Track", folder: Path) -> str:
    number = f", tune {track.tune}" if track.tune else ""
    return shown(track.path.relative_to(folder)) + number


def _files(pairs: "Sequence[tuple[Track, Track]]") -> tuple[str, list[tuple[str, str]]]:
    """Name pairs of files from the folder that holds them all; tell the folder, too."""
    if not pairs:
        return "", []
    folder = Path(os.path.commonpath([track.path.parent for pair in pairs for track in pair]))
    names = [(_file(one, folder), _file(other, folder)) for one, other in pairs]
    return f", in {shown(folder)}", names


def _marked(name: str, track: "Track", *, better: bool) -> str:
    """Name a file, and say how it is stored."""
    from segue.explore.outliers import file_quality

    found = file_quality(track)
    size = f"{found.size_bytes / 1e6:.1f} MB" if found.size_bytes else "gone"
    return f"{'* ' if better else ''}{name}\n{found.format} {found.bit_rate_kbps:.0f} kb/s, {size}"


def _stored(track: "Track") -> dict[str, object]:
    from segue.explore.outliers import file_quality

    found = file_quality(track)
    return {
        "format": found.format,
        "size_bytes": found.size_bytes,
        "bit_rate_kbps": found.bit_rate_kbps,
        "lossless": found.lossless,
    }


def _say_tunes(found: "Sequence[SameTune]") -> None:
    where, names = _files([(pair.first, pair.second) for pair in found])
    rows = [
        (
            "equal files" if pair.same_content else f"{pair.similarity:.2f}",
            f"{pair.first.tags.title} ({first})",
            f"{pair.second.tags.title} ({second})",
        )
        for pair, (first, second) in zip(found, names, strict=True)
    ]
    print_table(f"{len(rows)} pairs of one tune{where}", ("likeness", "first", "second"), rows)


def _say_versions(found: "VersionReport") -> None:
    where, names = _files([(one.first, one.second) for one in found.pairs])
    rows = [
        (
            f"{one.alignment.likeness:.2f}",
            f"{one.alignment.semitones:+d}" if one.alignment.semitones else "same",
            f"{one.alignment.tempo:+.0%}" if abs(one.alignment.tempo) > _TEMPO_TOLD else "same",
            _passage(one.alignment.first),
            _passage(one.alignment.second),
            *files,
        )
        for one, files in zip(found.pairs, names, strict=True)
    ]
    print_table(
        f"{len(rows)} pairs of likely versions{where}",
        ("likeness", "semitones", "tempo", "where", "there", "first", "second"),
        rows,
    )
    for failure in found.failures:
        say(f"failed: {failure.reason}")
    if found.left_out:
        say(f"{found.left_out} tracks were not compared: the library's cache is full")


def _passage(span: "Span") -> str:
    return f"{minutes(span.start_s)}-{minutes(span.end_s)}"


def _version_fields(found: "VersionReport") -> list[dict[str, object]]:
    return [
        {
            "first": track_fields(one.first),
            "second": track_fields(one.second),
            "likeness": one.alignment.likeness,
            "semitones": one.alignment.semitones,
            "tempo": one.alignment.tempo,
            "first_s": [one.alignment.first.start_s, one.alignment.first.end_s],
            "second_s": [one.alignment.second.start_s, one.alignment.second.end_s],
        }
        for one in found.pairs
    ]
