"""What `segue add` says: files, tracks and songs are counted apart."""

import pytest

from segue.cli.add import print_added
from segue.ingest.survey import AddReport


@pytest.mark.parametrize(
    ("report", "count", "message"),
    [
        (AddReport(), 0, "nothing to add; the library holds 0 tracks"),
        (AddReport(added=1), 1, "files: 1 added; the library holds 1 track"),
        (AddReport(added=2), 340, "files: 2 added; the library holds 340 tracks"),
        (
            AddReport(added=1078, copied=12, words=12),
            1090,
            "files: 1,078 added, 12 known from another file; tracks: 12 given the words of a text "
            "beside the music; the library holds 1,090 tracks",
        ),
        (
            AddReport(unchanged=5, ignored=2, taken_out=1),
            5,
            "files: 5 unchanged, 2 ignored; tracks: 1 taken out, since their files are ignored "
            "now; the library holds 5 tracks",
        ),
        (
            AddReport(added=1, versions=3, duplicates=1),
            9,
            "files: 1 added; songs: 3 left out, live or remixed, 1 left out, with words that "
            "are there already; the library holds 9 tracks",
        ),
        (
            AddReport(words=1),
            3,
            "tracks: 1 given the words of a text beside the music; the library holds 3 tracks",
        ),
    ],
)
def test_files_tracks_and_songs_are_counted_apart(
    report: AddReport, count: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_added(report, count)
    assert capsys.readouterr().out == message + "\n"
