"""Generated lyrics: attribution to the author of the style, and copying.

    python -m bench.generated_lyrics --data ../shared/data --songs 100

With the bundled model. A classifier of single lines by style is trained on two thirds of the songs
outside the training set of the network, and applied to the lines of the others and to generated
lines. Lines that are copied from the training set are left out.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.result_tables import table, write_table
from recipes.datasets.poems import verse
from segue.generate.copying import SongIndex
from segue.generate.lyrics.language_model import LanguageModel
from segue.generate.lyrics.report import AuthorshipClassifier, fit_authorship, index_songs
from segue.generate.lyrics.sampler import (
    ArtistStyle,
    LyricsOptions,
    blend_styles,
    sample_lyrics,
    take_turns,
)
from segue.io.lyrics_text import sung_lines
from segue.lyrics.phonetics import split_words
from segue.nn.sampling import Sampling
from segue.records import Lyrics

LINES: Final = 16
SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST_LINES: Final = 600
PAIR: Final = ("Robert Burns", "Walt Whitman")
ALSO: Final = (("W. S. Gilbert", "King James Bible, Psalms"), ("Emily Dickinson", "Thomas Moore"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--songs", type=int, default=100, help="written, of all voices together")
    parser.add_argument("--temperature", type=float, default=0.7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = LanguageModel.pretrained()
    known = index_songs(model.training_songs)
    learned = {one.text for one in model.training_songs}
    held = [
        one for one in verse(options.data)
        if one.text not in learned and one.tags.artist in model.artists
    ]  # fmt: skip
    learns, asks = held_out(held)
    judge = fit_authorship(learns, max_lines=MOST_LINES)
    sampling = Sampling(options.temperature, top_p=0.95)
    each = max(options.songs // len(model.artists), 1)
    write_table(
        "generated_lyrics",
        "Generated lyrics: authorship and copying",
        [
            f"Temperature {options.temperature:g}, top-p 0.95; {each} songs of {LINES} lines as "
            f"each of {len(model.artists)} authors. Single lines are classified by style; the "
            f"classifier was trained on {sum(map(len, learns.values()))} songs outside the "
            "training set of the network, and its accuracy is that on others of them.\n",
            "## Author attribution of lines\n\n"
            + own_voices(model, judge, asks, known, sampling, each),
            "## Two artists in turn\n\n" + turns(model, judge, known, sampling),
            "## Two artists combined\n\n" + blends(model, judge, known, sampling),
            "## Longest word sequence copied\n\n" + copies(model, known, sampling, each),
        ],
    )


def held_out(songs: Sequence[Lyrics]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Split the songs of each artist: two thirds for training, a third for the test."""
    learns: dict[str, list[str]] = {}
    asks: dict[str, list[str]] = {}
    by_artist: dict[str, list[str]] = {}
    for one in songs:
        by_artist.setdefault(one.tags.artist, []).append(one.text)
    for artist, texts in by_artist.items():
        asks[artist] = texts[::3]
        learns[artist] = [text for at, text in enumerate(texts) if at % 3] or texts
    return learns, asks


def own_voices(
    model: LanguageModel,
    judge: AuthorshipClassifier,
    asks: dict[str, list[str]],
    known: SongIndex,
    sampling: Sampling,
    each: int,
) -> str:
    rows: list[list[object]] = []
    shares = []
    for artist in model.artists:
        own = [line for text in asks[artist] for line in sung_lines(text) if split_words(line)]
        written = [
            line
            for seed in range(each)
            for line in _written(model, [artist], LyricsOptions(LINES, sampling, seed=seed))[0]
        ]
        new = _not_copied(written, known)
        share = [judge.attributed_share(some, artist, neighbours=0) for some in (own, new)]
        shares.append(share)
        rows.append([artist, len(own), share[0], len(written) - len(new), share[1],
                     share[1] / share[0] if share[0] else "–"])  # fmt: skip
    mean = np.mean(shares, axis=0)
    rows.append(["**all, in the mean**", "", mean[0], "", mean[1], mean[1] / mean[0]])
    columns = ["author", "held-out lines", "attributed to the author", "copied lines left out",
               "generated lines attributed to the author", "ratio (bar 0.85)"]  # fmt: skip
    return table(columns, rows)


def turns(
    model: LanguageModel, judge: AuthorshipClassifier, known: SongIndex, sampling: Sampling
) -> str:
    rows: list[list[object]] = []
    for pair in (PAIR, *ALSO):
        lines: dict[str, list[str]] = {artist: [] for artist in pair}
        for seed in range(6):
            options = LyricsOptions(24, sampling, seed=seed)
            told, who = _written(model, pair, options)
            for line, voice in zip(told, who, strict=True):
                lines[pair["AB".index(voice[0])]].append(line)
        for artist in pair:
            other = pair[1 - pair.index(artist)]
            new = _not_copied(lines[artist], known)
            rows.append([artist, f"with {other}", len(new),
                         judge.attributed_share(new, artist, neighbours=0),
                         judge.attributed_share(new, other, neighbours=0)])  # fmt: skip
    columns = ["artist", "", "lines", "attributed to the artist", "to the other"]
    return "Line by line.\n\n" + table(columns, rows)


def blends(
    model: LanguageModel, judge: AuthorshipClassifier, known: SongIndex, sampling: Sampling
) -> str:
    rows: list[list[object]] = []
    for how in ("mixture", "product", "contrast"):
        found = []
        for share in SHARES:
            lines = []
            for seed in range(6):
                voices = [_voice(model, artist) for artist in PAIR]
                if how == "contrast":
                    voices = [replace(voice, guidance_scale=0.0) for voice in voices]
                    voices.append(ArtistStyle("", model))
                blending = blend_styles(share, how)
                options = LyricsOptions(24, sampling, seed=seed)
                made = sample_lyrics(voices, options, combine=blending)
                lines += [line.text for line in made if line.text]
            new = _not_copied(lines, known)
            taken = [judge.attributed_share(new, artist, neighbours=0) for artist in PAIR]
            found.append(taken[1] / max(sum(taken), 1e-9))
        rows.append([how, *found])
    return (
        f"{PAIR[0]} and {PAIR[1]}, 144 lines for each share; of the lines attributed to either, "
        f"the share attributed to the second.\n\n"
        + table(["", *(f"share {one:g}" for one in SHARES)], rows)
    )


def copies(model: LanguageModel, known: SongIndex, sampling: Sampling, each: int) -> str:
    rows: list[list[object]] = []
    for name, most in (("generated, without a limit", 0), ("generated, --max-copy 8", 8)):
        lengths = []
        for artist in model.artists:
            for seed in range(each):
                options = LyricsOptions(LINES, sampling, seed=seed, max_copy=most)
                lines, _ = _written(model, [artist], options)
                lengths.append(known.longest_shared_words(_words(lines)).length)
        rows.append([name, len(lengths), float(np.median(lengths)), max(lengths)])
    lengths = []
    for at, one in enumerate(known.songs):
        if at % max(len(known.songs) // (each * len(model.artists)), 1) == 0:
            lines = sung_lines(one.text)[:LINES]
            others = SongIndex([*known.songs[:at], *known.songs[at + 1 :]])
            lengths.append(others.longest_shared_words(_words(lines)).length)
    rows.append(["actual songs, from all others", len(lengths), float(np.median(lengths)),
                 max(lengths)])  # fmt: skip
    return f"In {LINES} lines.\n\n" + table(["", "songs", "median", "longest"], rows)


def _voice(model: LanguageModel, artist: str) -> ArtistStyle:
    return ArtistStyle(artist, model, model.style_index(artist))


def _written(
    model: LanguageModel, artists: Sequence[str], options: LyricsOptions
) -> tuple[list[str], list[str]]:
    voices = [_voice(model, artist) for artist in artists]
    lines = [line for line in sample_lyrics(voices, options, combine=take_turns) if line.text]
    return [line.text for line in lines], [line.voices or "A" for line in lines]


def _not_copied(lines: Sequence[str], known: SongIndex) -> list[str]:
    """Leave out lines whose words all stand in a row in a song, and lines without words."""
    found = []
    for line in lines:
        words = split_words(line)
        if words and known.longest_shared_words(words).length < len(words):
            found.append(line)
    return found


def _words(lines: Sequence[str]) -> list[str]:
    return [word for line in lines for word in split_words(line)]


if __name__ == "__main__":
    main()
