"""What a Word file says, however its writing is cut up: as somebody who looks for a name in it wants it. Nothing is changed."""

import html
import io
import re
import zipfile
from collections.abc import Callable, Iterator

_PARTS = re.compile(r"\.(xml|rels)$")
_ATTRIBUTE = re.compile(r'\s[\w:.-]+\s*=\s*(?:"([^"<]*)"|\'([^\'<]*)\')')
_PARAGRAPH = re.compile(r"</(?:w:p|w:tab|w:br|a:p|vt:lpstr)>|<w:(?:tab|br|cr)\b[^>]*>")
_PROPERTY = re.compile(r"</(?:dc|cp|dcterms):\w+>|</(?:Company|Manager|Application)>")
_MARK = re.compile(r"<[^>]*>")


def says(content: bytes, matches: Callable[[str], bool]) -> bool:
    """Whether any of its writing matches: paragraphs whole, in all its parts, with who wrote it and what its pictures are called.

    content   a .docx that was taken as a template, so that it unfolds into no more than that may
    """
    return any(matches(text) for text in _texts(content))


def _texts(content: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if not _PARTS.search(name):
                continue
            part = archive.read(name)
            written = part.decode("utf-16" if part[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
            for paragraph in _PARAGRAPH.split(written):
                for text in _PROPERTY.split(paragraph):
                    yield html.unescape(
                        _MARK.sub("", text)
                    )  # a name lies in as many runs as its characters, if Word likes
            yield from (html.unescape(twice or once) for twice, once in _ATTRIBUTE.findall(written))
