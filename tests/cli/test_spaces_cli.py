"""The commands `spaces add` and `spaces update`, run as a user runs them."""

from pathlib import Path

from test_cli import answer, segue

from conftest import tune, write_sound
from encoder_models import make_clap
from segue.nn.pretrained import quiet_transformers


def test_an_encoder_is_added_searched_by_text_and_updated(tmp_path: Path) -> None:
    with quiet_transformers():
        model = make_clap(tmp_path / "model")
    (tmp_path / "music").mkdir()
    for seed in range(2):
        write_sound(tmp_path / "music" / f"{seed}.wav", tune(seed, 11.0, 16_000), 16_000)
    library = tmp_path / "library"
    assert segue("add", tmp_path / "music", "--workers", "1", library=library).returncode == 0
    source: list[str | Path] = ["--from", model, "--workers", "1"]
    document = answer("spaces", "add", "clap", *source, library=library)
    assert (document["tracks"], document["text"], document["failures"]) == (2, True, [])
    assert answer("spaces", "update", library=library)["tracks"] == {"clap": 2}
    printed = segue("like", "rain on a roof", "--space", "clap", library=library).stdout
    assert "searched as a text in the space clap" in printed
    done = segue("spaces", "add", "sound", *source, library=library)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
