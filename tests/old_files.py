"""What models and interrupted runs of version 0.1 are asked, so that later versions answer alike.

`tests/data/version_0_1/README.md` says how the files and the expected answers were made.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import segue.audio.training
import segue.generate.compose.training
import segue.nn.trainer
from conftest import little_score
from melody_models import network as melody_network
from melody_models import sheet
from recipes.chorales import Piece, train_lm
from segue.audio.autoencoders import AutoencoderConfig
from segue.audio.contrastive import ContrastiveConfig
from segue.audio.embedding import POOLED_SIZE
from segue.audio.learned_space import LearnedConfig, LearnedSound
from segue.audio.training import Example, SoundTraining, train_sound
from segue.generate.compose.model import CachedDecoder, Composer
from segue.generate.compose.tokens import BEGIN, VOCABULARY_SIZE
from segue.generate.compose.training import ComposerTraining, make_piece, train_composer
from segue.generate.harmony.chorale_frames import KnownChorales
from segue.generate.harmony.chorale_network import (
    NUM_PITCHES,
    ChoraleConfig,
    ChoraleTransformer,
    load_chorale_network,
)
from segue.generate.harmony.particle_filter import ParticleFilterOptions, sample_voices
from segue.generate.lyrics import training as lyrics
from segue.generate.lyrics.language_model import EnsembleLM, LanguageModel
from segue.generate.lyrics.network import UNCONDITIONAL, CharNetworkConfig
from segue.generate.lyrics.training import (
    LyricsTraining,
    split_by_artist,
    tokenize_song,
    train_lyrics,
)
from segue.generate.lyrics.vocabulary import Tokens, encode_song
from segue.generate.melody.model import MelodyModel
from segue.generate.melody.training import MelodyTraining, train_melody
from segue.generate.notes import training as note_lstm
from segue.generate.notes.network import NoteModel, NoteSequence
from segue.generate.notes.training import NoteTraining, train_notes
from segue.library import Library
from segue.nn.lm_training import LMTrainingConfig
from segue.nn.sampling import Sampling, sample
from segue.nn.trainer import FitResult, ProgressCallback
from segue.nn.transformer import KVCache, StackConfig, Transformer, TransformerConfig
from segue.records import BoolArray, Lyrics, Tags
from segue.score.piano_roll import pack_bars
from segue.score.vae import training as score
from segue.score.vae import training as score_options
from segue.score.vae import training as score_windows
from segue.score.vae.model import RollModel
from segue.score.vae.network import RollVAEConfig
from segue.score.vae.training import RollTrack, ScoreTraining, train_score
from segue.theory.chord_charts import parse_chart
from verses import song as verse

Answers = dict[str, NDArray[Any]]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


# ---- models ------------------------------------------------------------------------------


def sound(path: Path) -> Answers:
    model, rng = LearnedSound.load(path), np.random.default_rng(1)
    config, network = model.config, model.config.network
    if isinstance(network, ContrastiveConfig) and network.source == "musicnn":
        x = rng.random((3, POOLED_SIZE + network.features), np.float32)
        return {"vectors": model.vectors([x[:1], x[1:]], [0, 0])}  # type: ignore[list-item]
    shape = (network.channels * (1 + config.stereo), network.bands, network.frames)
    tiles = rng.integers(0, 256, (3, *shape), np.uint8)
    answers: Answers = {"vectors": model.vectors([tiles[:1], tiles[1:]], [7, 12])}
    if isinstance(network, AutoencoderConfig):
        image, code = model.reconstruct(tiles[:2], 9)
        answers |= {"image": image[..., ::5, ::5], "code": code[:, :16]}
    return answers


def cells(seed: int, bars: int) -> BoolArray:
    """Make bars of a motif over a bass and drums."""
    rng = np.random.default_rng(seed)
    found = np.zeros((bars, 48, 84, 5), np.bool_)
    motif = 40 + rng.integers(0, 12, 8)
    for bar in range(bars):
        shift = int(rng.integers(0, 3))
        for place, pitch in enumerate(motif.tolist()):
            found[bar, 6 * place : 6 * place + 5, pitch + shift, 1] = True
        found[bar, :24, 12 + shift, 3] = True
        found[bar, ::12, 12, 0] = True
    return found


def rolls(path: Path) -> Answers:
    model = RollModel.load(path)
    windows = np.stack([cells(1, 4), cells(2, 4)])
    mean, log_variance = model.encode(windows)
    return {
        "likeness": model.embed_windows(windows),
        "mean": mean,
        "log variance": log_variance,
        "cells": model.decode(mean)[:, :, ::11, ::7],
        "drawn": model.sample(2, 3),
        "thresholds": model.thresholds,
    }


def notes(path: Path) -> Answers:
    model = NoteModel.load(path)
    answers: Answers = {}
    for stream, known in model.vocabularies.items():
        answers[f"{stream} words"] = np.array(known.tokens)
        answers[f"{stream} cost"] = model.nll(stream, [*known.tokens[1:6], "not a word"])
        answers[f"{stream} embedding"] = model.embedding(stream)[:4, :8]
        answers[f"{stream} company"] = model.cooccurrence[stream][:4]
    return answers


def composing(path: Path) -> Answers:
    model, rng = Composer.load(path), generator()
    cache, tokens = KVCache(model.network.config.stack, 1), [torch.tensor([BEGIN])]
    with torch.inference_mode():
        for _ in range(30):
            logits = model.network.next_logits(tokens[-1][:, None], cache)
            tokens.append(sample(logits, Sampling(), rng))
    return {
        "logits": CachedDecoder(model.network, "float32").append([BEGIN, 5, 6]).numpy(),
        "written": torch.stack(tokens[1:]).numpy(),
        "known names": np.array(model.index.names),
        "known bars": model.index.keys[:50],
        "known steps": model.index.links[:50],
        "known pieces": model.index.pieces[:50],
    }


def melodies(path: Path) -> Answers:
    model, one = MelodyModel.load(path), sheet(9)
    style = model.styles[0]
    chart = parse_chart("Dm7 G7 | Cmaj7 | F/A G | C")
    return {
        "costs": model.nll([one.chart], [one.melody], style)[0],
        "written": model.sample(chart, style, 1, Sampling(), generator(), 2.0)[0],
        "styles": np.array(model.styles),
        "usual pitches": np.array(model.reference[style]["pitch"]),
        "known": np.array(model.training_melodies.names),
        "runs": model.training_melodies.keys[:50],
    }


def _next_log_probs(lm: EnsembleLM, text: Tokens) -> NDArray[Any]:
    """Return the log-probabilities of the token after a text from its beginning."""
    decoder = lm.decoder()
    decoder.append(torch.from_numpy(text[None, 1:]))
    return decoder.log_probs[0].numpy()


def writing(path: Path) -> Answers:
    model = LanguageModel.load(path)
    answers: Answers = {
        "voices": np.array(model.artists),
        "known": np.array([f"{one.tags.artist}: {one.tags.title}" for one in model.training_songs]),
        "words": np.array(model.training_songs[0].text),
        "shares": np.array([model.ngram_weights.get(voice, 0.0) for voice in model.artists]),
    }
    text = encode_song("The silver rain returns unto\nthe ashes of the summer")
    for voice in range(UNCONDITIONAL, len(model.artists) + 1):
        lm = model.ensemble(voice, guidance_scale=0.5)
        answers[f"costs of {voice}"] = lm.nll(text)
        answers[f"outlook of {voice}"] = _next_log_probs(lm, text)
    return answers


def chorales(path: Path) -> Answers:
    network = load_chorale_network(path)
    frames = torch.randint(NUM_PITCHES, (1, 12, 4), generator=generator())
    soprano = torch.tensor([36, 36, 38, 38, 39, 41, 40, 38])
    with torch.inference_mode():
        logits = network(frames).numpy()
    return {
        "logits": logits[0, :, :, ::5],
        "sung": sample_voices(
            network,
            soprano,
            ParticleFilterOptions(Sampling(temperature=0.9, top_p=0.95), 4),
            generator(),
        ).frames.numpy(),
    }


def known_chorales(path: Path) -> Answers:
    found = KnownChorales.load(path).report(chorale(1) + 2)
    return {
        "length": np.array([found["notes"], found["sixteenths"]]),
        "where": np.array([found["voice"], found["chorale"]]),
    }


def chorale(seed: int) -> NDArray[np.int64]:
    return np.repeat(np.random.default_rng(seed).integers(40, 80, (20, 4)), 4, axis=0)


#: What asks a model: by the folder that it lies in.
MODELS: dict[str, Callable[[Path], Answers]] = {
    "sound": sound,
    "rolls": rolls,
    "notes": notes,
    "composing": composing,
    "melodies": melodies,
    "lyrics": writing,
    "chorales": chorales,
    "known-chorales": known_chorales,
}


# ---- interrupted runs --------------------------------------------------------------------


def small(patch: pytest.MonkeyPatch) -> None:
    """Learn little, with small networks, in full precision."""
    patch.setattr(segue.nn.trainer, "select_precision", lambda _device: "32-true")
    patch.setattr(segue.audio.training, "MIN_STEPS_PER_EPOCH", 2)
    recipe = lyrics._Recipe(
        CharNetworkConfig(24, 1, ngram_sizes=(64, 128), ngram_width=8), context=32, batch_size=8
    )
    patch.setattr(lyrics, "RECIPES", {"default": recipe})
    patch.setattr(lyrics, "_SMALL_CORPUS_RECIPE", recipe)
    patch.setattr(segue.generate.compose.training, "new_network", composer_network)
    patch.setattr(segue.generate.compose.training, "BATCH_SIZE", 2)
    patch.setattr(segue.generate.compose.training, "VALIDATION_BATCHES", 1)
    patch.setattr(note_lstm, "BATCH_SIZE", 4)
    patch.setattr(note_lstm, "VALIDATION_BATCHES", 1)
    patch.setattr(score_windows, "BATCH_SIZE", 4)
    patch.setattr(score, "VALIDATION_BATCHES", 1)
    patch.setattr(score, "CALIBRATION_WINDOWS", 20)
    network = RollVAEConfig(latent=8, invariant=4, width=16, counted=4)
    patch.setattr(score_options, "default_config", lambda: network)
    for module in (lyrics, segue.generate.compose.training, note_lstm, score):
        patch.setattr(module, "STEPS_PER_EPOCH", 2)


def composer_network(seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(TransformerConfig(VOCABULARY_SIZE, StackConfig(16, 1, 2, 96, 0.1)))


def letters(seed: int) -> Lyrics:
    return Lyrics(verse("Ada Long", seed), Tags(f"song {seed}", "Ada Long"))


def words(seed: int) -> note_lstm.Piece:
    rng = np.random.default_rng(seed)
    drawn = tuple(rng.choice(["C4", "D4", "0.4.7", "G4"], 90).tolist())
    return note_lstm.Piece(f"piece {seed}", NoteSequence(drawn, ("0.5", "1/3") * 45))


def learn_sound(folder: Path, resume: bool, watch: ProgressCallback | None) -> FitResult:
    def read(name: str) -> NDArray[np.uint8]:
        return np.random.default_rng(int(name)).integers(0, 256, (1, 512, 16), np.uint8)

    training = SoundTraining("conv", epochs=2, device="cpu", step="beat")
    examples = [Example(str(number), f"album {number}", "", 8.0) for number in range(4)]
    return train_sound(training, examples, read, folder, resume=resume, watch=watch)[1]


def learn_rolls(folder: Path, resume: bool, watch: ProgressCallback | None) -> FitResult:
    training = ScoreTraining(epochs=2, device="cpu")
    tunes = [RollTrack(f"tune {seed}", pack_bars(cells(seed, 6))) for seed in range(4)]
    return train_score(training, tunes, folder, resume=resume, watch=watch)[1]


def learn_notes(folder: Path, resume: bool, watch: ProgressCallback | None) -> FitResult:
    training, pieces = NoteTraining(epochs=2, hidden=4, device="cpu"), [words(n) for n in range(4)]
    return train_notes(training, pieces, folder, resume=resume, watch=watch)[1]


def learn_composing(folder: Path, resume: bool, watch: ProgressCallback | None) -> FitResult:
    training = ComposerTraining(epochs=2, device="cpu")
    pieces = [make_piece(f"piece {seed}", little_score(seed, 4)) for seed in range(4)]
    return train_composer(training, pieces[1:], pieces[:1], folder, resume=resume, watch=watch)[1]


def learn_melodies(folder: Path, resume: bool, watch: ProgressCallback | None) -> FitResult:
    training = MelodyTraining(context=16, batch_size=4, epochs=2, steps_per_epoch=2, device="cpu")
    sheets = [sheet(seed) for seed in range(4)]
    network = melody_network(context=16)
    return train_melody(
        network, training, sheets[1:], sheets[:1], folder, resume=resume, watch=watch
    )


def learn_lyrics(folder: Path, resume: bool, watch: ProgressCallback | None) -> FitResult:
    training = LyricsTraining(epochs=2, device="cpu")
    songs = split_by_artist([tokenize_song(letters(seed)) for seed in range(8)])
    return train_lyrics(training, songs, folder, resume=resume, watch=watch)[1]


def learn_chorales(folder: Path, resume: bool, watch: ProgressCallback | None) -> FitResult:
    torch.manual_seed(0)
    network = ChoraleTransformer(ChoraleConfig(StackConfig(16, 1, 2, 24, 0.1), 1))
    training = LMTrainingConfig(24, batch_size=2, epochs=2, steps_per_epoch=2, device="cpu")
    pieces = [Piece(f"piece {seed}", chorale(seed) - 36) for seed in range(3)]
    return train_lm(
        network, training, pieces[1:], pieces[:1], lambda tokens, by: tokens if not by else None,
        folder, resume=resume, watch=watch,
    )  # fmt: skip


#: What learns, and goes on from a run in a folder, by the folder's name.
RUNS: dict[str, Callable[[Path, bool, ProgressCallback | None], FitResult]] = {
    "sound": learn_sound,
    "rolls": learn_rolls,
    "notes": learn_notes,
    "composing": learn_composing,
    "melodies": learn_melodies,
    "lyrics": learn_lyrics,
    "chorales": learn_chorales,
}


def resumed(name: str, folder: Path) -> Answers:
    """Go on with a run to its end, and tell the losses of its epochs."""
    trained = RUNS[name](folder, True, None)
    history = [(epoch.loss, epoch.validation_loss) for epoch in trained.history]
    return {"losses": np.array(history), "best": np.array(trained.best.epoch)}


def configurations() -> dict[str, LearnedConfig]:
    """Return every kind of learned space of sound, small."""
    size = {"bands": 32, "frames": 32, "latent": 16}
    conv = AutoencoderConfig("conv", bands=32, frames=16)
    recurrent = AutoencoderConfig("conv", bands=32, frames=16, recurrent=True)
    return {
        "dual-axis": LearnedConfig(AutoencoderConfig("dual-axis", **size), "mel128"),  # type: ignore[arg-type]
        "plain-2d": LearnedConfig(AutoencoderConfig("plain-2d", **size), "mel128"),  # type: ignore[arg-type]
        "default": LearnedConfig(AutoencoderConfig("default", **size), "mel128"),  # type: ignore[arg-type]
        "default-stereo": LearnedConfig(
            AutoencoderConfig("default", **size),  # type: ignore[arg-type]
            "mel128",
            stereo=True,
        ),
        "conv": LearnedConfig(conv, "mel512", tiles=1),
        "conv-stereo": LearnedConfig(conv, "mel512", stereo=True, tiles=1),
        "conv-recurrent": LearnedConfig(recurrent, "mel512", tiles=1, step="beat"),
        "contrastive": LearnedConfig(
            ContrastiveConfig(bands=32, frames=64, dimension=16, projection=8), "mel128"
        ),
        "contrastive-musicnn": LearnedConfig(
            ContrastiveConfig("musicnn", pooled_dimension=8, features_dimension=4, features=12),
            "musicnn",
        ),
    }


# ---- a library ---------------------------------------------------------------------------


def library(folder: Path) -> Answers:
    """Ask a library what it holds, what is alike, what is liked, and where its maps have it."""
    with Library.open(folder) as found:
        tracks = found.tracks()
        summary, learning = found.listens(), found.learning
        answers: Answers = {
            "tracks": np.array(
                [
                    f"{one.id} {one.kind} {one.path.name} {one.duration_s:.3f} {one.content_hash} "
                    f"{one.tags.artist} / {one.tags.title} / {one.tags.album} / {one.tags.genre}"
                    for one in tracks
                ]
            ),
            "facts": np.array([json.dumps(one.facts, sort_keys=True) for one in tracks]),
            "spaces": np.array(
                [f"{one.space.name} {one.space.dimension} {one.trained}" for one in found.spaces()]
            ),
            "outdated": np.array([one.outdated for one in found.spaces()]),
            "models": np.array(
                [
                    # `segue write` is `segue lyrics write` since 0.2.
                    f"{one.kind} {one.name} {one.used_by} {one.note}".replace(
                        "lyrics write", "write"
                    )
                    for one in learning.models()
                    # The base of four languages came later.
                    if not one.name.startswith("base-")
                ]
            ),
            "listens": np.array([summary.plays, summary.matched_plays, summary.tracks]),
            "not in the library": np.array([one.name for one in summary.unmatched]),
            "loved": np.array([one.id for one in found.taste.loved]),
            "skipped": np.array([one.id for one in found.taste.skipped]),
        }
        for kind in found.kinds():
            first, *_ = (one.id for one in tracks if one.kind == kind)
            (shown,) = found.describe(first)
            answers[f"text of {kind}"] = np.array(shown.words)
            answers[f"tags of {kind}"] = np.array(list(shown.tags.values()))
            for taste in (True, False):
                hits = found.like(first, taste=taste)
                answers[f"like {kind} {taste}"] = np.array(
                    [(hit.track.id, hit.similarity) for hit in hits]
                )
        near = found.like(1, space="small", taste=False)
        answers["like, in a learned space"] = np.array([(h.track.id, h.similarity) for h in near])
        for space in ("sound", "roll-vae"):
            plane = found.atlas.map(space, update=True)
            answers[f"map of {space}"] = np.column_stack([plane.ids, plane.points])
    return answers
