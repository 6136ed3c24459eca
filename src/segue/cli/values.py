"""What is written after options: passages of a recording, weights of a blend."""

from typing import TYPE_CHECKING

from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Span


def parse_blend(text: str) -> dict[str, float]:
    """Read ``sound=0.6,metadata=0.4``; a name alone has the weight 1."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = (piece.strip() for piece in part.partition("="))
        try:
            value = float(weight) if equals else 1.0
        except ValueError:
            value = 0.0
        if not name or name in weights or not 0 < value < float("inf"):
            raise BadArgument(
                f"{part.strip()!r} is no part of a blend, or there twice; "
                "give spaces with weights above 0, as sound=0.6,metadata=0.4"
            )
        weights[name] = value
    return weights


def parse_passage(text: str) -> "Span":
    """Read ``1:20-1:35`` or ``80-95``."""
    from segue.records import Span

    start, dash, end = text.partition("-")
    try:
        span = Span(_seconds(start), _seconds(end))
    except ValueError:
        raise BadArgument(f"{text!r} is no passage; give it as 1:20-1:35") from None
    if not dash or span.length_s < 1:
        raise BadArgument(f"the passage {text!r} is shorter than a second; give it as 1:20-1:35")
    return span


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total
