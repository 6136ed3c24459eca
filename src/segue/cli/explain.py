"""The command `explain`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import display_path, print_json, print_table, say, track_fields, track_label
from segue.cli.output_files import check_target
from segue.errors import BadArgument
from segue.render import FIGURE_SUFFIXES, PAGE_SUFFIXES

if TYPE_CHECKING:
    from segue.evaluation.projection import MantelResult
    from segue.explore.comparison import Comparison, FeatureContribution
    from segue.generate.notes.network import NoteModel
    from segue.generate.notes.probing import Claim, TheoryReport, TokenReport
    from segue.library import Library

_MOST_KEYS_SHOWN: Final = 4
Stream = Literal["notes", "durations"]


@command("Explore")
def explain(
    first: Annotated[
        str | None,
        typer.Argument(help="Token of the model, as A2, 9.11.1 or 0.5; or a track."),
    ] = None,
    second: Annotated[
        str | None, typer.Argument(help="Track that the first one is compared with.")
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Similarity matrix of all tokens, written to -o.")
    ] = False,
    theory: Annotated[
        bool, typer.Option("--theory", help="Comparison of the model with music theory.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            help="Name of the model: note-lstm, or one trained with `segue train score`; shipped "
            "for the one that comes with Segue in any case."
        ),
    ] = "note-lstm",
    words: Annotated[Stream, typer.Option(help="Tokens of --table.")] = "notes",
    n: Annotated[
        int | None,
        typer.Option("-n", min=1, help="Maximum number of neighbours, features, or tokens."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Path of --table: a page (.html) or figure (.png, .svg, .pdf)."
        ),
    ] = None,
    seed: opt.Seed = 0,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Explain what a model learned, or why tracks are similar.

    Of a token (a note, a chord by its pitch classes with C as 0, a duration in quarters), the
    nearest neighbours in the model are listed. Of two tracks of the library, the features and tags
    that they have in common and those that set them apart; of scores also the most similar bars in
    any key. With --theory, each figure stands beside that of plain co-occurrence counts, and beside
    shuffled labels.

    Example: segue explain 9.11.1
    """
    subjects = [table, theory, first is not None]
    if sum(subjects) != 1:
        raise BadArgument("name a word, or two tracks, or give --table or --theory; one of these")
    if table != (output is not None):
        raise BadArgument("--table and -o belong together: --table -o similarity.html")
    check_target(output, (*PAGE_SUFFIXES, *FIGURE_SUFFIXES))
    with open_library(library, required=second is not None) as lib:
        if second is not None and first is not None:
            _explain_pair(lib, first, second, n or 6, json=json)
            return
        note_model = lib.learning.note_model(model)
        source = lib.learning.source("notes", model)
    if output:
        _write_table(note_model, model, words, n or 60, output, json=json)
    elif theory:
        _explain_theory(note_model, model, seed, json=json)
    elif first is not None:
        _explain_token(note_model, model, first, n or 8, json=json)
    if not json:
        say(f"answered by {source}")


def _explain_token(note_model: "NoteModel", model: str, token: str, n: int, *, json: bool) -> None:
    from segue.generate.notes.probing import explain_token

    explanations = explain_token(note_model, token, n)
    if json:
        fields = {"model": model, "explained": [asdict(item) for item in explanations]}
        print_json("explain", fields)
        return
    for explanation in explanations:
        _print_token(explanation)


def _print_token(explained: "TokenReport") -> None:
    is_duration = explained.stream == "durations"
    meaning = "a duration in quarters" if is_duration else explained.name or "a note"
    if len(explained.notes) > 1:
        meaning = f"{' '.join(explained.notes)}: {explained.name or 'no common name'}"
    say(
        f"{explained.word}   {meaning}; {explained.count:,} times in the training set, rank "
        f"{explained.rank} of {explained.words}"
    )
    print_table(
        "nearest neighbours",
        ("cosine", "", "notes", "name", "keys that have both", "count"),
        [
            (
                near.cosine,
                near.word,
                " ".join(near.notes),
                near.name,
                _format_keys(near.shared_keys) if near.notes else "",
                near.count,
            )
            for near in explained.neighbours
        ],
    )
    say(f"the nearest of as many random vectors has a cosine of {explained.by_chance:.2f}")


def _format_keys(keys: tuple[str, ...]) -> str:
    if not keys:
        return "none"
    more = len(keys) - _MOST_KEYS_SHOWN
    return ", ".join(keys[:_MOST_KEYS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _write_table(
    note_model: "NoteModel", model: str, stream: Stream, count: int, output: Path, *, json: bool
) -> None:
    from segue.generate.notes.probing import pitch_class_map, similarity_matrix
    from segue.render.pages import without_nan, write_token_similarity_page
    from segue.render.plots import draw_token_similarity
    from segue.theory.keys import PITCH_CLASSES

    table = similarity_matrix(note_model, stream, count)
    projection = pitch_class_map(note_model) if stream == "notes" else None
    title = f"similarity of the {len(table.words)} most frequent {stream} in {model}"
    points, caption = None, ""
    if projection:
        points = projection.points
        caption = f"the projection keeps {projection.share:.0%} of the variance"
    if output.suffix.lower() in PAGE_SUFFIXES:
        write_token_similarity_page(
            table.cosines, table.names, table.counts, table.order, points, PITCH_CLASSES, output,
            title, caption,
        )  # fmt: skip
    else:
        cosines = table.cosines[table.order][:, table.order]
        labels = [table.names[index] for index in table.order.tolist()]
        draw_token_similarity(cosines, labels, points, PITCH_CLASSES, output, title, caption)
    if json:
        fields = {"model": model, "stream": stream, "words": list(table.words)}
        share = projection.share if projection else None
        print_json(
            "explain-table",
            without_nan({"path": display_path(output), **fields, "plane_share": share}),
        )
    else:
        say(f"wrote {display_path(output)}")


def _explain_theory(note_model: "NoteModel", model: str, seed: int, *, json: bool) -> None:
    from segue.generate.notes.probing import evaluate_claims
    from segue.render.pages import without_nan

    result = evaluate_claims(note_model, seed=seed)
    if json:
        fields = {"model": model, "seed": seed, **without_nan(result.to_json())}
        print_json("explain-theory", fields)
    else:
        _print_theory(result, model)


def _print_theory(result: "TheoryReport", model: str) -> None:
    say(f"similarities in {model} and in music theory: Spearman's rank correlation over pairs")
    print_table(
        "",
        ("claim", "tokens", "pairs", "network", "p", "counts", "p", "95 % of shuffles below"),
        [_claim_row(claim) for claim in result.claims],
    )
    for claim in result.claims:
        say(f"{claim.name} ({claim.says}): {claim.sentence}")
    print_table(
        "nearest neighbours",
        ("", "tokens", "cosine", "of random vectors", "published", "random, for the published"),
        [
            (near.stream, near.words, near.nearest, near.by_chance, near.published,
             near.published_by_chance)
            for near in result.nearness
        ],
    )  # fmt: skip
    for near in result.nearness:
        say(f"{near.stream}: {near.sentence}")


def _claim_row(claim: "Claim") -> tuple[object, ...]:
    network, cooccurrence = claim.network, claim.cooccurrence
    if network is None or cooccurrence is None:
        return (claim.name, claim.words, 0, "", "", "", "", "")
    return (
        claim.name, claim.words, network.pairs, *_figures(network), *_figures(cooccurrence),
        network.shuffled,
    )  # fmt: skip


def _figures(correlation: "MantelResult") -> tuple[object, ...]:
    return correlation.rho, f"{correlation.p:.4f}"


def _explain_pair(lib: "Library", first: str, second: str, n: int, *, json: bool) -> None:
    comparison = lib.learning.compare(first, second, n)
    if json:
        print_json("explain-pair", _pair_fields(comparison, n))
    else:
        _print_pair(comparison, n)


def _pair_fields(comparison: "Comparison", n: int) -> dict[str, Any]:
    return {
        "first": track_fields(comparison.first),
        "second": track_fields(comparison.second),
        "similarities": comparison.similarities,
        "groups": [trait.to_json() for trait in comparison.groups],
        "alike": [trait.to_json() for trait in comparison.most_similar(n)],
        "apart": [trait.to_json() for trait in comparison.most_different(n)],
        "tags": [trait.to_json() for trait in comparison.tags],
        "bars": [
            {"first": pair.first + 1, "second": pair.second + 1, "overlap": pair.overlap,
             "semitones": pair.semitones}
            for pair in comparison.bars
        ],
    }  # fmt: skip


def _print_pair(comparison: "Comparison", n: int) -> None:
    names = [
        track_label(track) or f"track {track.id}" for track in (comparison.first, comparison.second)
    ]
    say(f"{names[0]}  ·  {names[1]}")
    print_table("similarity", ("space", "similarity"), list(comparison.similarities.items()))
    print_table(
        "shares of the groups of features",
        ("", "of the similarity", "of the distance"),
        [(trait.name, trait.similarity_share, trait.distance_share) for trait in comparison.groups],
    )
    say("below, first and second are standard deviations from the average")
    _print_traits("what they have in common", comparison.most_similar(n))
    _print_traits("what sets them apart", comparison.most_different(n))
    if comparison.tags:
        ordered = sorted(comparison.tags, key=lambda trait: -trait.similarity_share)
        _print_traits("tags that they have in common", ordered[:n])
        ordered = sorted(comparison.tags, key=lambda trait: -trait.distance_share)
        _print_traits("tags that set them apart", ordered[:n])
    if comparison.first.kind == "score":
        rows = [
            (pair.first + 1, pair.second + 1, pair.overlap, f"{pair.semitones:+d}")
            for pair in comparison.bars
        ]
        print_table("most similar bars", ("bar", "of the other", "overlap", "semitones"), rows)


def _print_traits(title: str, contributions: "list[FeatureContribution]") -> None:
    print_table(
        title,
        ("", "of the similarity", "of the distance", "first", "second"),
        [
            (item.name, item.similarity_share, item.distance_share, item.first, item.second)
            for item in contributions
        ],
    )
