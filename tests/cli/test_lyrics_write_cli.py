"""The commands that write lyrics, run as a user runs them."""

import json
from pathlib import Path

import pytest
from test_cli import answer, segue

from segue.cli.lyrics import _locked_lines, _options
from segue.errors import BadArgument
from segue.generate.lyrics.tune import read_tune
from segue.io.abc_read import read_tune as read_abc_tune
from segue.io.abc_read import split_tune_book
from segue.io.musicxml_read import read_music_xml
from segue.io.scores import write_score
from segue.records import Score
from verses import song


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("writing")
    for artist in ("Ada Long", "Bob Short"):
        (folder / artist).mkdir()
        for seed in range(6):
            (folder / artist / f"Song {seed}.txt").write_text(song(artist, seed))
    (folder / "Little").mkdir()
    (folder / "Little" / "One.txt").write_text("la la la\n" * 20)
    library = folder / "library"
    assert segue("add", folder, "--workers", "1", library=library).returncode == 0
    return library


def test_the_shipped_model_writes_at_once(tmp_path: Path) -> None:
    target, report = tmp_path / "song.txt", tmp_path / "song.json"
    done = segue(
        "write", "--artist", "dickinson", "--lines", "4", "--seed", "0",
        "-o", target, "--report", report, library=tmp_path / "none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in target.read_text().split("\n") if line]
    assert len(lines) == 4
    assert lines[0] in done.stdout
    document = json.loads(report.read_text())
    assert document["artists"] == ["Emily Dickinson"]
    assert document["figures"]["copied_words"]["length"] <= 8
    assert not (tmp_path / "none").exists()


def test_temperatures_stand_side_by_side(tmp_path: Path) -> None:
    document = answer(
        "write", "--artist", "Robert Burns", "--lines", "3", "--temperature", "0,0.9",
        "--seed", "0", library=tmp_path,
    )["texts"]  # fmt: skip
    assert [verse["wishes"]["sampling"]["temperature"] for verse in document] == [0, 0.9]
    assert document[0]["lines"] != document[1]["lines"]


def test_several_texts_have_consecutive_seeds(tmp_path: Path) -> None:
    arguments = ["write", "--artist", "Emily Dickinson", "--lines", "1", "-n", "2", "--seed", "7"]
    document = answer(*arguments, library=tmp_path)["texts"]
    assert [verse["seed"] for verse in document] == [7, 8]
    assert document[0]["lines"] != document[1]["lines"]


def test_a_duet_of_shipped_artists(tmp_path: Path) -> None:
    target = tmp_path / "duet.txt"
    arguments = ["duet", "burns", "whitman", "--lines", "4", "--seed", "0"]
    done = segue(*arguments, "-o", target, library=tmp_path / "l")
    assert done.returncode == 0, done.stderr
    marks = [line.split("  ")[0] for line in target.read_text().split("\n") if line]
    assert marks == ["A", "B", "A", "B"]
    assert "A: Robert Burns   B: Walt Whitman" in done.stdout


def test_several_duets(tmp_path: Path) -> None:
    target = tmp_path / "duets.txt"
    arguments = ["duet", "burns", "whitman", "--lines", "2", "-n", "2", "--seed", "4"]
    done = segue(*arguments, "-o", target, library=tmp_path / "l")
    assert done.returncode == 0, done.stderr
    assert "seed 4: the same again" in done.stdout
    assert "seed 5: the same again" in done.stdout
    verse, other = target.read_text().strip().split("\n\n")
    assert verse != other
    assert verse.startswith("A  ")
    assert other.startswith("A  ")


def test_a_model_is_trained_for_an_artist(library: Path) -> None:
    arguments = segue("write", "--artist", "Ada Long", library=library)
    assert arguments.returncode == 1
    assert "segue train lyrics --artist" in arguments.stderr
    done = segue(
        "train", "lyrics", "--artist", "ada", "--epochs", "1", "--minutes", "0.05", library=library
    )
    assert done.returncode == 0, done.stderr
    assert "trained on 6 songs" in done.stdout
    again = ["write", "--artist", "Ada Long", "--lines", "2", "--seed", "0"]
    document = answer(*again, library=library)["texts"][0]
    assert document["artists"] == ["Ada Long"]
    output = segue(*again, library=library).stdout
    assert "written by the model 'lyrics-ada-long', trained on this library" in output
    both = answer(
        "duet", "ada", "burns", "--lines", "2", "--blend", "0.5", "--seed", "0", library=library
    )
    assert both["texts"][0]["blend"] == 0.5


def test_artists_of_any_alphabet_have_models(tmp_path: Path) -> None:
    (tmp_path / "Анна").mkdir()
    for seed in range(4):
        lines = [f"{line} и снег" for line in song("Bob Short", seed, 8).split("\n")]
        (tmp_path / "Анна" / f"{seed}.txt").write_text("\n".join(lines))
    library = tmp_path / "library"
    adding = segue("add", tmp_path / "Анна", "--artist", "Анна", "--workers", "1", library=library)
    assert adding.returncode == 0
    done = segue("train", "lyrics", "--artist", "анна", "--epochs", "1", library=library)
    assert done.returncode == 0, done.stderr
    document = answer("duet", "Анна", "burns", "--lines", "2", library=library)["texts"][0]
    assert document["artists"] == ["Анна", "Robert Burns"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["write", "--artist", "Ada Lung"], "Ada Long"),
        (["write", "--artist", "burns", "--rhyme", "A1"], "no rhyme scheme"),
        (["write", "--artist", "burns", "--seed-line", ""], "leave the option out"),
        (["write", "--artist", "burns", "--temperature", "hot"], "0.5,0.8,1.1"),
        (["write", "--artist", "burns", "--temperature", "-1"], "temperature"),
        (["write", "--artist", "burns", "--lines", "0"], "from 1 to 1000"),
        (["write", "--artist", "burns", "-o", "song.mp3"], ".txt"),
        (["duet", "burns", "moore", "--by", "bar"], "'line', 'stanza', 'word'"),
        (["duet", "burns", "moore", "--blend", "2"], "from 0 to 1"),
        (["duet", "burns", "moore", "--how", "product"], "goes with --blend"),
        (["duet", "burns", "moore", "--blend", "0.5", "--by", "word"], "give one of them"),
        (["duet", "burns", "moore", "--blend", "0.5", "--how", "soup"], "mixture"),
        (["train", "lyrics", "--artist", "Little"], "1 songs of"),
        (["train", "lyrics", "--artist", "Nobody"], "no artist 'Nobody'"),
        (["train", "lyrics", "--from", "nothing"], "no model 'nothing'"),
        (["train", "lyrics", "--preset", "char-lstm", "--from", "base"], "of the preset"),
    ],
)
def test_invalid_arguments_are_refused(library: Path, arguments: list[str], message: str) -> None:
    done = segue(*arguments, library=library)
    assert done.returncode in {1, 2}, done.stdout
    assert message in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("lock", ["3", "2-1", "0", "1-999999", "1-9999999999999", "1-", "a", ","])
def test_locked_lines_must_be_in_the_draft(tmp_path: Path, lock: str) -> None:
    draft = tmp_path / "draft.txt"
    draft.write_text("The tide came in\n\nAnd went again\n")
    with pytest.raises(BadArgument, match="--lock"):
        _locked_lines(draft, lock)
    assert _locked_lines(draft, "1-2") == (((0, "The tide came in"), (1, "And went again")), 2)


def test_a_draft_gives_the_number_of_lines_unless_an_option_does(tmp_path: Path) -> None:
    draft = tmp_path / "draft.txt"
    draft.write_text("The tide came in\nAnd went again\n")
    sampling = 0.7, 0, 0.95, 0.0
    assert _options(None, 16, sampling, None, draft, "1").lines == 2
    assert _options(5, 16, sampling, None, draft, "1").lines == 5
    assert _options(None, 16, sampling, None, None, "").lines == 16
    with pytest.raises(BadArgument, match="--lines"):
        _options(1, 16, sampling, None, draft, "2")


AIR = "X:1\nT:Air\nM:4/4\nL:1/4\nK:G\nD|GABG|c2 d|\nB|AGFE|D3|]\n"


def test_words_for_a_tune_are_under_its_notes(tmp_path: Path) -> None:
    (tmp_path / "air.abc").write_text(AIR)
    target = tmp_path / "song.musicxml"
    document = answer(
        "write", "--tune", tmp_path / "air.abc", "--language", "de", "--seed", "1", "-o", target,
        library=tmp_path / "none",
    )  # fmt: skip
    form = document["texts"][0]["form"]
    assert form["syllables_kept"] == form["syllables_asked"] == 2
    assert form["rhymes_kept"] == form["rhymes_asked"] == 1
    part = read_music_xml(target.read_bytes()).parts[0]
    assert [syllable.tick for syllable in part.syllables] == part.notes[:, 0].tolist()


def test_verse_in_general_rhymes_without_a_metre(tmp_path: Path) -> None:
    document = answer(
        "write", "--language", "it", "--lines", "2", "--rhyme", "AA", "--seed", "5",
        library=tmp_path / "none",
    )  # fmt: skip
    assert document["texts"][0]["form"]["rhymes_kept"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lines", "4"], "--artist, or a language"),
        (["--tune", "air.abc", "--form", "common"], "--tune gives the lines"),
        (["--tune", "drums.abc"], "no melody"),
        (["--tune", "two.abc"], "--part"),
        (["--tune", "polish.musicxml"], "no language that is known"),
        (["--tune", "air.abc", "-o", "x.mid"], ".musicxml"),
        (["--tune", "air.abc", "--lines", "4"], "--verses"),
        (["--tune", "air.abc", "-n", "2", "-o", "x.mxl"], "words of one text, not of 2"),
        (["--language", "de", "--verses", "2"], "go with --tune"),
        (["--artist", "burns", "--language", "de"], "leave it or --artist out"),
    ],
)
def test_what_no_words_can_be_written_for(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("air.abc").write_text(AIR)
    Path("drums.abc").write_text(AIR.replace("K:G", "%%MIDI channel 10\nK:G"))
    chords = "X:1\nM:4/4\nL:1/4\nK:G\nV:1\n[GB][Ac][Bd][ce]|\nV:2\n[GB][Ac][Bd][ce]|\n"
    Path("two.abc").write_text(chords)
    tune = read_tune(read_abc(AIR))
    polish = [["Bogurodzica dziewica", "Bogiem slawiena"]]
    write_score(tune.with_words(polish, "other"), Path("polish.musicxml"))
    done = segue("write", *options, library=tmp_path / "none")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().split("\n")) == 1


def read_abc(text: str) -> Score:
    return read_abc_tune(split_tune_book(text.encode())[0])
