"""The commands. Each says what it does, with an example, in `segue COMMAND --help`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli.output import (
    hit_fields,
    minutes,
    print_hits,
    print_json,
    print_table,
    say,
    shown,
    track_fields,
)
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.ingest.add import AddReport, Watcher
    from segue.library import Library
    from segue.records import Hit, Span, Track

app = typer.Typer(
    help="Finds in a library of music what sounds like what, and says why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
export_app = typer.Typer(help="Write data for other programs.", no_args_is_help=True)
app.add_typer(export_app, name="export")

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        help="Folder of the library; else $SEGUE_LIBRARY, else a folder among your data.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Queries = Annotated[
    list[str] | None,
    typer.Argument(help="Track ids, files, or words of a title or artist; several blend."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from segue import __version__

        say(f"segue {__version__}")
        raise typer.Exit


@app.callback()
def _segue(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    library: LibraryOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Decoding processes; else one per core.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Add recordings, or bring what is known of them up to date.

    Unchanged files are not read again. What cannot be read is listed and costs nothing else;
    the exit code is then 1. Interrupt it as you like: the same command goes on.

    Example: segue add ~/Music
    """
    with _open(library) as lib:
        with _progress() as watch:
            report = lib.add(list(paths), workers=workers, watch=watch)
        count = len(lib.tracks())
    if json:
        print_json("add", _add_fields(report, count))
    else:
        _say_added(report, count)
    if report.failures:
        raise typer.Exit(1)


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
    space: Annotated[str, typer.Option(help="Space to search in; see `segue spaces`.")] = "sound",
    at: Annotated[str | None, typer.Option(help="Ask with a passage: 1:20-1:35.")] = None,
    artist: Annotated[str, typer.Option(help="Only where the artist has these words.")] = "",
    album: Annotated[str, typer.Option(help="Only where the album has these words.")] = "",
    genre: Annotated[str, typer.Option(help="Only where the genre has these words.")] = "",
    year: Annotated[str | None, typer.Option(help="Only from these years: 1990-1999.")] = None,
    bpm: Annotated[str | None, typer.Option(help="Only at these tempos: 118-126.")] = None,
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
    m3u: Annotated[Path | None, typer.Option(help="Write the answers as a playlist.")] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find what sounds like a track, a file, a passage, or a description.

    The reasons are shares of the similarity and sum to it.

    Example: segue like "für elise" --max-per-artist 2 --m3u evening.m3u8
    """
    from segue.query import Filters, parse_range

    if bool(queries) == bool(tags):
        raise BadArgument('say what it should be like: a track, a file, or --tags "sad, piano"')
    if tags and (minus or at):
        raise BadArgument("--minus and --at go with a track or file, not with --tags")
    filters = Filters(
        artist=artist,
        album=album,
        genre=genre,
        year=parse_range(year, "the year") if year else None,
        bpm=parse_range(bpm, "the tempo") if bpm else None,
        max_per_artist=max_per_artist,
        exclude_same_artist=exclude_same_artist,
        exclude_same_album=exclude_same_album,
    )
    with _open(library) as lib:
        if tags:
            hits = lib.like_tags(tags.split(","), n=n, filters=filters, duplicates=duplicates)
        else:
            hits = lib.like(
                *(queries or ()),
                minus=minus or (),
                n=n,
                space=space,
                at=_passage(at) if at else None,
                filters=filters,
                duplicates=duplicates,
            )
    _show_hits(hits, f"like {tags or ' + '.join(queries or ())}", json=json, m3u=m3u)


@app.command("list")
def list_(library: LibraryOption = None, json: JsonOption = False) -> None:
    """List the tracks.

    Example: segue list | grep -i beethoven
    """
    with _open(library) as lib:
        tracks = lib.tracks()
    if json:
        print_json("list", {"tracks": [track_fields(track) for track in tracks]})
        return
    print_table(
        f"{len(tracks)} tracks",
        ("id", "title", "artist", "album", "length", ""),
        [
            (
                track.id,
                track.tags.title,
                track.tags.artist,
                track.tags.album,
                minutes(track.duration_s),
                "missing" if track.missing else "",
            )
            for track in tracks
        ],
    )


@app.command()
def show(
    query: Annotated[str, typer.Argument(help="A track's id, file, or words of its title.")],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Show a track's tags, every named feature, and how it would be described.

    Example: segue show 12
    """
    with _open(library) as lib:
        found = lib.describe(query)
    if json:
        fields = [
            track_fields(item.track) | {"features": item.track.facts, "tags": item.tags}
            for item in found
        ]
        print_json("show", {"tracks": fields})
        return
    for item in found:
        tags = item.track.tags
        named = {
            "artist": tags.artist,
            "album": tags.album,
            "genre": tags.genre,
            "year": tags.year,
            "file": shown(item.track.path) + (" (missing)" if item.track.missing else ""),
        }
        rows = [(name, str(value)) for name, value in named.items() if value]
        rows += [
            (name.replace("_", " "), _value(value)) for name, value in item.track.facts.items()
        ]
        likeliest = sorted(item.tags.items(), key=lambda tag: -tag[1])[:5]
        rows.append(("described as", ", ".join(f"{name} {p:.0%}" for name, p in likeliest)))
        print_table(f"{item.track.id}  {tags.title}", ("", ""), rows)


@app.command()
def failures(library: LibraryOption = None, json: JsonOption = False) -> None:
    """List the files that could not be added, and why.

    A file is tried again when it has changed.

    Example: segue failures
    """
    with _open(library) as lib:
        found = lib.failures()
    rows = [(shown(failure.path), failure.reason, failure.at) for failure in found]
    if json:
        names = ("path", "reason", "at")
        print_json("failures", {"failures": [dict(zip(names, r, strict=True)) for r in rows]})
    else:
        print_table(f"{len(rows)} failures", ("file", "reason", "when (UTC)"), rows)


@app.command()
def remove(
    queries: Annotated[list[str], typer.Argument(help="Track ids, files, or words of a title.")],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Take tracks out of the library. Their files are left alone.

    Example: segue remove 12 13
    """
    with _open(library) as lib:
        removed = lib.remove(list(queries))
    _say_removed("remove", removed, json=json)


@app.command()
def prune(
    really: Annotated[
        bool, typer.Option("--really", help="Even if more than half of the library is gone.")
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Take out the tracks whose files are gone.

    Refuses when more than half is gone at once, as when a disk is not connected.

    Example: segue prune
    """
    with _open(library) as lib:
        pruned = lib.prune(really=really)
    _say_removed("prune", pruned.removed, json=json)


@app.command()
def spaces(library: LibraryOption = None, json: JsonOption = False) -> None:
    """List the spaces that tracks are compared in.

    Example: segue spaces
    """
    with _open(library) as lib:
        infos = lib.spaces()
    names = ("name", "kind", "dimension", "metric", "model", "version", "tracks", "outdated")
    rows = [
        (
            info.space.name,
            info.space.kind,
            info.space.dimension,
            info.space.metric,
            info.space.model,
            info.space.version,
            info.tracks,
            info.outdated,
        )
        for info in infos
    ]
    if json:
        print_json("spaces", {"spaces": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        print_table(f"{len(rows)} spaces", names, rows)


@app.command()
def evaluate(
    by: Annotated[str, typer.Option(help="album, artist or genre.")] = "album",
    artist_filter: Annotated[
        bool, typer.Option("--artist-filter", help="Only other artists' tracks may be found.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of ties and of the intervals.")] = 0,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Measure how well each space brings an album, artist or genre together.

    Each track with a label of at least three tracks asks once; P@1 and P@5 are the shares of
    its nearest 1 and 5 that have its label, macro the mean over labels instead of tracks.
    The interval is a 95 % bootstrap over labels.

    Example: segue evaluate --by artist
    """
    from segue.measure.retrieval import interval

    with _open(library) as lib:
        table = lib.evaluate(by, artist_filter=artist_filter, seed=seed)
    rows = []
    for name, result in table.items():
        estimate = interval([result], "precision_at_1", seed=seed)
        rows.append(
            {
                "space": name,
                "precision_at_1": result.precision_at_1,
                "precision_at_1_low": estimate.low,
                "precision_at_1_high": estimate.high,
                "precision_at_5": result.precision_at_5,
                "macro_precision_at_1": result.macro_precision_at_1,
                "macro_precision_at_5": result.macro_precision_at_5,
                "mean_average_precision": result.mean_average_precision,
                "queries": result.queries,
                "labels": result.labels,
                "chance_precision": result.chance_precision,
            }
        )
    if json:
        print_json("evaluate", {"by": by, "artist_filter": artist_filter, "spaces": rows})
        return
    print_table(
        f"by {by}{', other artists only' if artist_filter else ''}",
        (
            "space", "P@1", "low", "high", "P@5", "macro P@1", "macro P@5", "mAP",
            "queries", "labels", "chance",
        ),
        [tuple(row.values()) for row in rows],
    )  # fmt: skip


@export_app.command("vectors")
def export_vectors(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, .npz.")],
    space: Annotated[str, typer.Option(help="Which space; see `segue spaces`.")] = "sound",
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write a space's vectors as a NumPy archive: arrays ids, paths, vectors.

    Example: segue export vectors --space sound -o sound.npz
    """
    import numpy as np

    with _open(library) as lib:
        ids, vectors = lib.vectors(space)
        paths = {track.id: str(track.path) for track in lib.tracks()}
    partial = output.with_name(f".{output.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, ids=ids, paths=np.array([paths[i] for i in ids.tolist()]), vectors=vectors)
    partial.replace(output)
    if json:
        print_json("export", {"path": shown(output), "space": space, "tracks": len(ids)})
    else:
        say(f"wrote {len(ids)} vectors of the space {space} to {shown(output)}")


@app.command()
def demo(
    library: LibraryOption = None,
    m3u: Annotated[Path, typer.Option(help="The playlist to write.")] = Path("segue-demo.m3u8"),
) -> None:
    """Add the bundled collection, ask what is like what, and write a playlist.

    Example: segue demo
    """
    from importlib.resources import files

    from platformdirs import user_data_path

    collection = Path(str(files("segue") / "collection"))
    with _open(library or user_data_path("segue") / "demo") as lib:
        say(f"Adding the bundled recordings to {lib.folder}")
        with _progress() as watch:
            _say_added(lib.add([collection], watch=watch), len(lib.tracks()))
        tracks = lib.tracks()
        asked = tracks[:: max(1, len(tracks) // 4)][:4]
        for track in asked:
            say("")
            _show_hits(lib.like(track.id, n=4), f"like {_label(track)}")
        say("")
        first = asked[0]
        hits = lib.like(first.id, n=12)
        say(f"A playlist from {_label(first)}:")
        _write_playlist(m3u, [first, *(hit.track for hit in hits)])
    say('Now your own music:  segue add ~/Music   then   segue like "a title"')


# ---- shared by the commands --------------------------------------------------------------


@contextmanager
def _open(library: Path | None) -> "Iterator[Library]":
    from segue.library import Library  # help needs neither numpy nor a library

    with Library.open(library) as lib:
        yield lib


@contextmanager
def _progress() -> "Iterator[Watcher]":
    """Show a progress line on the standard error while it is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("looking", total=None)
        yield lambda p: bar.update(
            task, completed=p.done, total=p.total, description=shown(Path(p.path.name))[:40]
        )


def _add_fields(report: "AddReport", count: int) -> dict[str, object]:
    return {
        "added": report.added,
        "changed": report.changed,
        "copied": report.copied,
        "moved": report.moved,
        "unchanged": report.unchanged,
        "missing": report.missing,
        "passed_over": report.passed_over,
        "failed_before": report.failed_before,
        "failures": [
            {"path": shown(failure.path), "reason": failure.reason} for failure in report.failures
        ],
        "tracks": count,
    }


def _say_added(report: "AddReport", count: int) -> None:
    told = [
        f"{number} {name}"
        for number, name in (
            (report.added, "added"),
            (report.changed, "changed"),
            (report.copied, "copies of known ones"),
            (report.moved, "moved"),
            (report.unchanged, "unchanged"),
            (report.missing, "missing"),
            (report.passed_over, "other files passed over"),
            (len(report.failures), "failed"),
            (report.failed_before, "failed before and not changed since"),
        )
        if number
    ]
    say(f"{', '.join(told) or 'nothing to add'}; {count} tracks in the library")
    if report.failures:
        print_table(
            "failed",
            ("file", "reason"),
            [(shown(failure.path), failure.reason) for failure in report.failures],
        )


def _say_removed(name: str, removed: "list[Track]", *, json: bool) -> None:
    if json:
        print_json(name, {"removed": [track_fields(track) for track in removed]})
        return
    for track in removed:
        say(f"removed {track.id}  {_label(track)}")
    if not removed:
        say("nothing to remove")


def _show_hits(
    hits: "list[Hit]", title: str, *, json: bool = False, m3u: Path | None = None
) -> None:
    if json:
        print_json("like", {"hits": [hit_fields(hit) for hit in hits]})
    elif hits:
        print_hits(title, hits)
    else:
        say("nothing in the library passes these filters")
    if m3u:
        _write_playlist(m3u, [hit.track for hit in hits], quiet=json)


def _write_playlist(target: Path, tracks: "list[Track]", *, quiet: bool = False) -> None:
    from segue.formats.playlists import write_m3u8

    try:
        write_m3u8(target, tracks)
    except OSError as error:
        raise BadArgument(f"cannot write the playlist {target}: {error.strerror}") from None
    if not quiet:
        say(f"wrote {len(tracks)} tracks to {shown(target)}")


def _label(track: "Track") -> str:
    return " - ".join(part for part in (track.tags.artist, track.tags.title) if part)


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _passage(text: str) -> "Span":
    """Read ``1:20-1:35`` or ``80-95``."""
    from segue.records import Span

    start, dash, end = text.partition("-")
    try:
        span = Span(_seconds(start), _seconds(end))
    except ValueError:
        raise BadArgument(f"{text!r} is no passage; give it as 1:20-1:35") from None
    if not dash or span.length_s < 1:
        raise BadArgument(f"the passage {text!r} is shorter than a second; give it as 1:20-1:35")
    return span


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total
