"""Tables of benchmarks: printed, and kept in bench/tables/."""

import os
import platform
import shlex
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent / "tables"


def machine() -> str:
    """Describe the processor in a line."""
    model, flags = platform.processor() or platform.machine(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        fields = {name.strip(): value.strip() for name, value in lines.items()}
        model = fields.get("model name", model)
        known = ("avx2", "avx512f", "amx_bf16")
        flags = " ".join(flag for flag in known if flag in fields.get("flags", "").split())
    return f"{model}, {os.cpu_count()} cores, {flags}; Python {platform.python_version()}"


def write_table(name: str, title: str, sections: Sequence[str]) -> None:
    """Write `bench/tables/NAME.md` and print it."""
    command = shlex.join(["python", "-m", f"bench.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    head = f"# {title}\n\n`{command}`, {datetime.now(UTC):%Y-%m-%d}, {machine()}\n"
    text = "\n".join([head, *sections])
    print(text)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.md").write_text(text.rstrip() + "\n", encoding="utf-8")


def median_range(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, minimum and maximum."""
    return statistics.median(values), min(values), max(values)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; numbers with three figures after the point."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
