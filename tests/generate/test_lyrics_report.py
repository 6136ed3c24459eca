"""What is said of a text is what one finds by reading it."""

import json
from dataclasses import asdict

import pytest

from segue.errors import BadArgument, NotFound
from segue.generate.lyrics.report import (
    AuthorshipClassifier,
    artist_statistics,
    fit_authorship,
    fit_authorship_for,
    index_songs,
    lyrics_report,
    lyrics_statistics,
)
from segue.records import Lyrics, Tags
from verses import song

ADA, BOB = "Ada Long", "Bob Short"
SONGS = {artist: [song(artist, seed) for seed in range(8)] for artist in (ADA, BOB)}
KNOWN = index_songs(
    [
        Lyrics(text, Tags(f"{artist} {number}", artist))
        for artist, texts in SONGS.items()
        for number, text in enumerate(texts)
    ]
)
NEW = {artist: song(artist, 100).split("\n\n")[0].split("\n") for artist in (ADA, BOB)}


@pytest.fixture(scope="module")
def authorship() -> AuthorshipClassifier:
    return fit_authorship(SONGS)


def test_two_voices_are_classifier(authorship: AuthorshipClassifier) -> None:
    assert authorship.artists == (ADA, BOB)
    for artist, lines in NEW.items():
        assert authorship.attributed_share(lines, artist, neighbours=0) > 0.7
        assert authorship.predict(lines) == [artist] * len(lines)
        assert authorship.predict(["…", *lines])[0] == artist
    assert authorship.predict([]) == []
    again = fit_authorship(dict(reversed(SONGS.items())))
    mixed = [line for pair in zip(*NEW.values(), strict=True) for line in pair]
    assert again.predict(mixed) == authorship.predict(mixed)


def test_authorship_needs_two_artists_with_words(authorship: AuthorshipClassifier) -> None:
    with pytest.raises(BadArgument, match="two or more"):
        fit_authorship({ADA: SONGS[ADA]})
    with pytest.raises(BadArgument, match="1 or more"):
        fit_authorship(SONGS, max_lines=0)
    with pytest.raises(BadArgument, match="no lyrics of 'Cy'"):
        fit_authorship({ADA: SONGS[ADA], "Cy": ["...", "[Chorus]"]})
    with pytest.raises(BadArgument, match="'Cy' is not among the classifier's artists: Ada Long"):
        authorship.attributed_share(NEW[ADA], "Cy")
    with pytest.raises(BadArgument, match="0 or more"):
        authorship.predict(NEW[ADA], neighbours=-1)


def test_a_report_of_one_voice() -> None:
    copied = " ".join(SONGS[BOB][3].split()[:40])
    text = "[Verse]\n" + "\n".join(NEW[ADA]) + f"\n\n{copied}\nblorp the river"
    report = lyrics_report(text, KNOWN, artist=ADA)
    assert report.copied_words.length >= 40
    assert (report.copied_words.artist, report.copied_words.title) == (BOB, f"{BOB} 3")
    assert report.copied_characters.text in text
    count = len([word for word in text.split() if any(map(str.isalpha, word))])
    assert report.real_words == pytest.approx(1 - 1 / (count - 1))  # "[Verse]" is not sung
    assert report.new_runs is not None
    assert 0 < report.new_runs < 1
    assert [line.text for line in report.lines] == [*NEW[ADA], copied, "blorp the river"]
    assert report.taken[ADA] > 0.5
    assert set(report.own) == {ADA}
    assert json.loads(json.dumps(asdict(report)))["lines"][0]["voice"] == ADA


def test_a_report_of_two_voices(authorship: AuthorshipClassifier) -> None:
    lines = [line for pair in zip(*NEW.values(), strict=True) for line in pair]
    voices = [ADA, BOB] * (len(lines) // 2)
    report = lyrics_report(
        "\n".join(lines), KNOWN, artist=ADA, line_artists=voices, authorship=authorship
    )
    assert report.taken == {ADA: 1, BOB: 1}
    assert [line.taken_for for line in report.lines] == voices
    assert report.own[ADA].words_of_line > report.own[BOB].words_of_line
    swapped = lyrics_report(
        "\n".join(lines), KNOWN, artist=ADA, line_artists=voices[::-1], authorship=authorship
    )
    assert swapped.taken == {ADA: 0, BOB: 0}


def test_lines_are_not_attributed_with_one_artist() -> None:
    alone = index_songs([Lyrics(text, Tags("", ADA)) for text in SONGS[ADA]])
    report = lyrics_report("\n".join(NEW[ADA]), alone, artist=ADA)
    assert report.taken == {}
    assert {line.taken_for for line in report.lines} == {""}
    assert lyrics_report("one two", alone, artist=ADA).new_runs is None


def test_invalid_reports_are_refused() -> None:
    with pytest.raises(BadArgument, match="without"):
        lyrics_report("...", KNOWN, artist=ADA)
    with pytest.raises(BadArgument, match="1 artists for 2 lines"):
        lyrics_report("one\ntwo", KNOWN, artist=ADA, line_artists=[BOB])
    with pytest.raises(NotFound, match="no lyrics of 'Cy'"):
        lyrics_report("one", KNOWN, artist="Cy")
    others = fit_authorship({ADA: SONGS[ADA], "Cy": SONGS[BOB]})
    with pytest.raises(BadArgument, match="Bob Short: not among"):
        lyrics_report("one", KNOWN, artist=BOB, authorship=others)


def test_the_number_of_artists_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.generate.lyrics.report.MAX_ARTISTS", 2)
    few = index_songs(
        [Lyrics("a line of mine", Tags("", "Cy"))]
        + [Lyrics(text, Tags("", artist)) for artist, texts in SONGS.items() for text in texts]
    )
    classifier = fit_authorship_for(few, ["Cy"])
    assert classifier is not None
    assert classifier.artists == (ADA, "Cy")


def test_figures_by_hand() -> None:
    lines = [
        "Oh the night",
        "a day of light",
        "oh, the night!",
        "--",
        "sleep and sleep and",
        "gone",
    ]
    report = lyrics_statistics(lines)
    assert report.repeated_lines == pytest.approx(1 / 5)
    # 15 words, 13 runs of three; "oh the night" twice.
    assert report.repeated_runs == pytest.approx(1 / 13)
    # "night" and "light", "light" and "night"; one word does not rhyme with itself.
    assert report.rhymed_lines == pytest.approx(2 / 5)
    assert report.words_of_line == pytest.approx(15 / 5)
    assert report.syllables_of_line == pytest.approx((3 + 4 + 3 + 4 + 1) / 5)
    assert report.spread_of_syllables == pytest.approx((6 / 5) ** 0.5)
    with pytest.raises(BadArgument, match="got none"):
        lyrics_statistics(["--"])


def test_an_artist_is_measured_over_as_many_lines() -> None:
    refrain = "ever and ever\nmy love and I\nunder the moon\nwaiting for rain"
    assert artist_statistics([f"{refrain}\n\n{refrain}"], 4).repeated_lines == 0
    assert artist_statistics([f"{refrain}\n\n{refrain}"], 8).repeated_lines == 0.5
    # No song has eight lines, and nothing has eighty.
    assert artist_statistics([refrain, refrain], 8).repeated_lines == 0.5
    assert artist_statistics([refrain, refrain], 80).repeated_lines == 0.5
