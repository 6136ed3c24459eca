"""What sites put around lyrics goes, and what is sung stays."""

from pathlib import Path

import pytest

from segue.errors import Unreadable
from segue.io.lyrics import read_lyrics
from segue.io.lyrics_text import TextOptions, section_name, strip_site_text
from segue.records import Lyrics

SONG = "The river runs along the town\nAnd all the lights are going down"
MORE = "Oh carry me home again\nOh carry me home"


@pytest.mark.parametrize(
    "before",
    [
        "27 ContributorsMy Song Lyrics[Verse 1]\n",
        "1 ContributorMy Song Lyrics\n",
        "1 ContributorMy Song Lyrics",
        "27 ContributorsMy Song Lyrics[Verse 1: A. Singer]",
        "112 ContributorsTranslationsEspañolPortuguêsDeutschMy Song Lyrics[Intro]\n",
        "3 ContributorsTranslationsРусскийMy Song (Live) Lyrics\n",
        "9 Contributors\nTranslations\nEspañol\nDeutsch\nMy Song Lyrics\n[Verse 1]\n",
        "9 ContributorsMy Song Lyrics“My Song” is the first of its kind.\n… Read More [Verse 1]\n",
        "My Song Lyrics[Verse 1]\n",
        "My Song Lyrics\n\n",
        "“My Song” lyrics\n\n",
        "Paroles de My Song\n\n",
        "[Songtext zu „My Song“]\n\n[Strophe 1]\n",
        '[Letra de "My Song"]\n[Verso 1]\n',
        "[Текст песни «My Song»]\n[Куплет 1]\n",
        "Lyrics by A. Singer\n\n",
        "Words and Music by: A. Singer and B. Writer\n",
        "Artist: A. Singer\nSong: My Song\n\n",
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        "",
        "12Embed",
        "Embed",
        "1.2KEmbed",
        "EmbedShare URLCopyEmbedCopy",
        "\n5Embed",
        "You might also like12Embed",
        "You might also likeEmbed",
        "\n\nSubmit Corrections\n\nThanks to somebody for correcting these lyrics.",
        "\n...\n\n******* This Lyrics is NOT for Commercial use *******\n(1409617829201)",
        "\n\nSongwriters: A. Singer, B. Writer\nMy Song lyrics © Some Publishing Ltd.",
        "\n\nWriter(s): A. Singer",
        "\nSource: LyricFind\nLyrics licensed & provided by LyricFind",
        "\nFind more lyrics at www.example.com",
        "\nhttps://www.example.com/song.html",
        "\n\n© 1999 Some Publishing\nPrint",
    ],
)
def test_only_the_song_is_left(before: str, after: str) -> None:
    headers = ("[Verse 1]", "[Verse 1: A. Singer]", "[Intro]", "[Strophe 1]", "[Verso 1]")
    lines = strip_site_text(before + SONG + after).split("\n")
    sung = [line for line in lines if line and line not in (*headers, "[Куплет 1]", "Print")]
    assert sung == SONG.split("\n")


@pytest.mark.parametrize(
    "between",
    [
        "You might also like\n",
        "You might also like[Chorus]\n",
        "\nYou might also like[Chorus]\n",
        "\n\nYou might also like[Chorus: Both]\n",
        "See A. Singer LiveGet tickets as low as $46You might also like\n",
        "\nSee A. Singer LiveGet tickets as low as $46You might also like[Chorus]\n",
        "\nSee Somebody Else Live\nGet tickets as low as $9\n",
        "You might also like",
        "\n[Chorus]",
        "[Chorus] ",
    ],
)
def test_what_is_glued_between_lines(between: str) -> None:
    text = strip_site_text(SONG + between + MORE)
    sung = [line for line in text.split("\n") if line and not line.startswith("[")]
    assert sung == [*SONG.split("\n"), *MORE.split("\n")]


def test_a_button_in_a_line_of_its_own_goes_where_the_site_is_seen() -> None:
    alone = f"{SONG}\nYou might also like\n{MORE}"
    assert strip_site_text(alone) == alone
    assert strip_site_text(alone + "12Embed") == f"{SONG}\n{MORE}"


@pytest.mark.parametrize(
    "line",
    [
        "You might also like the way I move",
        "I think you might also like",
        "They said: You might also like",
        "You might also like it, honey",
        "We drew the lines that time will embed",
        "I wrote the lyrics by candlelight",
        "Lyrics by candlelight",
        "Share",
        "Print",
        "27 contributors to my heart",
        "See me live, get tickets",
        "Copy that and embed it",
        "Sing the [chorus] with me",
        "Written by the wind",
        "The song: a river",
        "Nothing but lyrics",
        "Translations of the heart",
        "We [x2] dance",
        "(Chorus of angels) sing",
        "Verse by verse",
    ],
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_what_is_sung_stays(line: str, place: str) -> None:
    text = {
        "first": f"{line}\n{SONG}\n{MORE}",
        "middle": f"{SONG}\n{line}\n{MORE}",
        "last": f"{SONG}\n{MORE}\n{line}",
    }[place]
    assert strip_site_text(text) == text


def test_nothing_but_residue_is_left_as_it_is() -> None:
    assert strip_site_text("12Embed") == "12Embed"


def read(path: Path, form: TextOptions) -> str:
    (song,) = read_lyrics(path, form)
    assert isinstance(song, Lyrics)
    return song.text


def test_a_page_of_genius_in_json(tmp_path: Path) -> None:
    path = tmp_path / "song.json"
    path.write_text(
        '{"title": "My Song", "artist": "A. Singer", "lyrics": "27 ContributorsMy Song Lyrics'
        "[Verse 1: A. Singer]\\nThe river runs\\n\\n[Chorus]\\nOh carry me home againYou might "
        'also like\\nOh carry me home\\n\\n[Verse 2]\\nThe morning comes12Embed"}'
    )
    assert read(path, TextOptions()) == (
        "The river runs\n\nOh carry me home again\nOh carry me home\n\nThe morning comes"
    )
    assert read(path, TextOptions(keep_sections=True)).split("\n")[0] == "[Verse 1: A. Singer]"


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("[00:01.00]One\r[00:02.00]Two\r[00:03.00]Three", "One\nTwo\nThree"),
        ("[00:01.00]One\r\n[00:02.00]Two\r\n", "One\nTwo"),
        ("[00:02:00.00]Two\n[00:01:59.00]One\n[01:00:00.10]Three", "One\nTwo\nThree"),
        ("[-00:01.00]One\n[00:00.00]Two", "One\nTwo"),
        ("[-00:03.00]One\n[-00:01.00]Two\nThree\n[+00:01.00]Four", "One\nTwo\nThree\nFour"),
        ("[00:01.00]Twin[00:01.20]kle [00:01.50]star\n[00:03.00]How", "Twinkle star\nHow"),
        ("[00:01.00] [00:01.00]Twin[00:01.20]kle\n[00:03.00]How", "Twinkle\nHow"),
        ("[00:01.00]<00:01.00>Twin<00:01.20>kle <00:01.50>star<00:02.00>", "Twinkle star"),
        ("[00:01.00]<00:00:01.00>Twin<00:00:01.20>kle", "Twinkle"),
        ("[01:12:50]Two\n[00:59:99]One", "One\nTwo"),
        ("[00:01]One\n[00:02]Two", "One\nTwo"),
        ("[00:01.00][00:05.00]Again\n[00:03.00]Between", "Again\nBetween\nAgain"),
        ("[ti:T]\r[ar:A]\r[offset: +500]\r[00:01.00]One", "One"),
        ("[00:01,50]One\n[00:02,500]Two", "One\nTwo"),
        ("[00:01.00]One [at 10:30] two", "One [at 10:30] two"),
    ],
)
@pytest.mark.parametrize("ending", [".lrc", ".txt"])
def test_time_stamps(tmp_path: Path, written: str, right: str, ending: str) -> None:
    path = tmp_path / f"song{ending}"
    path.write_bytes(written.encode())
    assert read(path, TextOptions()) == right


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Расцветали яблони и груши"),
        ("cp932", "うさぎ追いし かの山"),
        ("gb18030", "好一朵美丽的茉莉花"),
        ("cp949", "나의 살던 고향은"),
        ("utf-16", "Freude, schöner Götterfunken"),
        ("utf-16-le", "Freude, schöner Götterfunken"),
    ],
)
@pytest.mark.parametrize("ending", [".lrc", ".txt", ".csv", ".md"])
def test_older_encodings(tmp_path: Path, encoding: str, text: str, ending: str) -> None:
    form = {
        ".lrc": "[00:01.00]{0}\n[00:02.00]{0}",
        ".csv": 'title,text\nA,"{0}"\n',
        ".md": "# A\n{0}\n{0}\n",
        ".txt": "{0}\n{0}\n",
    }[ending]
    path = tmp_path / f"song{ending}"
    path.write_bytes(form.format(text).encode(encoding))
    assert set(read(path, TextOptions()).split("\n")) == {text}


def test_a_binary_file_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "song.txt"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(Unreadable, match="binary"):
        read_lyrics(path)


@pytest.mark.parametrize(
    ("text", "song"),
    [
        (
            "作词 : 林夕\n作曲 : 陈辉阳\n编曲/制作人 : 王菲\n如果我爱你\n夜空中最亮的星",
            "如果我爱你\n夜空中最亮的星",
        ),
        ("作詞：秋元康\n作曲：見岳章\n\n細く長いこの道", "細く長いこの道"),
        ("作词：林夕 作曲：陈辉阳\n如果我爱你", "如果我爱你"),
        ("작사: 김이나\n작곡: 윤상\n나의 살던 고향은", "나의 살던 고향은"),
        ("如果我爱你\n未经著作权人许可 不得翻唱或使用", "如果我爱你"),
        (f"{SONG}\n\nPowered by Musixmatch", SONG),
        (f"{SONG}\n\nLyrics from: www.example.net\nMore lyrics: http://www.example.com/a", SONG),
        (f"{SONG}\n\nRead more: Ann - My Song Lyrics | MetroLyrics", SONG),
        (
            f"{SONG}\nCancelHow to Format Lyrics:Type out all\nAboutGenius Annotation1 contributor",
            SONG,
        ),
        ("作り話をした\n歌が聞こえる", "作り話をした\n歌が聞こえる"),
        (f"Copyright my heart\n{SONG}", f"Copyright my heart\n{SONG}"),
        (f"From: me to you\n{SONG}\nPowered by love", f"From: me to you\n{SONG}\nPowered by love"),
    ],
)
def test_what_sites_of_other_countries_put_around(text: str, song: str) -> None:
    assert strip_site_text(text) == song


@pytest.mark.parametrize(
    "header",
    [
        "(Chorus:)",
        "{Chorus}",
        "<Verse 1>",
        "*Chorus*",
        "**Verse 2**",
        "Припев:",
        "Куплет 1:",
        "Refrão:",
    ],
)
def test_headers_of_sections_as_people_mark_them(header: str) -> None:
    assert section_name(header)


@pytest.mark.parametrize(
    "line", ["*Chorus of birds*", "{x}", "<3", "Chorus of the sea", "(Oh, chorus)"]
)
def test_no_header_of_a_section(line: str) -> None:
    assert not section_name(line)
