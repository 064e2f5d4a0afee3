"""A file's name is for people to read: it leads nowhere, hides nothing and breaks no header."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.evidence.names import as_attachment, harmless, name_said


@pytest.mark.parametrize(
    "said, kept",
    [
        ("检测报告.pdf", "检测报告.pdf"), ("../../etc/passwd", "passwd"), ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\system32\\x.pdf", "x.pdf"), ("C:\\Users\\x\\y.docx", "y.docx"), ("a.pdf\0.exe", "a.pdf.exe"),
        ("CON", "_CON"), ("con.pdf", "_con.pdf"), ("LPT1.xlsx", "_LPT1.xlsx"), ("console.pdf", "console.pdf"),
        ("a.pdf...", "a.pdf"), (" . ", ""), ("..", ""), ("/", ""), (".htaccess", "htaccess"),
        ("report\u202efdp.exe", "reportfdp.exe"), ("a\u200bb.pdf", "ab.pdf"), ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie_ x=1.pdf"),
        ('a"b<c>.pdf', "a_b_c_.pdf"), ("x.pdf:stream", "x.pdf_stream"), ("\ud800.pdf", "pdf"),
    ],
)  # fmt: skip
def test_a_name_is_made_harmless(said: str, kept: str) -> None:
    assert harmless(said) == kept


@pytest.mark.parametrize("letter", ["a", "长", "\U0001f600"])
def test_a_long_name_keeps_its_end(letter: str) -> None:
    kept = harmless(letter * 300 + ".docx")
    assert kept.endswith(letter + ".docx") and len(kept.encode()) <= 200


@pytest.mark.parametrize(
    "header, name",
    [
        ("attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf", "报告.pdf"),
        ("attachment; filename=\"x.pdf\"; filename*=utf-8'zh'%E6%8A%A5.pdf", "报.pdf"),
        ('attachment; filename="a b.pdf"', "a b.pdf"), ('attachment; filename="a\\"b.pdf"', "a_b.pdf"),
        ("attachment; filename=x.pdf", "x.pdf"), ("attachment; filename*=UTF-8''..%2F..%2Fx.pdf", "x.pdf"),
        ("attachment; filename*=UTF-8''x%0D%0ASet-Cookie%3A%201.pdf", "xSet-Cookie_ 1.pdf"),
        ("attachment; filename*=UTF-8''%FF%FE", ""), ("attachment", ""), ("", ""), ("filename", ""),
        ("attachment; filename*=UTF-16''x", ""), ('attachment; filename="', ""),
    ],
)  # fmt: skip
def test_a_header_is_read_for_the_name_in_it(header: str, name: str) -> None:
    assert name_said(header) == name


@given(st.text(max_size=400))
def test_no_name_can_break_out(said: str) -> None:
    kept = harmless(said)
    assert harmless(kept) == kept
    assert not re.search(r'[/\\:"<>|?*\x00-\x1f\x7f]', kept) and kept not in {".", ".."}
    header = as_attachment(kept, ".pdf", "0123456789ab")
    assert re.fullmatch(
        r"attachment; filename=\"0123456789ab\.pdf\"; filename\*=UTF-8''[A-Za-z0-9_.~%-]+\.pdf", header, re.IGNORECASE
    )


@given(st.text(max_size=200))
def test_any_header_is_read_or_left(header: str) -> None:
    assert harmless(name_said(header)) == name_said(header)
