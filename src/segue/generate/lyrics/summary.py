"""Reports on generated lyrics in words."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from segue.generate.lyrics.form_report import RHYME_REACH, count_rhymes, count_syllables
from segue.lyrics.phonetics import split_words
from segue.lyrics.spelling import detect_language


def report_lines(report: dict[str, Any], *, chorus_lacking: int = 0) -> list[str]:
    """Summarise a report in a few lines.

    Parameters
    ----------
    report : dict
        From `GeneratedLyrics.report`.
    chorus_lacking : int
        Number of lines that it takes for the chorus to be repeated; 0 if it is repeated.
    """
    texts = [line["text"] for line in report["lines"]]
    lines = [_form(texts)]
    if any(line["repeated"] for line in report["lines"]):
        repeated = sum(line["repeated"] for line in report["lines"])
        lines.append(f"the chorus comes back: {repeated} of the lines are repeated")
    elif chorus_lacking:
        lines.append(
            f"too short for the chorus to come back: that takes more than two stanzas, "
            f"--lines {chorus_lacking} say"
        )
    lines += _form_lines(report["form"]) if "form" in report else []
    if "figures" in report:
        lines += _originality_lines(report)
    return lines


def _form(texts: Sequence[str]) -> str:
    """Return the number of lines and stanzas, the length of lines, and the number of rhymes."""
    verses = [text for text in texts if split_words(text)]
    stanzas = sum(
        bool(text) and (not number or not texts[number - 1]) for number, text in enumerate(texts)
    )
    language = detect_language("\n".join(verses))
    counts = [count_syllables(text, language) for text in verses]
    lines = f"{len(verses)} lines" if len(verses) != 1 else "1 line"
    if stanzas > 1:
        lines += f" in {stanzas} stanzas"
    if not counts:
        return lines
    span = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{counts[0]}"
    rhymed = count_rhymes(verses, language, lines_before=RHYME_REACH)
    unit = "syllable" if span == "1" else "syllables"
    return f"{lines}, {span} {unit} each; {rhymed} of them rhyme"


def _form_lines(form: dict[str, int]) -> list[str]:
    """Say what was asked of the lines and is not kept."""
    lines = []
    for name, what in (("rhymes", "rhymes"), ("syllables", "numbers of syllables")):
        asked, kept = form[f"{name}_asked"], form[f"{name}_kept"]
        if kept < asked:
            lines.append(f"{kept} of {asked} {what} are as asked for")
    if form["stresses_asked"]:
        share = form["stresses_kept"] / form["stresses_asked"]
        lines.append(f"{share:.0%} of the syllables of longer words are stressed as the metre asks")
    return lines


def _originality_lines(report: dict[str, Any]) -> list[str]:
    """Summarise the longest copy, the new words, and the attribution of lines."""
    figures = report["figures"]
    copied = figures["copied_words"]
    lines = ["no sequence of words is copied"]
    if copied["length"]:
        whose = ", ".join(part for part in (copied["artist"], copied["title"]) if part)
        lines = [
            f"longest copy: {copied['length']} "
            f'{"words" if copied["length"] > 1 else "word"} in a row, "{copied["text"]}" ({whose})'
        ]
    unknown = 1 - figures["real_words"]
    if unknown > 0:
        lines.append(f"{unknown:.0%} of the words do not occur in the training set")
    else:
        lines.append("every word occurs in the training set")
    lines_by_artist = Counter(line["voice"] for line in figures["lines"])
    for artist, share in figures["taken"].items():
        combined = report["blend"] is not None
        count = sum(lines_by_artist.values()) if combined else lines_by_artist[artist]
        lines.append(f"{round(share * count)} of {count} lines read as {artist}'s by their style")
    return lines


def rank_takes(reports: Sequence[dict[str, Any]]) -> list[int]:
    """Return the indices of several texts, the best first.

    A text is better by the share of its lines that are attributed to their artist, by the shares of
    rhymes, syllables and stresses that are as asked for, and by each bit per character that it is
    more expected by the model; worse by the share of lines that repeat others.
    """
    return sorted(range(len(reports)), key=lambda at: -_take_score(reports[at]))


def _take_score(report: dict[str, Any]) -> float:
    if "bits_per_character" not in report:
        return -math.inf
    figures, form = report.get("figures"), report.get("form", {})
    score = -report["bits_per_character"]
    if figures:
        score -= figures["figures"]["repeated_lines"]
    if figures and figures["taken"]:
        score += sum(figures["taken"].values()) / len(figures["taken"])
    for name in ("rhymes", "syllables", "stresses"):
        if form.get(f"{name}_asked"):
            score += form[f"{name}_kept"] / form[f"{name}_asked"]
    return float(score)
