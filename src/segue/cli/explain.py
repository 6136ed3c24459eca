"""The command group `explain`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from segue.cli.app import JsonOption, LibraryOption, SeedOption, app, check_target, open_library
from segue.cli.output import label, print_json, print_table, say, shown, track_fields
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.evaluation.projection import MantelResult
    from segue.explore.comparison import Comparison, FeatureContribution
    from segue.generate.notes.network import NoteModel
    from segue.generate.notes.probing import Claim, TheoryReport, TokenReport
    from segue.library import Library

_PAGES: Final = (".html", ".htm")
_PICTURES: Final = (".png", ".svg", ".pdf")
_KEYS_SHOWN: Final = 4
Words = Literal["notes", "durations"]


@app.command()
def explain(
    first: Annotated[
        str | None,
        typer.Argument(help="A word of the network: A2, 9.11.1, 0.5; or a track."),
    ] = None,
    second: Annotated[str | None, typer.Argument(help="A track to compare the first with.")] = None,
    table: Annotated[
        bool, typer.Option("--table", help="How alike the network holds all words to be.")
    ] = False,
    theory: Annotated[
        bool, typer.Option("--theory", help="Hold what theory says against the network.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            help="note-lstm, or one learned with `segue train score`; shipped: always the one "
            "that comes with Segue."
        ),
    ] = "note-lstm",
    words: Annotated[Words, typer.Option(help="With --table: which.")] = "notes",
    n: Annotated[
        int | None, typer.Option("-n", min=1, help="How many neighbours, features, or words.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="With --table: .html, .png, .svg or .pdf."),
    ] = None,
    seed: SeedOption = 0,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Explain what a network learned of music, or what makes two tracks alike.

    One word (a note, a chord by its pitch classes with C as 0, a length in quarters): which
    others the network holds to be like it. Two tracks of the library: which features and tags
    make them alike and which set them apart; of scores also the bars most alike in any key.
    With --theory each figure stands beside what plain counts of neighbouring words give, and
    beside shuffled labels.

    Example: segue explain 9.11.1
    """
    asked = [table, theory, first is not None]
    if sum(asked) != 1:
        raise BadArgument("name a word, or two tracks, or give --table or --theory; one of these")
    if table != (output is not None):
        raise BadArgument("--table and -o belong together: --table -o similarity.html")
    if output:
        check_target(output, (*_PAGES, *_PICTURES))
    with open_library(library, needed=second is not None) as lib:
        if second is not None and first is not None:
            _explain_pair(lib, first, second, n or 6, json=json)
            return
        found = lib.learning.note_model(model)
        source = lib.learning.source("notes", model)
    if output:
        _write_table(found, model, words, n or 60, output, json=json)
    elif theory:
        _explain_theory(found, model, seed, json=json)
    elif first is not None:
        _explain_word(found, model, first, n or 8, json=json)
    if not json:
        say(f"asked: {source}")


# ---- a word ------------------------------------------------------------------------------


def _explain_word(found: "NoteModel", model: str, word: str, n: int, *, json: bool) -> None:
    from segue.generate.notes.probing import explain_token

    told = explain_token(found, word, n)
    if json:
        print_json("explain", {"model": model, "explained": [asdict(each) for each in told]})
        return
    for each in told:
        _print_word(each)


def _print_word(told: "TokenReport") -> None:
    what = "a length in quarters" if told.stream == "durations" else told.name or "a note"
    if len(told.notes) > 1:
        what = f"{' '.join(told.notes)}: {told.name or 'no usual name'}"
    say(f"{told.word}   {what}; met {told.count:,} times, number {told.rank} of {told.words}")
    print_table(
        "nearest to it",
        ("cosine", "", "notes", "name", "keys that hold both", "met"),
        [
            (
                near.cosine,
                near.word,
                " ".join(near.notes),
                near.name,
                _keys(near.shared_keys) if near.notes else "",
                near.count,
            )
            for near in told.neighbours
        ],
    )
    say(f"of as many random vectors the nearest would be at {told.by_chance:.2f}")


def _keys(keys: tuple[str, ...]) -> str:
    if not keys:
        return "none"
    more = len(keys) - _KEYS_SHOWN
    return ", ".join(keys[:_KEYS_SHOWN]) + (f" and {more} more" if more > 0 else "")


# ---- all words ---------------------------------------------------------------------------


def _write_table(
    found: "NoteModel", model: str, words: Words, most: int, output: Path, *, json: bool
) -> None:
    from segue.generate.notes.probing import pitch_class_map, similarity_matrix
    from segue.theory.keys import PITCH_CLASSES

    table = similarity_matrix(found, words, most)
    plane = pitch_class_map(found) if words == "notes" else None
    title = f"how alike the {len(table.words)} most frequent {words} are to {model}"
    points, caption = None, ""
    if plane:
        points = plane.points
        caption = f"the plane keeps {plane.share:.0%} of how they differ"
    if output.suffix.lower() in _PAGES:
        from segue.render.pages import write_token_similarity

        write_token_similarity(
            table.cosines, table.names, table.counts, table.order, points, PITCH_CLASSES, output,
            title, caption,
        )  # fmt: skip
    else:
        from segue.render.plots import draw_token_similarity

        ordered = table.cosines[table.order][:, table.order]
        labels = [table.names[at] for at in table.order.tolist()]
        draw_token_similarity(ordered, labels, points, PITCH_CLASSES, output, title, caption)
    if json:
        fields = {"model": model, "stream": words, "words": list(table.words)}
        share = plane.share if plane else None
        print_json("explain-table", _plain({"path": shown(output), **fields, "plane_share": share}))
    else:
        say(f"wrote {shown(output)}")


# ---- theory ------------------------------------------------------------------------------


def _explain_theory(found: "NoteModel", model: str, seed: int, *, json: bool) -> None:
    from segue.generate.notes.probing import evaluate_claims

    told = evaluate_claims(found, seed=seed)
    if json:
        print_json("explain-theory", {"model": model, "seed": seed, **_plain(told.to_json())})
    else:
        _print_theory(told, model)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Write what is no number as null."""
    import math

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    found: dict[str, Any] = plain(fields)
    return found


def _print_theory(told: "TheoryReport", model: str) -> None:
    say(f"what {model} holds to be alike, against theory: Spearman's rank correlation over pairs")
    print_table(
        "",
        ("claim", "words", "pairs", "network", "p", "counts", "p", "95 % of shuffles below"),
        [_claim_row(claim) for claim in told.claims],
    )
    for claim in told.claims:
        say(f"{claim.name} ({claim.says}): {claim.sentence}")
    print_table(
        "nearest neighbours",
        ("", "words", "cosine", "of random vectors", "published", "random, for the published"),
        [
            (near.stream, near.words, near.nearest, near.by_chance, near.published,
             near.published_by_chance)
            for near in told.nearness
        ],
    )  # fmt: skip
    for near in told.nearness:
        say(f"{near.stream}: {near.sentence}")


def _claim_row(claim: "Claim") -> tuple[object, ...]:
    network, cooccurrence = claim.network, claim.cooccurrence
    if network is None or cooccurrence is None:
        return (claim.name, claim.words, 0, "", "", "", "", "")
    return (
        claim.name, claim.words, network.pairs, *_figures(network), *_figures(cooccurrence),
        network.shuffled,
    )  # fmt: skip


def _figures(found: "MantelResult") -> tuple[object, ...]:
    return found.rho, f"{found.p:.4f}"


# ---- two tracks --------------------------------------------------------------------------


def _explain_pair(lib: "Library", first: str, second: str, n: int, *, json: bool) -> None:
    told = lib.learning.compare(first, second, n)
    if json:
        print_json("explain-pair", _pair_fields(told, n))
    else:
        _print_pair(told, n)


def _pair_fields(told: "Comparison", n: int) -> dict[str, Any]:
    return {
        "first": track_fields(told.first),
        "second": track_fields(told.second),
        "similarities": told.similarities,
        "groups": [trait.to_json() for trait in told.groups],
        "alike": [trait.to_json() for trait in told.most_similar(n)],
        "apart": [trait.to_json() for trait in told.most_different(n)],
        "tags": [trait.to_json() for trait in told.tags],
        "bars": [
            {"first": pair.first + 1, "second": pair.second + 1, "overlap": pair.overlap,
             "semitones": pair.semitones}
            for pair in told.bars
        ],
    }  # fmt: skip


def _print_pair(told: "Comparison", n: int) -> None:
    names = [label(track) or f"track {track.id}" for track in (told.first, told.second)]
    say(f"{names[0]}  ·  {names[1]}")
    print_table("how alike", ("space", "similarity"), list(told.similarities.items()))
    print_table(
        "what of it each group of features gives",
        ("", "of the likeness", "of the distance"),
        [(trait.name, trait.similarity_share, trait.distance_share) for trait in told.groups],
    )
    say("below, first and second are standard deviations from the average")
    _print_traits("what makes them alike", told.most_similar(n))
    _print_traits("what sets them apart", told.most_different(n))
    if told.tags:
        ordered = sorted(told.tags, key=lambda trait: -trait.similarity_share)
        _print_traits("tags that make them alike", ordered[:n])
        ordered = sorted(told.tags, key=lambda trait: -trait.distance_share)
        _print_traits("tags that set them apart", ordered[:n])
    if told.first.kind == "score":
        rows = [
            (pair.first + 1, pair.second + 1, pair.overlap, f"{pair.semitones:+d}")
            for pair in told.bars
        ]
        print_table("bars most alike", ("bar", "of the other", "overlap", "semitones"), rows)


def _print_traits(title: str, found: "list[FeatureContribution]") -> None:
    print_table(
        title,
        ("", "of the likeness", "of the distance", "first", "second"),
        [
            (each.name, each.similarity_share, each.distance_share, each.first, each.second)
            for each in found
        ],
    )
