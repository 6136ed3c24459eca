"""Words of MIDI files: lyric events, and the texts of karaoke files (.kar)."""

from segue.formats.score.midi_texts import texts_of
from segue.formats.score.smf import read_smf


def midi_words(content: bytes) -> str:
    r"""Read the words of a MIDI file; "" where it has none.

    Lyric events (MIDI 1.0, meta event 5; ends of lines by RP-017), of the track that has most;
    where there are none, the texts of a karaoke file: ``/`` begins a line, ``\`` a verse, and
    what begins with ``@`` is about the file.

    Raises
    ------
    Unreadable
        It is no MIDI file, or a damaged one.
    """
    _, tracks = read_smf(content)
    texts = [text.replace("\t", " ") for text in texts_of(tracks).syllables]
    return "\n".join(line.strip() for line in _joined(texts).split("\n"))


def _joined(texts: list[str]) -> str:
    """Put syllables together.

    A hyphen at the end of one says that the word goes on; where none ends or begins with a space,
    one without a hyphen ends its word.
    """
    spaced = any(text[:1] in " /\\" or text[-1:] in " \r\n" for text in texts if text)
    parts = []
    for text in texts:
        told = text.replace("\r\n", "\n").replace("\r", "\n")
        if told.startswith(("\\", "/")):
            told = ("\n\n" if told[0] == "\\" else "\n") + told[1:]
        if spaced:
            parts.append(told)
        else:
            parts.append(told.removesuffix("-") if told.endswith("-") else told + " ")
    return "".join(parts)
