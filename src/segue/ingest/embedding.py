"""From what a worker decoded to what the library keeps of it: with its place in every space."""

from dataclasses import replace
from typing import TYPE_CHECKING

from segue.ingest.analyse import DecodedText, DecodedTune
from segue.model.lyrics.embed import embed_lyrics
from segue.records import Analysis

if TYPE_CHECKING:
    from segue.model.score.embed import ScoreModel


def analysis_of_tune(tune: DecodedTune, model: "ScoreModel") -> Analysis:
    """Place a tune, and its words, in the spaces of their kinds."""
    analysis = Analysis(
        vectors=model.embed(tune.bars, tune.features),
        facts=tune.facts,
        fingerprint=tune.shingles,
        duration_s=tune.duration_s,
    )
    return with_words(analysis, tune.words)


def with_words(analysis: Analysis, words: DecodedText | None) -> Analysis:
    """Join words to what they belong to: a place among all words, and the text."""
    if words is None:
        return analysis
    vectors = analysis.vectors | embed_lyrics(words.text, words.features)
    return replace(analysis, vectors=vectors, words=words.text)
