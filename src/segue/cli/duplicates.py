"""The command `duplicates`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress
from segue.cli.output import (
    display_path,
    failure_fields,
    format_duration,
    print_json,
    print_table,
    say,
    track_fields,
)
from segue.cli.output_files import check_playlist, write_playlist

if TYPE_CHECKING:
    from segue.explore.outliers import DuplicatePair, SameTune
    from segue.explore.version_identification import VersionReport
    from segue.records import Span, Track

#: Smallest difference in tempo that an alignment can measure.
_SMALLEST_TEMPO_CHANGE: Final = 0.02


@command("Library", old="twins")
def duplicates(
    versions: Annotated[
        bool,
        typer.Option(help="Other versions as well; the first time, every file is read."),
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Path of a playlist of the redundant files: all but the best of each recording.",
        ),
    ] = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """List duplicate recordings, equal tunes and cover versions.

    Files in other formats, bit rates and loudness count as the same recording, and so do files
    whose ends were cut by a few seconds. The similarity of two fingerprints is 1 where all bits
    agree and about 0 for unrelated recordings; from 0.65 on it is one recording. The better file of
    a pair is marked, if one clearly is: complete before cut, lossless before lossy, then by bit
    rate and format. Whether a file was transcoded from a worse one is not detected.

    Versions may be in another key or tempo, and by other instruments or performers. Their
    similarity is the share of the shorter one in which both follow the same chroma sequence: 1 for
    all of it, about 0.1 for unrelated pieces; pairs are listed from 0.4 on. Simple music over the
    same few chords may be listed as well.

    The similarity of two scores is the share of seven-note n-grams that they have in common,
    regardless of key, rhythm and instruments: 1 for the same notes; pairs are listed from 0.15 on.

    Example: segue duplicates --no-versions
    """
    from segue.explore.outliers import redundant_files

    check_playlist(output, absolute=False)
    with open_library(library) as lib:
        pairs, tunes = lib.atlas.duplicates(), lib.atlas.same_tunes()
        kinds = lib.kinds()
        covers = None
        if versions:
            with progress("") as show:
                covers = lib.atlas.versions(
                    pairs,
                    read=lambda done, total: show("reading", done, total),
                    compared=lambda done, total: show("comparing", done, total),
                )
    if output:
        write_playlist(output, redundant_files(pairs), quiet=json)
    if json:
        fields = {
            "twins": [_pair_fields(pair) for pair in pairs],
            "versions": _version_fields(covers) if covers else None,
            "tunes": [_same_tune_fields(pair) for pair in tunes],
            "failures": failure_fields(covers.failures if covers else ()),
            "left_out": covers.left_out if covers else 0,
        }
        print_json("twins", fields)
        return
    if kinds.get("score"):
        _print_tunes(tunes)
    if "sound" in kinds or not kinds:
        _print_pairs(pairs)
        if covers:
            _print_versions(covers)


def _print_pairs(pairs: "Sequence[DuplicatePair]") -> None:
    from segue.explore.outliers import better_file

    folder, names = _file_names([(pair.first, pair.second) for pair in pairs])
    rows = [
        (
            "equal files" if pair.same_content else f"{pair.similarity:.2f}",
            f"{pair.lag_s:+.1f} s",
            f"{pair.overlap_s:.0f} s",
            _file_cell(first, pair.first, better=better_file(pair.first, pair.second) == "first"),
            _file_cell(
                second, pair.second, better=better_file(pair.first, pair.second) == "second"
            ),
        )
        for pair, (first, second) in zip(pairs, names, strict=True)
    ]
    print_table(
        f"{len(rows)} pairs of one recording{folder}; * the better file",
        ("similarity", "later by", "compared", "first", "second"),
        rows,
    )


def _pair_fields(pair: "DuplicatePair") -> dict[str, Any]:
    from segue.explore.outliers import better_file

    return _same_tune_fields(pair) | {
        "first_file": _file_fields(pair.first),
        "second_file": _file_fields(pair.second),
        "better": better_file(pair.first, pair.second) or None,
        "lag_s": pair.lag_s,
        "overlap_s": pair.overlap_s,
    }


def _same_tune_fields(pair: "DuplicatePair | SameTune") -> dict[str, Any]:
    return {
        "first": track_fields(pair.first),
        "second": track_fields(pair.second),
        "likeness": pair.similarity,
        "same_content": pair.same_content,
    }


def _file_name(track: "Track", folder: Path) -> str:
    tune = f", tune {track.tune}" if track.tune else ""
    return display_path(track.path.relative_to(folder)) + tune


def _file_names(pairs: "Sequence[tuple[Track, Track]]") -> tuple[str, list[tuple[str, str]]]:
    """Return the folder that holds all files, as text, and the files' names in it."""
    if not pairs:
        return "", []
    folder = Path(os.path.commonpath([track.path.parent for pair in pairs for track in pair]))
    names = [(_file_name(first, folder), _file_name(second, folder)) for first, second in pairs]
    return f", in {display_path(folder)}", names


def _file_cell(name: str, track: "Track", *, better: bool) -> str:
    """Return a file's name and quality; an asterisk marks the better one."""
    file = _file_fields(track)
    size = f"{file['size_bytes'] / 1e6:.1f} MB" if file["size_bytes"] else "gone"
    mark = "* " if better else ""
    return f"{mark}{name}\n{file['format']} {file['bit_rate_kbps']:.0f} kb/s, {size}"


def _file_fields(track: "Track") -> dict[str, Any]:
    from segue.explore.outliers import file_quality

    quality = file_quality(track)
    return {
        "format": quality.format,
        "size_bytes": quality.size_bytes,
        "bit_rate_kbps": quality.bit_rate_kbps,
        "lossless": quality.lossless,
    }


def _print_tunes(pairs: "Sequence[SameTune]") -> None:
    folder, names = _file_names([(pair.first, pair.second) for pair in pairs])
    rows = [
        (
            "equal files" if pair.same_content else f"{pair.similarity:.2f}",
            f"{pair.first.tags.title} ({first})",
            f"{pair.second.tags.title} ({second})",
        )
        for pair, (first, second) in zip(pairs, names, strict=True)
    ]
    print_table(f"{len(rows)} pairs of one tune{folder}", ("similarity", "first", "second"), rows)


def _print_versions(report: "VersionReport") -> None:
    folder, names = _file_names([(pair.first, pair.second) for pair in report.pairs])
    rows = []
    for pair, files in zip(report.pairs, names, strict=True):
        alignment = pair.alignment
        tempo_differs = abs(alignment.tempo) > _SMALLEST_TEMPO_CHANGE
        rows.append(
            (
                f"{alignment.similarity:.2f}",
                f"{alignment.semitones:+d}" if alignment.semitones else "same",
                f"{alignment.tempo:+.0%}" if tempo_differs else "same",
                _format_span(alignment.first),
                _format_span(alignment.second),
                *files,
            )
        )
    print_table(
        f"{len(rows)} pairs of likely versions{folder}",
        ("similarity", "semitones", "tempo", "in the first", "in the second", "first", "second"),
        rows,
    )
    for failure in report.failures:
        say(f"failed: {failure.reason}")
    if report.left_out:
        say(f"{report.left_out} tracks were not compared: the library's cache is full")


def _format_span(span: "Span") -> str:
    return f"{format_duration(span.start_s)}-{format_duration(span.end_s)}"


def _version_fields(report: "VersionReport") -> list[dict[str, object]]:
    return [
        {
            "first": track_fields(pair.first),
            "second": track_fields(pair.second),
            "likeness": pair.alignment.similarity,
            "semitones": pair.alignment.semitones,
            "tempo": pair.alignment.tempo,
            "first_s": [pair.alignment.first.start_s, pair.alignment.first.end_s],
            "second_s": [pair.alignment.second.start_s, pair.alignment.second.end_s],
        }
        for pair in report.pairs
    ]
