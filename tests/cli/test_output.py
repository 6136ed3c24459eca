"""What reaches a terminal: text of every script, and nothing that steers it."""

from pathlib import Path

import pytest

from segue.cli.output import display_path, print_table

SCRIPTS = "a\u00a0b\u3000c می\u200cخواهم \U0001f468\u200d\U0001f467"


def test_text_of_every_script_passes(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("a table", ("title",), [(SCRIPTS,)])
    assert SCRIPTS in capsys.readouterr().out
    assert display_path(Path(SCRIPTS)) == SCRIPTS


@pytest.mark.parametrize("steers", "\x00\x07\x1b\x7f\x9b\u2028\u202e\u2066\udce9")
def test_control_characters_are_replaced(steers: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table("a table", ("title",), [(f"a{steers}b\nc",)])
    assert capsys.readouterr().out.split()[-2:] == ["a\ufffdb", "c"]
    if steers != "\x00":
        assert display_path(Path(f"a{steers}b")) == "a\ufffdb"
