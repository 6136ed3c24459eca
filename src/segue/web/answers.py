"""Answers of the Subsonic API: one envelope, as XML, JSON or JSONP."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from segue import __version__

API_VERSION: Final = "1.16.1"
SERVER: Final = "segue"
_NAMESPACE: Final = "http://subsonic.org/restapi"
_CALLBACK: Final = re.compile(r"[A-Za-z_$][\w$.]{0,99}")
#: Characters that XML 1.0 cannot hold, and lone surrogates, which UTF-8 cannot.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

#: Error codes of the API.
GENERIC, MISSING, WRONG_PASSWORD = 0, 10, 40
CONFLICTING, WRONG_KEY, NOT_ALLOWED, NOT_FOUND = 43, 44, 50, 70

Element = Mapping[str, Any]


class ApiError(Exception):
    """An error that the API has a code for.

    Parameters
    ----------
    code : int
        See the constants of this module.
    message : str
        A sentence for the user.

    Attributes
    ----------
    status : int
        Status of the HTTP answer; players expect 200 where they made no mistake in HTTP.
    """

    status = 200

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def envelope(content: Element | None = None) -> dict[str, Any]:
    """Put the content of a successful answer into its envelope."""
    return {**_header("ok"), **(content or {})}


def failure(code: int, message: str) -> dict[str, Any]:
    """Return the envelope of an error."""
    return {**_header("failed"), "error": {"code": code, "message": message}}


def render(answer: Element, form: str = "xml", callback: str = "") -> tuple[bytes, str]:
    """Convert an envelope to bytes, and return them with their media type.

    Parameters
    ----------
    answer : mapping
        Made by `envelope` or `failure`. Values are texts, numbers, truth values, mappings, and
        lists of these.
    form : {"xml", "json", "jsonp"}
    callback : str
        Name of the function that JSONP calls.
    """
    if form == "json" or (form == "jsonp" and _CALLBACK.fullmatch(callback)):
        text = json.dumps({"subsonic-response": answer}, ensure_ascii=True)
        if form == "json":
            return text.encode(), "application/json"
        return f"{callback}({text});".encode(), "text/javascript"
    text = to_xml("subsonic-response", {"xmlns": _NAMESPACE, **answer})
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode(), "application/xml"


def to_xml(name: str, element: Any) -> str:
    """Convert an element to XML.

    Mappings and lists become elements, other values attributes, and "value" the text.
    """
    if not isinstance(element, Mapping):
        return f"<{name}>{_text(element)}</{name}>"
    attributes, children = [], []
    for key, value in element.items():
        if isinstance(value, list | tuple):
            children += [to_xml(key, each) for each in value]
        elif isinstance(value, Mapping):
            children.append(to_xml(key, value))
        elif key == "value":
            children.append(_text(value))
        else:
            attributes.append(f" {key}={quoteattr(_plain(value), {chr(10): '&#10;'})}")
    opening = f"{name}{''.join(attributes)}"
    return f"<{opening}>{''.join(children)}</{name}>" if children else f"<{opening}/>"


def _text(value: object) -> str:
    return escape(_plain(value))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _NOT_XML.sub("", str(value))


def _header(status: str) -> dict[str, Any]:
    return {
        "status": status,
        "version": API_VERSION,
        "type": SERVER,
        "serverVersion": __version__,
        "openSubsonic": True,
    }
