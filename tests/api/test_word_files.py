"""A name is found in a Word file wherever it stands and however its writing is cut up."""

import io
import zipfile

import pytest

from api.keeping.word_files import says

NAME = "甲乙丙"
MAIN = "word/document.xml"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def a_file(part: str, content: bytes) -> bytes:
    """With this among its parts, or for what it says itself."""
    parts = {
        MAIN: f'<w:document xmlns:w="{W}"><w:p><w:r><w:t>事由</w:t></w:r></w:p></w:document>'.encode(),
        part: content,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, written in parts.items():
            archive.writestr(name, written)
    return file.getvalue()


WRITTEN = [
    ("in one run", MAIN, f"<w:p><w:r><w:t>由{NAME}签发</w:t></w:r></w:p>", True),
    ("a run a character", MAIN, "".join(f"<w:r><w:rPr><w:b/></w:rPr><w:t>{c}</w:t></w:r>" for c in NAME), True),
    ("by number", MAIN, "<w:t>" + "".join(f"&#{ord(c)};" for c in NAME) + "</w:t>", True),
    ("in a foot", "word/footer2.xml", f"<w:p><w:r><w:t>{NAME}</w:t></w:r></w:p>", True),
    ("as its author", "docProps/core.xml", f"<dc:title>通知</dc:title><dc:creator>{NAME}</dc:creator>", True),
    ("who changed it", MAIN, f'<w:ins w:id="1" w:author="{NAME}"><w:r/></w:ins>', True),
    ("what a picture is called", MAIN, f"<wp:docPr id='1' descr='{NAME}的签名'/>", True),
    ("where a link leads", "word/_rels/document.xml.rels", f'<Relationship Target="mailto:{NAME}@example.org"/>', True),
    ("two paragraphs", MAIN, "<w:p><w:t>甲</w:t></w:p><w:p><w:t>乙丙</w:t></w:p>", False),
    ("two columns", MAIN, "<w:t>甲乙</w:t><w:tab/><w:t>丙</w:t>", False),
    ("another", MAIN, "<w:t>甲乙丁</w:t>", False),
]  # fmt: skip


@pytest.mark.parametrize("part, xml, found", [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_a_name_is_found_however_word_writes_it(part: str, xml: str, found: bool) -> None:
    for encoding in ("utf-8", "utf-16"):
        assert says(a_file(part, xml.encode(encoding)), lambda text: NAME in text) is found
