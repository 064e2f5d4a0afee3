"""Small files as phones, scanners, offices and ill-wishers make them."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import openpyxl
from PIL import Image, ImageDraw

PLACE = "BIHUANGPSMARK"  # stands wherever a camera writes what nobody needs to know
DOCX_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'wordprocessingml.document.main+xml"/></Types>'
)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def a_sight(size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Four corners of four colours: which is where tells how it was turned."""
    image = Image.new("RGB", size, "white")
    draw, (width, height) = ImageDraw.Draw(image), size
    for at, colour in {(0, 0): "red", (1, 0): "lime", (0, 1): "blue", (1, 1): "black"}.items():
        x, y = at[0] * width // 2, at[1] * height // 2
        draw.rectangle((x, y, x + width // 2 - 1, y + height // 2 - 1), fill=colour)
    return image


def exif_of(orientation: int = 1, taken_at: str = "2020:03:01 08:30:00", offset: str | None = "+08:00") -> Image.Exif:
    """What a phone writes: where, by which device, when, and which way up."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = exif[0x0131] = PLACE
    details = exif.get_ifd(0x8769)
    details[0x9003], details[0xA431], details[0x9286] = taken_at, f"{PLACE}-serial", PLACE.encode()
    if offset:
        details[0x9011] = offset
    where = exif.get_ifd(0x8825)
    where[1], where[2], where[3], where[4] = "N", (29.0, 33.0, 1.0), "E", (106.0, 30.0, 1.0)
    where[0x1B] = PLACE.encode()
    return exif


def a_photo(orientation: int = 1, image: Image.Image | None = None, **exif: Any) -> bytes:
    """A JPEG with all that cameras and editors write beside the pixels, and something after its end."""
    whole = encoded(
        image or a_sight(), "JPEG", quality=95, exif=exif_of(orientation, **exif), comment=PLACE.encode(),
        xmp=f"<x:xmpmeta>{PLACE}</x:xmpmeta>".encode(),
    )  # fmt: skip
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x10" + PLACE.encode()
    segment = b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc
    return whole[:2] + segment + whole[2:] + PLACE.encode()


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def a_docx(**more: str | bytes) -> bytes:
    return zipped({"[Content_Types].xml": DOCX_TYPES, "word/document.xml": "<w:document/>", **more})


def an_xlsx() -> bytes:
    content = io.BytesIO()
    book = openpyxl.Workbook()
    book.create_sheet("检测").append(["检测项目", "结果"])
    book.save(content)
    return content.getvalue()


def a_pdf(inside: bytes = b"") -> bytes:
    return b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n" + inside + b"\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"
