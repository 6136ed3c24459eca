"""Detection of character encodings: titles, pages and lines of poems, by language.

python -m bench.text_encodings --data ../shared/data
"""

import argparse
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import chardet
import charset_normalizer

from bench.result_tables import table, write_table
from segue.io.encodings import decode

TEXTS = Path(__file__).with_name("text_encodings.txt")
POEMS = {"de": "cp1252", "fr": "cp1252", "it": "cp1252", "es": "cp1252"}
LINES = 200  # of poems, in each language


def by_chardet(data: bytes) -> str:
    """Decode as chardet alone says."""
    return data.decode(chardet.detect(data, compat_names=False)["encoding"] or "cp1252", "replace")


def by_charset_normalizer(data: bytes) -> str:
    """Decode as charset-normalizer alone says."""
    best = charset_normalizer.from_bytes(data).best()
    return str(best) if best else data.decode("cp1252", "replace")


DECODERS: dict[str, Callable[[bytes], str]] = {
    "Segue": decode,
    "chardet": by_chardet,
    "charset-normalizer": by_charset_normalizer,
    "cp1252": lambda data: data.decode("cp1252", "replace"),
}


def main() -> None:
    """Print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    counts: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * (1 + len(DECODERS)))
    for kind, language, encoding, text, data in [*made(), *poems(arguments.data / "lyrics")]:
        for key in ((kind, language, encoding), (kind, "all", "")):
            counts[key][0] += 1
            for number, read in enumerate(DECODERS.values(), start=1):
                counts[key][number] += same(read(data), text)
    write_table(
        "text_encodings",
        "Detection of character encodings",
        [
            table(
                ("texts", "language", "encoding", "count", *DECODERS),
                [(*key, *counted) for key, counted in sorted(counts.items())],
            ),
            "Texts that are ASCII in their encoding are left out. Constants were chosen on "
            "titles and pages, none on held-out titles and poems.",
        ],
    )


def made() -> Iterator[tuple[str, str, str, str, bytes]]:
    """Yield kind, language, encoding, text and bytes of what was written for this."""
    held_out = ""
    for row in TEXTS.read_text(encoding="utf-8").splitlines():
        if row.startswith("#"):
            held_out = "held-out " if row.startswith("# held") else held_out
            continue
        language, encodings, text = row.split(" | ", 2)
        titles = " / " in text
        for encoding in encodings.split():
            for part in text.split(" / ") if titles else [text.replace("\\n", "\n")]:
                data = encoded(part, encoding)
                if data and (not data.isascii() or b"\x1b" in data):
                    yield (
                        held_out + ("titles" if titles else "pages"),
                        language,
                        encoding,
                        part,
                        data,
                    )


def poems(folder: Path) -> Iterator[tuple[str, str, str, str, bytes]]:
    """Yield lines and first pages of poems that hold other letters than ASCII."""
    for language, encoding in POEMS.items():
        lines: list[str] = []
        for path in sorted((folder / language).glob("*.txt")):
            text = path.read_text(encoding="utf-8")[:2000]
            if data := encoded(text, encoding):
                yield "pages of poems", language, encoding, text, data
            lines += [line for line in text.splitlines() if line.strip() and not line.isascii()]
        for line in lines[:: max(1, len(lines) // LINES)]:
            if data := encoded(line, encoding):
                yield "lines of poems", language, encoding, line, data


def encoded(text: str, encoding: str) -> bytes:
    """Encode a text; of Vietnamese, with marks apart; empty where it has no place."""
    if encoding == "cp1258":
        text = "".join(map(_apart, text))
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return b""


def _apart(letter: str) -> str:
    """Divide a Vietnamese letter into what cp1258 has: letter, and mark of its tone."""
    for split in range(3):
        parts = unicodedata.normalize("NFD", letter)
        forms = [parts, unicodedata.normalize("NFC", parts[:2]) + parts[2:], letter][split]
        forms = (
            unicodedata.normalize("NFC", parts[0] + parts[2:3]) + parts[1:2]
            if split == 0
            else forms
        )
        try:
            forms.encode("cp1258")
        except UnicodeEncodeError:
            continue
        return forms
    return letter


def same(first: str, second: str) -> bool:
    """Tell whether two texts are the same characters, composed or not."""
    return unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)


if __name__ == "__main__":
    main()
