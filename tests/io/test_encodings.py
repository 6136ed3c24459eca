"""Older encodings are distinguished, in titles as in pages; Western texts stay."""

import unicodedata

import pytest

from segue.io.encodings import decode, decode_all

TITLES = {
    "cp1251": ["Катюша", "Группа крови", "Червона рута", "Моя страна, моя България", "Кино"],
    "koi8-r": ["Подмосковные вечера", "Калинка", "Дорогой длинною"],
    "cp866": ["Миллион алых роз", "Очи чёрные"],
    "cp1250": ["Żółty jesienny liść", "Łzy", "Měsíčku na nebi hlubokém", "Őszinte szavak"],
    "iso8859-2": ["Pieśń o małym rycerzu", "Tavaszi szél vizet áraszt"],
    "cp1253": ["Συννεφιασμένη Κυριακή", "Αγάπη"],
    "iso8859-7": ["Ένα το χελιδόνι"],
    "cp1254": ["Şımarık", "Çanakkale içinde", "Işık doğudan yükselir"],
    "cp1255": ["ירושלים של זהב"],
    "cp1256": ["ألف ليلة وليلة"],
    "cp874": ["ลอยกระทง"],
    "cp932": ["さくら", "世界に一つだけの花", "リンダ リンダ"],
    "euc_jp": ["涙そうそう", "上を向いて歩こう", "ふるさと"],
    "iso2022_jp": ["赤とんぼ"],
    "mac-roman": ["Männer", "Père", "Déjeuner en paix", "Schöne Müllerin"],
    "mac-cyrillic": ["Ленинград", "Сплин", "Выхода нет", "Моё сердце"],
    "gb18030": ["月亮代表我的心", "周杰伦", "茉莉花"],
    "big5": ["月亮代表我的心", "東風破"],
    "cp949": ["아리랑", "강남스타일", "고향의 봄"],
    "cp1252": [
        *["Für Élise", "Beyoncé", "Café", "Noël", "Größenwahn", "Où es-tu", "Ça ira", "Así fue"],
        *["Coração", "Manhã de carnaval", "Città vuota", "Perché no", "Du är allt", "Røde roser"],
        *["Så lenge", "Ágætis byrjun", "Äiti", "Don’t stop me now", "“Heroes”", "Motörhead"],
        *["Blue Öyster Cult", "Tiësto", "£5", "© 1999 Records", "¿Quién será?", "Straße", "Niño"],
        *["La vie en rose – Édith Piaf", "Chœur", "Naïve", "Señor", "30°"],
    ],
}
PAGES = {
    "ru": "Расцветали яблони и груши, поплыли туманы над рекой.\nВыходила на берег Катюша.",
    "pl": "Litwo! Ojczyzno moja! ty jesteś jak zdrowie.\nIle cię trzeba cenić, ten się dowie.",
    "cs": "Byl pozdní večer, první máj, večerní máj, byl lásky čas.\nHrdliččin zval ku lásce.",
    "hu": "Talpra magyar, hí a haza! Itt az idő, most vagy soha!\nRabok legyünk, vagy szabadok?",
    "lt": "Lietuva, Tėvyne mūsų, tu didvyrių žeme,\niš praeities tavo sūnūs te stiprybę semia.",
    "el": "Σε γνωρίζω από την κόψη του σπαθιού την τρομερή,\nσε γνωρίζω από την όψη.",
    "tr": "Korkma, sönmez bu şafaklarda yüzen al sancak;\nsönmeden yurdumun üstünde tüten ocak.",
    "ja": "うさぎ追いし かの山、小鮒釣りし かの川、\n夢は今も めぐりて、忘れがたき 故郷。",
    "zh": "好一朵美丽的茉莉花，芬芳美丽满枝桠，\n又香又白人人夸。",
    "zt": "你問我愛你有多深，我愛你有幾分？\n我的情也真，我的愛也真。",
    "ko": "나의 살던 고향은 꽃피는 산골,\n복숭아꽃 살구꽃 아기 진달래.",
    "de": "Freude, schöner Götterfunken,\nTochter aus Elysium, wir betreten feuertrunken.",
    "fr": "Le jour de gloire est arrivé !\nEntendez-vous mugir ces féroces soldats ? Ça ira.",
    "pt": "Ouviram do Ipiranga as margens plácidas\nde um povo heróico: coração, não.",
}
IN_PAGES = [
    *[("ru", name) for name in ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")],
    *[(of, name) for of in ("pl", "cs", "hu") for name in ("cp1250", "iso8859-2")],
    *[("lt", "cp1257"), ("el", "cp1253"), ("el", "iso8859-7"), ("tr", "cp1254")],
    *[("ja", "cp932"), ("ja", "euc_jp"), ("ja", "iso2022_jp"), ("zh", "gb18030"), ("zt", "big5")],
    *[("ko", "cp949"), ("de", "cp1252"), ("fr", "cp1252"), ("pt", "cp1252"), ("fr", "mac-roman")],
]


@pytest.mark.parametrize(
    ("encoding", "title"), [(name, title) for name, titles in TITLES.items() for title in titles]
)
def test_titles_are_decoded(encoding: str, title: str) -> None:
    assert decode(title.encode(encoding)) == title


@pytest.mark.parametrize(("language", "encoding"), IN_PAGES)
def test_pages_are_decoded(language: str, encoding: str) -> None:
    page = PAGES[language]
    assert decode(page.encode(encoding)) == page


@pytest.mark.parametrize(
    "text", [*PAGES.values(), *TITLES["cp1251"], *TITLES["cp932"], *TITLES["cp1252"], "", "plain"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_never_guessed_at(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text
    assert decode(text.encode(encoding), "Windows-1251") == text


@pytest.mark.parametrize("language", PAGES)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text_without_its_mark(language: str, encoding: str) -> None:
    assert decode(PAGES[language].encode(encoding)) == PAGES[language]


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("windows-1251", "cp1251", "ДДТ"),
        ("Shift_JIS", "cp932", "花"),
        ("iso-8859-2", "iso8859-2", "Crven fesić"),
        ("RUSS", "cp1251", "ДДТ"),
        ("ru", "koi8-r", "Любэ"),
        ("JP", "cp932", "紅蓮華"),
        ("JP", "cp932", "\\さ\nく\nら \n/さ\nく\nら"),  # chardet finds no match for it
        ("KORE", "cp949", "나비"),
        ("pl", "cp1250", "Dziwny jest ten świat"),
    ],
)
def test_what_is_declared_comes_first(declared: str, encoding: str, text: str) -> None:
    assert decode(text.encode(encoding), declared) == text


@pytest.mark.parametrize("declared", ["no-such", "utf-8", "ascii", "rot13", "hex", "\0", "cp949"])
def test_a_wrong_declaration_is_passed_over(declared: str) -> None:
    assert decode("Für Élise".encode("cp1252"), declared) == "Für Élise"


def test_texts_of_one_file_share_an_encoding() -> None:
    texts = ["ДДТ", "Что такое осень", "plain", ""]
    assert decode_all([text.encode("cp1251") for text in texts]) == texts
    assert decode_all([]) == []


def test_lines_of_utf8_stay_among_others() -> None:
    mixed = "Für Élise\nплохо\n".encode() + "Schöne Müllerin\n".encode("cp1252")
    assert decode(mixed) == "Für Élise\nплохо\nSchöne Müllerin\n"


def test_a_lost_byte_leaves_the_rest_of_utf8() -> None:
    text = "Расцветали яблони и груши, поплыли туманы над рекой"
    assert decode(text.encode()[:-1])[:-1] == text[:-1]


@pytest.mark.parametrize(
    "data", [bytes(range(256)), b"\xff" * 40, b"\x81", b"\0\0\0\xff\xfe", b"\xff\xfe\0"]
)
def test_anything_is_decoded(data: bytes) -> None:
    assert isinstance(unicodedata.normalize("NFC", decode(data)), str)
