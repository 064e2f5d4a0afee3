"""How wide words are when they are drawn, and where they break into lines: SVG knows neither before it is shown.

No font is asked, for the reader's is not known: widths are a little more than those of the fonts the style sheet names.
"""

import unicodedata

WIDE = 1.02  # of the letters' size: a Chinese character, and what stands in its place
CAPITAL = 0.74
SMALL = 0.6
THIN = 0.36
THIN_LETTERS = frozenset("iIjlft.,:;'!|()[] ·")
#: what may not begin a line
CLOSING = frozenset("、，。；：！？）》”’,.;:!?)")


STOPS = frozenset("、，。；：！？")


def width_of(words: str, size: float) -> float:
    """Pixels, for letters of this size."""
    return size * sum(_width(letter) for letter in words)


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WFA":
        return WIDE
    if letter in THIN_LETTERS:
        return THIN
    return CAPITAL if letter.isupper() or letter in "mwMW@%—→" else SMALL


def broken(words: str, size: float, most: float) -> list[str]:
    """The words in lines of at most so many pixels: Chinese breaks between any two characters but before a stop, other words
    where they end. A word that is longer by itself than a line is cut. Where it takes no line more, they break behind a stop.
    """
    full, sensible = _filled(words, size, most), _filled(words, size, most, at_stops=True)
    return sensible if len(sensible) == len(full) else full


def _filled(words: str, size: float, most: float, *, at_stops: bool = False) -> list[str]:
    lines, line = [], ""
    for piece in _pieces(words):
        if line and width_of((line + piece).rstrip(), size) > most:
            end = max((n for n, letter in enumerate(line, 1) if letter in STOPS), default=0) if at_stops else 0
            if not end or width_of((line[end:] + piece).rstrip(), size) > most:
                end = len(line)
            lines.append(line[:end].rstrip())
            line = line[end:]
        line += piece if line else piece.lstrip()
        while width_of(line.rstrip(), size) > most:
            kept = next(n for n in range(len(line), 0, -1) if n == 1 or width_of(line[:n], size) <= most)
            if kept >= len(line.rstrip()):
                break
            lines.append(line[:kept])
            line = line[kept:]
    return [*lines, line.rstrip()] if line.strip() else lines


def _pieces(words: str) -> list[str]:
    """What is not taken apart: a Chinese character with the stops behind it, a word with the blank behind it."""
    pieces: list[str] = []
    for letter in words:
        last = pieces[-1] if pieces else " "
        joins = letter in CLOSING or not (_is_wide(letter) or _is_wide(last[-1]))
        if joins and not last.endswith(" "):
            pieces[-1] += letter
        else:
            pieces.append(letter)
    return pieces


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"
