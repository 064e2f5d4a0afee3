"""A message as plain text that fits: cut at a line, said so, and its link kept."""

import json
from collections.abc import Callable

from notifications.message import Words

CUT = "……"  # what stands where something was left out

Measure = Callable[[str], int]


def characters(text: str) -> int:
    return len(text)


def utf8(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def in_json(text: str) -> int:
    """Bytes of a JSON string, for services that bound the whole body."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def whole(words: Words) -> str:
    """Subject, body and link as one text; the link once, where the body says it already."""
    return "\n".join(part for part in (words.subject, with_link(words)) if part)


def with_link(words: Words) -> str:
    if words.link and words.link not in words.body:
        return "\n".join(part for part in (words.body, words.link) if part)
    return words.body


def without_link(words: Words) -> str:
    """The body without the line that only says where to click, for messages that are a link themselves."""
    if not words.link:
        return words.body
    return "\n".join(line for line in words.body.split("\n") if words.link not in line).strip()


def fitted(text: str, link: str | None, limit: int, measure: Measure = utf8) -> str:
    """The text, or as many whole lines of it as fit, then `……` and the line with the link.

    A first line that is too long by itself is cut within. A link that leaves no room for words is left out.
    """
    if measure(text) <= limit:
        return text
    lines = text.split("\n")
    last = _last_line(lines, link, limit, measure)
    kept: list[str] = []
    for line in lines:
        if (link and link in line) or measure("\n".join([*kept, line, CUT, *last])) > limit:
            break
        kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    if kept:
        return "\n".join([*kept, CUT, *last])
    room = limit - measure("\n".join([CUT, *last]))
    return "\n".join([_beginning(lines[0], room, measure) + CUT, *last])


def _last_line(lines: list[str], link: str | None, limit: int, measure: Measure) -> list[str]:
    if not link or measure(link) > limit * 2 // 3:
        return []
    line = next((line for line in lines if link in line), link)
    return [line if measure(line) <= limit // 2 else link]


def _beginning(line: str, limit: int, measure: Measure) -> str:
    """As much of one line as fits."""
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(line[:middle]) <= limit else (low, middle - 1)
    return line[:low]
