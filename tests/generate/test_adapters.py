"""Language models of other makers: adapted to an artist, writing in forms, refused with reason."""

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from language_models import bert, gpt2, llama
from segue.errors import BadArgument, BadCheckpoint, NotFound, SegueError
from segue.generate.lyrics import adapter_training, line_search, sampler
from segue.generate.lyrics.adapter import AdaptedModel, load_style_model
from segue.generate.lyrics.adapter_training import (
    AdapterTraining,
    train_adapter,
)
from segue.generate.lyrics.form import parse_meter
from segue.generate.lyrics.language_model import LanguageModel
from segue.generate.lyrics.network import UNCONDITIONAL, CharNetwork, CharNetworkConfig
from segue.generate.lyrics.report import GeneratedLyrics
from segue.generate.lyrics.sampler import ArtistStyle, LyricsOptions, sample_lyrics
from segue.generate.lyrics.training import (
    LyricsTraining,
    Split,
    split_by_artist,
    tokenize_song,
)
from segue.generate.lyrics.transformers_lm import load_transformer
from segue.generate.lyrics.vocabulary import encode_song
from segue.lyrics.phonetics import split_words
from segue.lyrics.pronunciation import sound
from segue.nn import pretrained
from segue.nn.pretrained import (
    BaseModel,
    check_causal,
    check_folder,
    choose_dtype,
    download,
    fingerprint,
    locate,
    parse_base,
)
from segue.nn.trainer import Progress
from segue.records import Lyrics, Tags
from segue.training.run import _resolve_lyrics_options
from verses import song as verse


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "CANDIDATES", 3)
    monkeypatch.setattr(line_search, "MAX_LINE_LENGTH", 24)


HELD_OUT = "the river and the moon\nremembers those meadows"


def split(artist: str) -> Split:
    songs = [Lyrics(verse(artist, seed), Tags(f"song {seed}", artist)) for seed in range(8)]
    return split_by_artist([tokenize_song(song) for song in songs])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpt2(tmp_path_factory.mktemp("gpt2"))


def train(base: Path, folder: Path, artist: str = "Ada Long", **options: Any) -> AdaptedModel:
    training = AdapterTraining(artist=artist, base=str(base), epochs=1, device="cpu", **options)
    return train_adapter(training, split(artist), folder)[0]


@pytest.fixture(scope="module")
def models(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[AdaptedModel]:
    return [
        train(base, tmp_path_factory.mktemp("run"), artist, learning_rate=0.01)
        for artist in ("Ada Long", "Bob Short")
    ]


def styles(models: list[AdaptedModel]) -> list[ArtistStyle]:
    return [ArtistStyle(model.artist, model, 1) for model in models]


def nats(model: AdaptedModel, style: int = 1) -> float:
    return float(model.ensemble(style).nll(encode_song(HELD_OUT)).sum())


# --- training ---


def test_an_adapter_predicts_its_artist_better_than_its_base(models: list[AdaptedModel]) -> None:
    for model in models:
        figures = model.metadata
        assert figures["bits_held_out"] < figures["bits_before"]
        assert figures["bits_of_test"] > 0
    ada, bob = models
    text = encode_song(verse("Bob Short", 3))
    assert bob.ensemble(1).nll(text).sum() < ada.ensemble(1).nll(text).sum()


def test_an_adapter_is_small_and_reads_back(models: list[AdaptedModel], tmp_path: Path) -> None:
    path = tmp_path / "lyrics.safetensors"
    model = replace(models[0], fingerprint=models[0].save(path))
    loaded = load_style_model(path)
    assert isinstance(loaded, AdaptedModel)
    assert (loaded.base, loaded.artist) == (model.base, model.artist)
    assert loaded.training_songs == model.training_songs
    assert loaded.fingerprint == model.fingerprint
    assert nats(loaded) == pytest.approx(nats(models[0]), rel=1e-3)
    assert all("lora_" in name for name in loaded.adapter)


def test_the_base_stays_as_it_is(models: list[AdaptedModel]) -> None:
    values = {round(nats(model, UNCONDITIONAL), 6) for model in models}
    assert len(values) == 1
    assert nats(models[0]) != pytest.approx(values.pop())


def test_a_resumed_run_is_equal_to_an_uninterrupted_one(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_training, "STEPS_PER_EPOCH", 3)
    training = AdapterTraining(artist="Ada Long", base=str(base), epochs=2, device="cpu")
    whole = train_adapter(training, split("Ada Long"), tmp_path / "whole")[0]

    def stop(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (2, 2):
            os.kill(os.getpid(), 2)

    with pytest.raises(KeyboardInterrupt):
        train_adapter(training, split("Ada Long"), tmp_path / "parts", watch=stop)
    parts = train_adapter(training, split("Ada Long"), tmp_path / "parts", resume=True)[0]
    for name, weights in whole.adapter.items():
        assert torch.equal(parts.adapter[name], weights)
    state = tmp_path / "parts" / "training.safetensors"
    assert state.stat().st_size < 20 * sum(each.numel() for each in whole.adapter.values())
    other = replace(training, learning_rate=0.1)
    with pytest.raises(BadCheckpoint, match="learning_rate"):
        train_adapter(other, split("Ada Long"), tmp_path / "parts", resume=True)


def test_one_artist_is_named(base: Path) -> None:
    with pytest.raises(BadArgument, match="--artist"):
        AdapterTraining(artist="", base=str(base))


# --- writing ---


def test_lines_keep_rhyme_and_metre(models: list[AdaptedModel]) -> None:
    options = LyricsOptions(4, rhyme="AABB", meter="iambic-2", max_copy=4, seed=3)
    lines = [line.text for line in sample_lyrics(styles(models[:1]), options)]
    ends = [sound(split_words(line)[-1].lower()) for line in lines]
    assert ends[0].rhymes_with(ends[1])
    assert ends[2].rhymes_with(ends[3])
    syllables = len(parse_meter("iambic-2")[0])
    counts = [sum(len(sound(word.lower()).stress) for word in split_words(line)) for line in lines]
    assert counts == [syllables] * 4
    again = [line.text for line in sample_lyrics(styles(models[:1]), options)]
    assert again == lines


def test_the_report_is_that_of_own_models(models: list[AdaptedModel]) -> None:
    options = LyricsOptions(3, seed_line="The river", about="sea")
    lyrics = GeneratedLyrics(styles(models[:1]), options)
    assert next(iter(lyrics)).text == "The river"
    assert len([line for line in lyrics if line.text]) == 2
    report = lyrics.report
    assert report["models"] == [models[0].fingerprint]
    assert 0 < report["bits_per_character"] < 20
    assert report["figures"]["copied_words"]["length"] <= 8


@pytest.mark.parametrize("blend", [None, 0.5])
def test_two_adapters_write_a_duet(models: list[AdaptedModel], blend: float | None) -> None:
    duet = GeneratedLyrics(styles(models), LyricsOptions(4), blend=blend)
    voices = [line.voices for line in duet if line.text]
    assert voices == (["A"] * 4 if blend else list("ABAB"))
    assert duet.report["models"] == [model.fingerprint for model in models]


def test_the_contrast_of_two_adapters_is_with_their_base(models: list[AdaptedModel]) -> None:
    options = LyricsOptions(1)
    duet = GeneratedLyrics(styles(models), options, blend=0.5, blend_mode="contrast")
    assert len(list(duet)) == 1


def test_an_adapter_and_a_model_of_segue_write_a_duet(models: list[AdaptedModel]) -> None:
    network = CharNetwork(CharNetworkConfig(16, 1, ngram_sizes=()))
    own = LanguageModel(network.eval(), (), models[1].training_songs, {})
    voices = [*styles(models[:1]), ArtistStyle("Bob Short", own)]
    for blend in (None, 0.5):
        duet = GeneratedLyrics(voices, LyricsOptions(2), blend=blend)
        assert len([line for line in duet if line.text]) == 2


def test_an_adapter_is_not_adapted_again(models: list[AdaptedModel]) -> None:
    options = LyricsTraining(artist="Ada Long", start="lyrics-ada-long")
    with pytest.raises(BadArgument, match=f"--from {models[0].base}"):
        _resolve_lyrics_options(None, options, models[0])  # type: ignore[arg-type]


def test_nothing_connects(
    models: list[AdaptedModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: Any) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    load_transformer.cache_clear()
    path = tmp_path / "lyrics.safetensors"
    models[0].save(path)
    model = load_style_model(path)
    options = LyricsOptions(1)
    assert len(list(sample_lyrics([ArtistStyle("Ada Long", model, 1)], options))) == 1


# --- bad input ---


def test_a_base_that_is_gone_or_changed(base: Path, tmp_path: Path) -> None:
    copy = tmp_path / "base"
    shutil.copytree(base, copy)
    model = AdaptedModel(BaseModel("path", str(copy)), fingerprint(copy), "Ada Long", (), {})
    model.ensemble(UNCONDITIONAL)
    gpt2(copy, 1, steps=0)
    with pytest.raises(BadArgument, match="not the one that this adapter was trained with"):
        model.ensemble(1)
    shutil.rmtree(copy)
    with pytest.raises(NotFound, match="put it back there"):
        model.ensemble(1)


def break_folder(base: Path, folder: Path, fault: str) -> None:
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    match fault:
        case "pickled":
            (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        case "no weights":
            (folder / "model.safetensors").unlink()
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
        case "no config":
            (folder / "config.json").unlink()
        case "bad config":
            (folder / "config.json").write_text("[1]")
        case "half the shards":
            (folder / "model.safetensors").rename(folder / "model-1.safetensors")
            index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        case "cut off":
            path = folder / "model.safetensors"
            path.write_bytes(path.read_bytes()[:1000])
        case "another size":
            config |= {"n_embd": 16}
            (folder / "config.json").write_text(json.dumps(config))
        case "more layers":
            (folder / "config.json").write_text(json.dumps(config | {"n_layer": 3}))
        case "no list":
            (folder / "config.json").write_text(json.dumps(config | {"architectures": 7}))
        case "another tokenizer":
            tokenizer = json.loads((folder / "tokenizer.json").read_text())
            tokenizer["model"]["vocab"]["zz"] = 2 * config["vocab_size"]
            (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        case "code":
            (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"a": "b.c"}}))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("pickled", "pytorch_model.bin, a pickle"),
        ("no weights", "expected model.safetensors"),
        ("no tokenizer", "no tokenizer.json"),
        ("no config", "no config.json"),
        ("bad config", "not the configuration"),
        ("half the shards", "lacks model-2.safetensors"),
        ("cut off", "damaged"),
        ("code", "code of its own"),
        ("another size", "missing or of another size"),
        ("more layers", "missing or of another size"),
        ("no list", "not a causal language model"),
        ("another tokenizer", "the tokenizer of the model"),
    ],
)
def test_incomplete_and_unsafe_folders(
    base: Path, tmp_path: Path, fault: str, message: str
) -> None:
    folder = tmp_path / "model"
    break_folder(base, folder, fault)
    with pytest.raises(BadArgument, match=message) as caught:
        load_transformer(folder, fault)
    assert "\n" not in str(caught.value)


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="BertModel, not a causal language model"):
        check_causal(bert(tmp_path))


def test_a_model_too_large_for_memory(base: Path) -> None:
    weights = (base / "model.safetensors").stat().st_size
    assert choose_dtype(base, None) == "float32"
    assert choose_dtype(base, 2 * weights) == "float32"
    assert choose_dtype(base, weights) == "bfloat16"
    with pytest.raises(BadArgument, match=r"needs .* GB of memory"):
        choose_dtype(base, weights // 2)


def test_an_adapter_of_another_network(models: list[AdaptedModel], tmp_path: Path) -> None:
    folder = llama(tmp_path)
    other = replace(
        models[0], base=BaseModel("path", str(folder)), base_fingerprint=fingerprint(folder)
    )
    with pytest.raises(BadArgument, match="another network"):
        other.ensemble(1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hf:gpt2", "hf"),
        ("hf:HuggingFaceTB/SmolLM2-135M", "hf"),
        ("./models/gpt2", "path"),
        ("/models/gpt2", "path"),
        ("~/gpt2", "path"),
        ("gguf:model.gguf", "gguf"),
    ],
)
def test_names_of_other_makers(text: str, kind: str) -> None:
    found = parse_base(text)
    assert found
    assert found.kind == kind
    assert parse_base(str(found)) == found


@pytest.mark.parametrize("text", ["base", "my-lyrics", "scratch", "lyrics-robert-burns"])
def test_names_of_own_models(text: str) -> None:
    assert parse_base(text) is None


@pytest.mark.parametrize("text", ["hf:", "hf:a/b/c", "gguf:", "hf:/root"])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(BadArgument):
        parse_base(text)


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    with pytest.raises(BadArgument, match=r"pip install 'segue\[llm\]'"):
        load_transformer(Path("somewhere"), "missing")
    with pytest.raises(BadArgument, match=r"pip install 'segue\[llm\]'"):
        download(BaseModel("hf", "gpt2"))


def test_a_gguf_file_is_no_folder(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"not a file of llama\.cpp"):
        locate(BaseModel("gguf", str(base)))
    with pytest.raises(NotFound, match="no language model"):
        locate(BaseModel("gguf", str(tmp_path / "none.gguf")))
    (tmp_path / "file").touch()
    with pytest.raises(BadArgument, match="not a folder"):
        locate(BaseModel("path", str(tmp_path / "file")))


# --- the Hub ---


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hugging Face Hub does, for one model."""

    folder: Path
    commit = "0123456789" * 4

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        files = sorted(each.name for each in self.folder.iterdir())
        if path.startswith("/api/models/maker/model/tree"):
            entries = [
                {"type": "file", "path": name, "size": (self.folder / name).stat().st_size,
                 "oid": self.commit}
                for name in files
            ]  # fmt: skip
            self._answer(200, json.dumps(entries).encode())
        elif path.startswith("/api/models/maker/model"):
            siblings = [{"rfilename": name} for name in files]
            self._answer(200, json.dumps({
                "id": "maker/model", "sha": self.commit, "siblings": siblings, "tags": [],
                "private": False, "downloads": 0, "likes": 0,
            }).encode())  # fmt: skip
        elif path.startswith("/maker/model/resolve/") and path.rpartition("/")[2] in files:
            self._answer(200, (self.folder / path.rpartition("/")[2]).read_bytes())
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", f'"{np.frombuffer(content, np.uint8).sum()}-{len(content)}"')
        self.send_header("X-Repo-Commit", self.commit)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Hub on this computer, with an empty cache."""
    from huggingface_hub import constants

    folder = tmp_path / "offered"
    shutil.copytree(base, folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Hub,), {"folder": folder}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield url
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_model_of_the_hub_is_downloaded_by_name_alone(hub: str) -> None:
    assert hub
    model = BaseModel("hf", "maker/model")
    with pytest.raises(NotFound, match="--from hf:maker/model` downloads it"):
        locate(model)
    download(model)
    folder = locate(model)
    check_folder(folder)
    assert not (folder / "pytorch_model.bin").exists()
    with pytest.raises(NotFound, match="no public model 'maker/other'"):
        download(BaseModel("hf", "maker/other"))


def test_without_a_network(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    assert hub
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SegueError, match="check the network") as caught:
        download(BaseModel("hf", "maker/model"))
    assert "\n" not in str(caught.value)
    torch.manual_seed(0)
