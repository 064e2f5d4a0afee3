"""A document is what its content says, and holds nothing that runs."""

import zipfile

import pytest

from api.evidence import documents
from api.evidence.documents import DOCX, PDF, XLSX, media_type_of
from engine.errors import InvalidInput
from tests.api.evidence.making import DOCX_TYPES, a_docx, a_pdf, a_sight, an_xlsx, encoded, zipped


@pytest.mark.parametrize("content, kind", [(a_pdf(), PDF), (a_docx(), DOCX), (an_xlsx(), XLSX)])
def test_what_schools_write_is_taken(content: bytes, kind: str) -> None:
    assert media_type_of(content) == kind


MACROS = DOCX_TYPES.replace(
    "vnd.openxmlformats-officedocument.wordprocessingml.document.main", "vnd.ms-word.document.macroEnabled.main"
)
LOCKED_ZIP = bytearray(a_docx())
LOCKED_ZIP[6] |= 1
LOCKED_ZIP[LOCKED_ZIP.index(b"PK\x01\x02") + 8] |= 1
BROKEN_ZIP = bytearray(a_docx(**{"word/a.xml": "x" * 99}))
BROKEN_ZIP[BROKEN_ZIP.index(b"word/a.xml") + 12] ^= 0xFF

REFUSED = {
    "a page before the PDF": (b"<html><script></script>" + a_pdf(), "no PDF"),
    "a PDF that broke off": (a_pdf()[:-20], "broke off"),
    "an archive behind the PDF": (a_pdf() + a_docx(), "broke off"),
    "a PDF under a password": (a_pdf(b"trailer<</Encrypt 5 0 R>>"), "password"),
    "an old Word file": (documents.OLE + bytes(600), "old Office file"),
    "a bare archive": (zipped({"a.txt": "a"}), "no PDF"),
    "an archive that says it is Word": (zipped({"[Content_Types].xml": DOCX_TYPES}), "no PDF"),
    "Word without its types": (zipped({"word/document.xml": "<w/>"}), "no PDF"),
    "Word of another type": (zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": "<w/>"}), "no PDF"),
    "both Word and Excel": (a_docx(**{"xl/workbook.xml": "<w/>"}), "no PDF"),
    "a file with macros": (a_docx(**{"word/vbaProject.bin": b"x"}), "macros"),
    "its macros in capitals": (a_docx(**{"word/VBAPROJECT.BIN": b"x"}), "macros"),
    "a .docm by its types": (zipped({"[Content_Types].xml": MACROS, "word/document.xml": "<w/>"}), "macros"),
    "a control": (a_docx(**{"word/activeX/activeX1.bin": b"x"}), "macros"),
    "a program inside": (a_docx(**{"word/media/run.exe": b"MZ"}), "macros"),
    "a Java archive": (a_docx(**{"Main.class": b"x"}), "macros"),
    "a part outside": (a_docx(**{"../../etc/passwd": b"x"}), "damaged"),
    "a part from the root": (a_docx(**{"/etc/passwd": b"x"}), "damaged"),
    "a part on a drive": (a_docx(**{"C:evil": b"x"}), "damaged"),
    "a page before the archive": (b"PK\x03\x04<html>" + a_docx(), "damaged"),
    "a page behind the archive": (a_docx() + b"<html>", "damaged"),
    "an archive that broke off": (a_docx()[:-30], "damaged"),
    "an archive under a password": (bytes(LOCKED_ZIP), "password"),
    "a part that was altered": (bytes(BROKEN_ZIP), "damaged"),
    "a picture": (encoded(a_sight(), "PNG"), "no PDF"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PDF"),
    "a page": (b"<!DOCTYPE html>", "no PDF"),
    "a program": (b"\x7fELF" + bytes(99), "no PDF"),
    "a script": (b"#!/bin/sh\nrm -rf /", "no PDF"),
    "nothing": (b"", "no PDF"),
}  # fmt: skip


@pytest.mark.parametrize("content, why", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_plain_document_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        media_type_of(content)
    assert why in refusal.value.obstacle.en
    assert refusal.value.obstacle.zh and refusal.value.remedy.zh


@pytest.mark.parametrize("parts", [1, 3])
def test_a_bomb_is_refused_before_it_unfolds(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_UNFOLDED_BYTES", 3_000_000)
    bomb = a_docx(**{f"word/{n}.xml": bytes(3_000_000 // parts) for n in range(parts)})
    assert len(bomb) < 10_000

    def unfolded(*_: object, **__: object) -> None:
        raise AssertionError("it was unfolded")

    monkeypatch.setattr(zipfile.ZipFile, "open", unfolded)
    with pytest.raises(InvalidInput) as refusal:
        media_type_of(bomb)
    assert "too much" in refusal.value.obstacle.en


def test_a_part_that_says_it_is_smaller_than_it_is_unfolds_no_further() -> None:
    content = bytearray(a_docx(**{"word/x.xml": bytes(5_000_000)}))
    said = (5_000_000).to_bytes(4, "little")
    assert content.count(said) == 2
    lying = bytes(content).replace(said, (9).to_bytes(4, "little"))
    with pytest.raises(InvalidInput):
        media_type_of(lying)


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(InvalidInput):
        media_type_of(a_docx(**{f"word/{n}": b"" for n in range(documents.MAX_PARTS)}))
