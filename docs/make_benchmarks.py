"""Write docs/benchmarks.md from the tables that the scripts of bench/ printed.

python docs/make_benchmarks.py
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLES = ROOT / "bench" / "tables"
TARGET = Path(__file__).parent / "benchmarks.md"

#: Chapter → tables, in reading order; what is not named here comes last.
CHAPTERS = {
    "Search and similarity": (
        "sound_space",
        "sound_rankings",
        "learned_spaces",
        "hubness",
        "score_retrieval",
        "lyrics_style",
        "lyrics_search",
        "separate_queries",
        "text_queries",
        "reasons",
        "search_speed",
    ),
    "Analysis": (
        "tempo",
        "features",
        "score_keys",
        "chords",
        "sound_kinds",
        "audio_fingerprints",
        "version_identification",
        "mix_boundaries",
        "score_fingerprints",
    ),
    "Reading files": (
        "durations",
        "text_encodings",
        "musicxml",
        "notation",
        "kern",
        "score_reading_midi",
        "score_reading_abc",
        "poem_splitting",
        "add_speed",
        "add_speed_avx2",
        "embed_speed",
        "long_tracks",
    ),
    "Music": (
        "compose",
        "continuations",
        "critic",
        "humanise",
        "part_ranges",
        "samples",
        "melody",
        "harmonise",
        "transcription",
        "humming",
        "transcription_tuning",
        "chorales",
        "roll_vae_reconstruction",
        "note_lstm",
        "generation_speed",
        "generation_threads",
    ),
    "Lyrics": ("lyrics_language_model", "generated_lyrics"),
    "Maps": ("maps",),
}


def benchmarks() -> str:
    """Return all tables as one page of Markdown."""
    tables = {file.stem: file for file in sorted(TABLES.glob("*.md"))}
    named = {name for names in CHAPTERS.values() for name in names}
    chapters = {**CHAPTERS, "More": tuple(name for name in tables if name not in named)}
    parts = [
        "# Benchmarks\n\nEach table was printed by a script in `bench/`; `make docs` collects them "
        "here. Nothing was trained on what is tested, unless a table says so.\n"
    ]
    for chapter, names in chapters.items():
        parts.append(f"## {chapter}\n")
        parts += [_section(tables[name]) for name in names if name in tables]
    return "\n".join(parts)


def _section(table: Path) -> str:
    """Return a table below a heading of the third level, with the script that prints it."""
    text = table.read_text(encoding="utf-8").strip()
    title = table.stem.replace("_", " ").capitalize()
    heading = re.match(r"# (.+)\n", text)
    if heading:
        title, text = heading[1], text[heading.end() :].strip()
    text = re.sub(r"^(#+) ", r"##\1 ", text, flags=re.MULTILINE)
    text = re.sub(r"!\[([^]]*)\]\(([^)]+)\)", r"*\1* (`bench/tables/\2`)", text)
    command = re.search(r"`python -m bench\.(\w+)", text)
    script = ROOT / "bench" / f"{command[1] if command else table.stem}.py"
    source = f"\n\nScript: `bench/{script.name}`. {_summary(script)}" if script.exists() else ""
    return f"### {title}{source}\n\n{text}\n"


def _summary(script: Path) -> str:
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].partition(";")[0].rstrip(".") + "."


if __name__ == "__main__":
    TARGET.write_text(benchmarks(), encoding="utf-8")
