"""What a sender calls a file: read from Content-Disposition, made harmless, shown to people and never used as a path."""

import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

EXTENDED = re.compile(r"(?:^|;)\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)", re.IGNORECASE)  # RFC 6266, RFC 8187
QUOTED = re.compile(r'(?:^|;)\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
PLAIN = re.compile(r'(?:^|;)\s*filename\s*=\s*([^;"\s]+)', re.IGNORECASE)
MAX_BYTES = 200  # in UTF-8, with its extension: file systems take 255
NOT_IN_NAMES = str.maketrans(dict.fromkeys('<>:"|?*', "_"))  # what Windows cannot write, and what ends a header's value
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)  # files to nobody but Windows


def name_said(disposition: str) -> str:
    """The name in a Content-Disposition, made harmless; "" where there is none to be read."""
    if found := EXTENDED.search(disposition):
        raw = unquote_to_bytes(found[1])
    elif found := QUOTED.search(disposition):
        raw = re.sub(r"\\(.)", r"\1", found[1]).encode("latin-1", "replace")  # as it came: headers are read as latin-1
    elif found := PLAIN.search(disposition):
        raw = found[1].encode("latin-1", "replace")
    else:
        return ""
    try:
        return harmless(raw.decode())
    except UnicodeDecodeError:
        return ""


def harmless(said: str) -> str:
    """A name that says no path, hides nothing, breaks no header and can be written on any system; "" if nothing is left."""
    seen = "".join(letter for letter in unicodedata.normalize("NFC", said) if _is_seen(letter))
    last = re.split(r"[/\\]", seen)[-1].translate(NOT_IN_NAMES).strip(" .")
    if DEVICES.match(last):
        last = f"_{last}"
    return _cut(last)


def as_attachment(name: str, extension: str, otherwise: str) -> str:
    """The Content-Disposition that makes a browser save the file, under this name and its true extension.

    otherwise   the name for who cannot read the other, and where there is none: plain ASCII
    """
    called = name or otherwise
    if not called.lower().endswith(extension):
        called += extension
    return f"attachment; filename=\"{otherwise}{extension}\"; filename*=UTF-8''{quote(called, safe='')}"


def _is_seen(letter: str) -> bool:
    """Neither a control character nor one that turns the text around or has no width, nor half a character."""
    return unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _cut(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 10:
        stem, dot, extension = name, "", ""
    tail = dot + extension
    room = MAX_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + tail
