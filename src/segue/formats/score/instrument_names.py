"""Which General MIDI program plays an instrument that is only named."""

import re
from typing import Final

from segue.formats.names import normalise

#: Words of names in English, German, French, Italian and Spanish, and of MusicXML's sound
#: identifiers ("wind.flutes.flute"); the first that is found counts.
_PROGRAMS: Final = tuple(
    (re.compile(rf"\b(?:{words})"), program)
    for words, program in (
        ("english horn|cor anglais|corno inglese|englischhorn", 69),
        ("french horn|horns?\\b|corn[io]\\b|cors?\\b|waldhorn|hoerner|horner", 60),
        ("contrabassoon|double bassoon|contrafagott|kontrafagott|contrebasson", 70),
        ("bassoon|fagott|basson\\b|fagot", 70),
        ("contrabass|double bass|kontrabass|contrebasse|contrabba|string bass|upright bass", 43),
        ("piccolo|ottavino|flautin|pikkolo", 72),
        ("recorder|blockflote|flauto dolce|flute a bec", 74),
        ("pan flute|panflote|pan pipe", 75),
        ("flute|flote|flauto|flauta", 73),
        ("soprano sax|sopransax", 64), ("tenor sax|tenorsax", 66),
        ("baritone sax|bari sax|baritonsax", 67), ("alto sax|altsax|sax", 65),
        ("oboe|hautbois|hoboe", 68),
        ("clarinet|klarinette|clarinetto|bassklarinette", 71),
        ("bass trombone|trombone|posaune", 57),
        ("trumpet|trompete|trompette|tromba|cornet|kornett|flugelhorn|flugel", 56),
        ("tuba|euphonium|sousaphone|ophicleide|baritone horn", 58),
        ("timpani|pauken|timbales|kettle", 47),
        ("glockenspiel", 9), ("celesta", 8), ("music box", 10), ("vibraphon", 11),
        ("marimba", 12), ("xylophon", 13), ("tubular bell|rohrenglocken|chimes", 14),
        ("dulcimer|hackbrett|cimbalom", 15),
        ("harpsichord|cembalo|clavecin|clavicembalo", 6), ("clavinet|clavichord", 7),
        ("electric piano|rhodes|e piano", 4), ("honky", 3),
        ("accordion|akkordeon|accordeon|fisarmonica", 21), ("harmonica|mundharmonika", 22),
        ("harmonium|reed organ", 20), ("organ\\b|orgel|orgue|organo", 19),
        ("piano|klavier|pianoforte|fortepiano|keyboard", 0),
        ("ukulele|mandolin|lute|laute|nylon|classical guitar|konzertgitarre", 24),
        ("electric guitar|e gitarre|distort", 27),
        ("electric bass|bass guitar|e bass|fretless|bassgitarre", 33),
        ("acoustic guitar|steel guitar|western guitar", 25),
        ("guitar|gitarre|guitare|chitarra", 24),
        ("banjo", 105), ("sitar", 104), ("shamisen", 106), ("koto", 107), ("kalimba", 108),
        ("bagpipe|dudelsack", 109), ("fiddle", 110),
        ("violas?\\b|bratsche|alto viola|viole\\b", 41),
        ("violoncell|cello|celli\\b", 42), ("violin|geige|violon", 40),
        ("harp\\b|harfe|harpe\\b|arpa\\b", 46), ("pizzicato", 45),
        ("strings?\\b|streicher|cordes|archi\\b", 48),
        ("synth", 80),
        ("choir|chor\\b|choeur|coro\\b|chorus", 52),
        ("voice|vocal|voix|stimme|singstimme|gesang|canto|chant\\b|soprano?|mezzo|alto?\\b"
         "|contralto|tenore?\\b|bariton|basso\\b|countertenor|sopran\\b", 52),
        ("bass\\b", 43),
    )
)  # fmt: skip


def program_called(name: str) -> int | None:
    """Return the General MIDI program, 0 to 127, of what is called so; None for no such name."""
    words = normalise(name)
    return next((program for pattern, program in _PROGRAMS if pattern.search(words)), None)
