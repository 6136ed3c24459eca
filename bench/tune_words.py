"""Words for tunes: syllables, stress on strong beats, rhyme; and the phrases of tunes.

    python -m bench.tune_words --data ../shared/data --work .bench-cache/tune-words

Art songs (OpenScore Lieder) of half of the composers, by a hash of their names; the weights of the
evidence for phrases were tuned on the other half. Stress is compared with the metre of the notes
for the words that were composed, for the words that Segue writes to the same tunes, and for words
that it writes by their numbers of syllables alone. Texts in the work folder are not written again.
"""

import argparse
import hashlib
import json
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from bench.result_tables import table, write_table
from segue.errors import SegueError
from segue.generate.lyrics.form import LineForm
from segue.generate.lyrics.form_report import form_figures, stress_clashes
from segue.generate.lyrics.language_model import (
    LANGUAGES_BASE,
    PRETRAINED,
    VERSE_STYLES,
    LanguageModel,
)
from segue.generate.lyrics.lexicon import stress_pattern
from segue.generate.lyrics.network import UNCONDITIONAL
from segue.generate.lyrics.sampler import ArtistStyle, LyricsOptions, sample_lyrics
from segue.generate.lyrics.tune import Tune, read_tune
from segue.io.midi import read_midi
from segue.io.musicxml_read import read_music_xml
from segue.lyrics.phonetics import normalised_words
from segue.lyrics.pronunciation import is_unstressed, sound
from segue.lyrics.spelling import Language, detect_language
from segue.lyrics.syllables import sung_syllables
from segue.records import Score, Syllable

LIEDER: Final = "lieder_mxl.zip"
FOLK: Final = "folk_tunes.zip"
#: Every so many-th lied is compared; phrases of a tune that words are written for.
EVERY: Final = 4
PHRASES: Final = 8
#: Lieder that words are written for, of each language, and folk tunes.
WRITTEN: Final[dict[str, int]] = {"de": 3, "en": 2, "fr": 2}
FOLK_TUNES: Final = 3
_END_MARKS: Final = ',;:.!?—"”“'
Item = tuple[str, Language, Tune]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    scores = options.data / "scores"
    lieder = list(test_lieder(scores / LIEDER))
    tunes = chosen_tunes(lieder) + folk_tunes(scores / FOLK)
    written = [write_words(*item, options.work) for item in tunes]
    write_table(
        "tune_words",
        "Words for tunes",
        [
            "## Words that composers set, and words that are written\n\n"
            "Stress: of the syllables of longer words on strong or weak beats, the share whose "
            "stress agrees. Function words: share of the strong beats that have an article, a "
            "preposition or another word without stress. French words have no stress that is "
            "compared. Syllables: share of lines with a syllable for each note that bears one; "
            "rhymes: share of the lines that are to rhyme which do.\n\n"
            + words_table(lieder, written),
            "\n## Tune by tune\n\n" + tunes_table(written),
            "\n## Phrases\n\n"
            "Ends of phrases against the ends of lines of the poem: places where a word with a "
            "punctuation mark is followed by a capital.\n\n" + phrases_table(lieder),
            "\n## What was written\n\n"
            + "\n\n".join(
                f"{one['name']}  \n" + "  \n".join(one["metre"]["lines"]) for one in written
            ),
        ],
    )


def test_lieder(path: Path) -> Iterator[tuple[str, Language, Tune, Score]]:
    """Yield the songs of the composers that nothing was tuned on."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(
            name for name in archive.namelist()
            if name.endswith(".mxl")
            and hashlib.sha256(name.split("/")[-4].encode()).digest()[0] % 2
        )  # fmt: skip
        for name in names[::EVERY]:
            try:
                score = read_music_xml(archive.read(name))
                tune = read_tune(score)
            except SegueError:
                continue
            language = detect_language(tune.words)
            if language != "other":
                yield "/".join(name.split("/")[1:-1]), language, tune, score


def chosen_tunes(lieder: Sequence[tuple[str, Language, Tune, Score]]) -> list[Item]:
    """Return some lieder of each language, evenly spaced."""
    items: list[Item] = []
    for language, count in WRITTEN.items():
        own = [(name, lang, tune) for name, lang, tune, _ in lieder
               if lang == language and len(tune.phrases) >= PHRASES]  # fmt: skip
        items += own[:: max(len(own) // count, 1)][:count]
    return items


def folk_tunes(path: Path) -> list[Item]:
    """Return some folk tunes, for English words."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith((".mid", ".midi")))
        chosen = names[:: len(names) // FOLK_TUNES][:FOLK_TUNES]
        return [
            (Path(name).stem, "en", read_tune(read_midi(archive.read(name)))) for name in chosen
        ]


def write_words(name: str, language: Language, tune: Tune, work: Path) -> dict[str, Any]:
    """Write words to the first phrases of a tune, with its metre and by syllables alone."""
    path = work / f"{hashlib.sha256(name.encode()).hexdigest()[:12]}.json"
    tune = replace(tune, phrases=tune.phrases[:PHRASES])
    forms = tune.forms()
    if not path.exists():
        model = LanguageModel.load(PRETRAINED if language == "en" else LANGUAGES_BASE)
        style = VERSE_STYLES[language]
        index = model.style_index(style) if style in model.artists else UNCONDITIONAL
        voice = ArtistStyle(style, model, index, language=language)
        found: dict[str, Any] = {"name": name, "language": language}
        free = tuple(LineForm("x" * len(form.meter), form.rhyme) for form in forms)
        for kind, asked in (("metre", forms), ("syllables", free)):
            began = time.process_time()
            options = LyricsOptions(len(forms), forms=asked, seed=1)
            lines = [line.text for line in sample_lyrics([voice], options) if line.text]
            found[kind] = {"lines": lines, "seconds": time.process_time() - began}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))
    for kind in ("metre", "syllables"):
        found[kind]["figures"] = figures(found[kind]["lines"], forms, language)
    return found


def figures(lines: Sequence[str], forms: Sequence[LineForm], language: Language) -> list[int]:
    """Return asked and kept: stresses, strong beats without function words, syllables, rhymes."""
    form = form_figures([lines], forms, language)
    strong = sum(each.meter.count("s") for each in forms)
    clashes = sum(
        stress_clashes(line, each.meter, language) for line, each in zip(lines, forms, strict=True)
    )
    exact = sum(
        len(sung_syllables(line, language)) == len(each.meter)
        for line, each in zip(lines, forms, strict=True)
    )
    return [
        form.stresses_asked, form.stresses_kept, strong, clashes, len(lines), exact,
        form.rhymes_asked, form.rhymes_kept,
    ]  # fmt: skip


def composed_figures(tune: Tune, score: Score, language: Language) -> list[int]:
    """Return stresses asked and kept, strong beats and function words on them, of sung words."""
    metre = {
        tick: position
        for phrase in tune.phrases
        for tick, position in zip(phrase.ticks, phrase.meter, strict=True)
    }
    counts = [0, 0, sum(position == "s" for position in metre.values()), 0]
    for word in sung_words(score, tune.part):
        text = "".join(normalised_words("".join(syllable.text for syllable in word)))
        pattern = stress_pattern(text, sound(text, language), language)
        if len(pattern) != len(word):
            continue
        for stress, syllable in zip(pattern, word, strict=True):
            position = metre.get(syllable.tick, "x")
            if len(word) > 1 and "x" not in (stress, position):
                counts[0] += 1
                counts[1] += (stress == "1") == (position == "s")
        counts[3] += (
            len(word) == 1 and metre.get(word[0].tick) == "s" and is_unstressed(text, language)
        )
    return counts


def sung_words(score: Score, part: int) -> list[list[Syllable]]:
    """Return the syllables of each word of the first verse."""
    words: list[list[Syllable]] = []
    for syllable in score.parts[part].syllables:
        if syllable.verse != 1:
            continue
        if syllable.syllabic in {"middle", "end"} and words:
            words[-1].append(syllable)
        else:
            words.append([syllable])
    return words


def words_table(
    lieder: Sequence[tuple[str, Language, Tune, Score]], written: Sequence[dict[str, Any]]
) -> str:
    rows: list[list[object]] = []
    composed: dict[str, list[list[int]]] = defaultdict(list)
    for _, language, tune, score in lieder:
        composed[language].append(composed_figures(tune, score, language))
    for language in ("en", "de", "fr", "it"):
        if composed[language]:
            counts = [sum(column) for column in zip(*composed[language], strict=True)]
            name = f"composed, {language}: {len(composed[language])} songs"
            rows.append([name, *_shares(counts), "–", "–"])
    for kind, label in (("metre", "written to the tune"), ("syllables", "by syllable count")):
        for language in ("en", "de", "fr"):
            own = [one[kind]["figures"] for one in written if one["language"] == language]
            counts = [sum(column) for column in zip(*own, strict=True)]
            shares = [counts[5] / counts[4], counts[7] / max(counts[6], 1)]
            rows.append([f"{label}, {language}: {len(own)} tunes", *_shares(counts), *shares])
    return table(
        ["words", "stress agrees", "function words on strong beats", "syllables", "rhymes"], rows
    )


def _shares(counts: Sequence[int]) -> list[object]:
    return [counts[1] / counts[0] if counts[0] else "–", counts[3] / counts[2]]


def tunes_table(written: Sequence[dict[str, Any]]) -> str:
    rows = []
    for one in written:
        counts, free = one["metre"]["figures"], one["syllables"]["figures"]
        rows.append([
            one["name"], one["language"], len(one["metre"]["lines"]), *_shares(counts),
            *_shares(free), counts[5] / counts[4], counts[7] / max(counts[6], 1),
            f"{one['metre']['seconds']:.0f}",
        ])  # fmt: skip
    return table(
        ["tune", "language", "lines", "stress agrees", "function words on strong beats",
         "by count: stress", "by count: function words", "syllables", "rhymes",
         "processor seconds"],
        rows,
    )  # fmt: skip


def phrases_table(lieder: Sequence[tuple[str, Language, Tune, Score]]) -> str:
    """Compare phrases with lines, and with phrases of four bars as a baseline."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for _, _, tune, score in lieder:
        of_tick = {
            syllable.tick: syllable.text
            for syllable in score.parts[tune.part].syllables
            if syllable.verse == 1
        }
        ticks = [tick for phrase in tune.phrases for tick in phrase.ticks]
        if not all(tick in of_tick for tick in ticks):
            continue
        true = {
            at for at in range(1, len(ticks))
            if of_tick[ticks[at - 1]][-1] in _END_MARKS
            and of_tick[ticks[at]].lstrip('"“„«(‘')[:1].isupper()
        }  # fmt: skip
        if len(true) < len(ticks) / 20:
            continue  # a poem without capitals at the beginnings of lines
        ends, total = set(), 0
        for phrase in tune.phrases[:-1]:
            total += len(phrase.ticks)
            ends.add(total)
        every_eight = set(range(8, len(ticks), 8))
        for name, got in (("phrases", ends), ("every eighth note", every_eight)):
            for at, value in enumerate((len(got & true), len(got), len(true))):
                totals[name][at] += value
    rows = [
        [name, right / got, right / true, 2 * right / (got + true)]
        for name, (right, got, true) in totals.items()
    ]
    return table(["", "precision", "recall", "F1"], rows)


if __name__ == "__main__":
    main()
