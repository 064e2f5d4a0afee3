"""A template and values become a Word file that opens again."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.shared import Cm, Pt, RGBColor
from docx.text.paragraph import Paragraph
from docxtpl import DocxTemplate, InlineImage
from jinja2 import TemplateError
from PIL import Image

from api.papers.paper import ROWS
from api.papers.word.fitting import UnfitTemplate, environment, must_fit
from engine.errors import Text

WIDEST, HIGHEST = Cm(6.2), Cm(6.2)  # of a picture: two beside each other in the wide column
RED = RGBColor(0xC0, 0x00, 0x00)
#: control characters that XML does not know, and those the filler reads as marks of its own
_UNSEEN = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]) | {9: " ", 13: None}


def filled(
    content: bytes,
    plain: Mapping[str, str],
    rows: Sequence[Mapping[str, str]],
    row_fields: Sequence[str],
    pictures: Mapping[str, Sequence[bytes]],
    draft: str,
) -> bytes:
    """The file. Raises UnfitTemplate.

    plain      field → its text
    rows       of the list, each with all of `row_fields`
    pictures   field → JPEGs that stand behind its text
    draft      what it says at its top, if it may not be issued
    """
    template = must_fit(content, plain, dict.fromkeys(row_fields))
    told: dict[str, Any] = {name: _clean(text) for name, text in plain.items()}
    told |= {name: _Pictured(template, told.get(name, ""), shown) for name, shown in pictures.items() if shown}
    told[ROWS] = [{name: _clean(text) for name, text in row.items()} for row in rows]
    try:
        template.render(told, environment(), autoescape=True)
    except (TemplateError, ValueError, AttributeError, LookupError) as error:
        raise UnfitTemplate(
            Text("填写后不成其为 Word 文件", "filled in, it is no Word file any more"),
            Text("请检查 if、for 与 endif、endfor 是否成对且各占一段", "See that if, for, endif and endfor come in pairs, each in a paragraph of its own"),
        ) from error  # fmt: skip
    if draft:
        _mark(template, draft)
    file = io.BytesIO()
    template.save(file)
    return file.getvalue()


def _clean(text: str) -> str:
    return text.translate(_UNSEEN)


class _Pictured:
    """A text with pictures behind it, as the filler writes them into the paragraph."""

    def __init__(self, template: DocxTemplate, text: str, pictures: Sequence[bytes]) -> None:
        self._text = text
        self._pictures = [_picture(template, each) for each in pictures]

    def __html__(self) -> str:
        words = self._text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return words + "".join(str(each) for each in self._pictures)

    __str__ = __html__


def _picture(template: DocxTemplate, content: bytes) -> InlineImage:
    with Image.open(io.BytesIO(content)) as image:
        wide, high = image.size
    by_width = wide * HIGHEST <= high * WIDEST  # it is higher than its place
    return InlineImage(template, io.BytesIO(content), **({"height": HIGHEST} if by_width else {"width": WIDEST}))


def _mark(template: DocxTemplate, draft: str) -> None:
    """Whatever the template says: a draft is known for one."""
    body = template.docx.element.body  # what was filled in; asked for otherwise, the file is read anew
    element = OxmlElement("w:p")
    body.insert(0, element)
    paragraph = Paragraph(element, body)
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    run = paragraph.add_run(_clean(draft))
    run.bold, run.font.size, run.font.color.rgb = True, Pt(12), RED
