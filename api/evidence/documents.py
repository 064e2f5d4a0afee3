"""Looks into an uploaded document: a PDF, a Word or an Excel file without macros, told by its content and not by its name."""

import io
import re
import zipfile
import zlib
from collections.abc import Sequence

from api.evidence.refusing import not_taken
from engine.errors import InvalidInput, Text

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXTENSIONS = {PDF: ".pdf", DOCX: ".docx", XLSX: ".xlsx"}
MAIN_PARTS = {  # of an Office file (ECMA-376 part 1, 11.3.10 and 12.3.23) → what it is
    "word/document.xml": (DOCX, f"{DOCX}.main+xml"),
    "xl/workbook.xml": (XLSX, f"{XLSX}.main+xml"),
}
CONTENT_TYPES = "[Content_Types].xml"

MAX_PARTS = 2_000  # a thick report with its pictures has some hundred
MAX_UNFOLDED_BYTES = 200_000_000  # the largest honest table in ten million bytes unfolds into about half as much
MAX_TYPES_BYTES = 1_000_000  # [Content_Types].xml lists each part in some hundred bytes
CHUNK_BYTES = 1 << 20

ASKED = Text("上传文件", "Upload a document")
REMEDY = Text("请上传 PDF、.docx 或 .xlsx 文件", "Send a PDF, .docx or .xlsx file")
UNLOCK = Text("请去掉密码后重新上传", "Take the password off and send it again")
UNSOUND = Text("文件不完整或已损坏", "it broke off or is damaged")
STRANGE = Text("不是 PDF、Word（.docx）或 Excel（.xlsx）文件", "it is no PDF, Word (.docx) or Excel (.xlsx) document")
LOCKED = Text("设有密码，日后无人能打开", "it is locked by a password: nobody could open it later")

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the old Office formats, and new ones under a password
PDF_HEAD = re.compile(rb"%PDF-[12]\.\d")
PDF_END = re.compile(rb"%%EOF[\s\0]*\Z")
PDF_LOCKED = re.compile(rb"/Encrypt[\s\d<]")
#: parts that a program would run, by their names
ACTIVE = re.compile(
    r"vbaproject|vbadata|(^|/)activex/|oleobject|(^|/)macrosheets/|"
    r"\.(exe|dll|com|scr|bat|cmd|ps1|vbs|js|jse|wsf|hta|jar|class|dex|lnk|msi|sh|html?|svgz|docm|dotm|xlsm|xltm|xlam|pptm)$",
    re.IGNORECASE,
)


def media_type_of(content: bytes) -> str:
    """What kind of document the bytes are. Raises InvalidInput unless they are one we take."""
    if PDF_HEAD.match(content):  # at the very beginning: readers also find it behind a kilobyte of something else
        return _pdf(content)
    if content.startswith(b"PK\x03\x04"):
        return _office(content)
    if content.startswith(OLE):
        obstacle = Text("是旧版 Office 文件或设有密码", "it is an old Office file, or one with a password")
        remedy = Text("请另存为不带密码的 .docx、.xlsx 或 PDF", "Save it as .docx, .xlsx or PDF without a password")
        raise not_taken(ASKED, obstacle, remedy)
    raise not_taken(ASKED, STRANGE, REMEDY)


def _pdf(content: bytes) -> str:
    if not PDF_END.search(content[-1024:]):
        raise not_taken(ASKED, UNSOUND, REMEDY)
    if PDF_LOCKED.search(content):
        raise not_taken(ASKED, LOCKED, UNLOCK)
    return PDF


def _office(content: bytes) -> str:
    if content[-22:-18] != b"PK\x05\x06":  # its directory ends the file, and nothing comes after it
        raise not_taken(ASKED, UNSOUND, REMEDY)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            kind = _judged(archive, archive.infolist())
    except InvalidInput:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise not_taken(ASKED, UNSOUND, REMEDY) from error
    return kind


def _judged(archive: zipfile.ZipFile, parts: Sequence[zipfile.ZipInfo]) -> str:
    """1. its size unfolded  2. its names  3. that it is Office's  4. that it is whole."""
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNFOLDED_BYTES:
        obstacle = Text("解压后过大", "it unfolds into too much")
        raise not_taken(ASKED, obstacle, Text("请拆分后再上传", "Split it and send the parts"))
    if any(part.flag_bits & 0x1 for part in parts):
        raise not_taken(ASKED, LOCKED, UNLOCK)
    names = [part.filename for part in parts]
    if len(set(names)) < len(names) or any(_leads_outside(name) for name in names) or parts[0].header_offset:
        raise not_taken(ASKED, UNSOUND, REMEDY)
    if any(ACTIVE.search(name) for name in names):
        raise _runs()
    main = [expected for name, expected in MAIN_PARTS.items() if name in names]
    if CONTENT_TYPES not in names or len(main) != 1:
        raise not_taken(ASKED, STRANGE, REMEDY)
    kind, said = main[0]
    if archive.getinfo(CONTENT_TYPES).file_size > MAX_TYPES_BYTES:
        raise not_taken(ASKED, UNSOUND, REMEDY)
    types = archive.read(CONTENT_TYPES).decode("utf-8", "replace")
    if "macroenabled" in types.lower():
        raise _runs()
    if f'"{said}"' not in types:
        raise not_taken(ASKED, STRANGE, REMEDY)
    for part in parts:  # read to the end, in pieces: each is compared with its checksum, and none is held whole
        with archive.open(part) as file:
            while file.read(CHUNK_BYTES):
                pass
    return kind


def _leads_outside(name: str) -> bool:
    return name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/")


def _runs() -> InvalidInput:
    return not_taken(
        ASKED,
        Text("含有宏或可执行内容", "it holds macros or something else that can be run"),
        Text("请另存为不含宏的 .docx、.xlsx 或 PDF", "Save it without macros as .docx, .xlsx or PDF"),
    )
