"""The command that finds a song by a line half remembered."""

from typing import Annotated

import typer

from segue.cli.app import JsonOption, LibraryOption, app, open_library
from segue.cli.output import print_json, print_table, say, shown, track_fields


@app.command()
def find(
    line: Annotated[str, typer.Argument(help="Words of a song, as far as you remember them.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many songs.")] = 10,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find the songs whose words come closest to a line half remembered.

    Typing errors, other spellings and missing words do little harm, and the line may run over
    into the next. Of each song the line that comes closest is shown. What is looked through
    are lyrics, and the words of recordings and scores: in their tags, under their notes, or in
    a text beside them.

    Example: segue find "shal i compair the to a sommers day"
    """
    with open_library(library) as lib:
        hits = lib.lyrics.find(line, n)
    if json:
        told = [
            {"rank": hit.rank, "likeness": hit.likeness, "line": hit.line}
            | {"track": track_fields(hit.track)}
            for hit in hits
        ]
        print_json("find", {"hits": told})
    elif hits:
        print_table(
            f"find {line}",
            ("", "id", "likeness", "title", "artist", "line", "file"),
            [
                (
                    hit.rank,
                    hit.track.id,
                    hit.likeness,
                    hit.track.tags.title,
                    hit.track.tags.artist,
                    hit.line,
                    shown(hit.track.path),
                )
                for hit in hits
            ],
        )
    else:
        say("no line comes near; try other words of it")
