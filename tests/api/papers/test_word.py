"""Word papers: written, opened again and read; and templates that would do anything else than be filled in."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn

from api.paper_templates import KEEPING, MOST_UNFOLDED_BYTES, _must_be_word
from api.papers.kinds import BY_CODE, LISTS_BY_CODE, Kind, ListKind
from api.papers.paper import Cell, Paper, Sheet, short
from api.papers.word import asking
from api.papers.word.fitting import MOST_TAGS, UnfitTemplate, environment, must_fit
from engine.errors import InvalidInput
from tests.api.papers.writing import in_this_process
from tests.pictures import a_photo

NOTICE, RECEIPT, LISTS = BY_CODE["notice"], BY_CODE["receipt"], LISTS_BY_CODE["three_lists"]
PHOTO = "a" * 64
HOSTILE = "<w:p>&amp;</w:p> {{ 7*7 }} {% raw %}\n第二行\x07\x0b\x00\ufffe"
READ = "<w:p>&amp;</w:p> {{ 7*7 }} {% raw %}\n第二行"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)


def a_paper(code: str = "notice", text: str = "内容", pictures: Sequence[str] = ()) -> Paper:
    kind = BY_CODE[code]
    cells = tuple(
        Cell(heading, f"{short(heading)}：{text}", tuple(pictures) if "照片" in heading else ())
        for heading in kind.columns
    )
    return Paper(code, kind.title.zh, "某校", "TZ-2020-0001", "YH-2020-0007", 5, cells, kind.layout, "2020-01-16 09:12")


def opened(content: bytes) -> Any:
    return docx.Document(io.BytesIO(content))


def words_of(content: bytes) -> str:
    document = opened(content)
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join(
        [*(p.text for p in document.paragraphs), *cells, *(p.text for p in document.sections[0].footer.paragraphs)]
    )


def test_every_paper_is_a_word_file_that_says_what_it_was_told() -> None:
    for kind in BY_CODE.values():
        content = asking.paper_of(kind, a_paper(kind.code), {}, None)
        said = words_of(content)
        assert all(f"{short(heading)}：内容" in said for heading in kind.columns), kind.code
        assert all(
            word in said for word in (kind.title.zh, "某校", "TZ-2020-0001", "依据记录 YH-2020-0007 第 1–5 号生成")
        )
        assert ("（盖章）" in said) == kind.stamped
        assert "{{" not in said and "Noto Sans CJK SC" in opened(content).styles["Normal"].element.xml


def test_what_was_typed_stays_words_whatever_it_looks_like() -> None:
    content = asking.paper_of(NOTICE, a_paper(text=HOSTILE), {}, None)
    [cell] = {
        cell.text for row in opened(content).tables[0].rows for cell in row.cells if cell.text.startswith("整改要求：")
    }
    assert cell == f"整改要求：{READ}"


def test_pictures_stand_in_the_paper_no_larger_than_their_place() -> None:
    shown = {PHOTO: a_photo("red", (800, 400)), "b" * 64: a_photo("blue", (300, 900))}
    content = asking.paper_of(RECEIPT, a_paper("receipt", pictures=list(shown)), shown, None)
    pictures = opened(content).inline_shapes
    assert len(pictures) == 2
    assert [(round(p.width.cm, 1), round(p.height.cm, 1)) for p in pictures] == [(6.2, 3.1), (2.1, 6.2)]


def test_a_draft_says_so_whatever_its_template_says() -> None:
    paper = a_paper()
    cells = tuple(Cell(c.heading, "" if c.heading == "签收人" else c.text, required=True) for c in paper.cells)
    draft = Paper(paper.code, paper.title, "某校", "", "YH-2020-0007", 5, cells, paper.layout, "")
    own = a_template("只有{{ 单位 }}")
    assert opened(asking.paper_of(NOTICE, draft, {}, own)).paragraphs[0].text == "草稿 · 尚缺：签收人，不作为正式文书"
    assert "草稿" not in words_of(asking.paper_of(NOTICE, paper, {}, own))


def test_the_three_lists_repeat_their_heading_and_have_a_row_each() -> None:
    rows = tuple(tuple(f"{column}{at}" for column in LISTS.columns) for at in range(30))
    sheet = Sheet(LISTS.code, LISTS.title.zh, "某校", LISTS.groups, rows, "重大隐患", "2020-01-16 09:12")
    document = opened(asking.sheet_of(LISTS, sheet, None))
    table = document.tables[0]
    assert len(table.rows) == 2 + 30
    assert [cell.text for cell in table.rows[2].cells] == list(rows[0])
    assert [
        row._tr.trPr is not None and row._tr.trPr.find(qn("w:tblHeader")) is not None for row in table.rows[:3]
    ] == [True, True, False]
    assert document.sections[0].page_width > document.sections[0].page_height
    empty = Sheet(LISTS.code, LISTS.title.zh, "某校", LISTS.groups, (), "无", "")
    assert len(opened(asking.sheet_of(LISTS, empty, None)).tables[0].rows) == 2


@pytest.mark.parametrize("kind", [NOTICE, LISTS], ids=["a paper", "a sheet"])
def test_a_default_template_passes_the_check_that_a_school_s_own_has_to_pass(kind: Kind | ListKind) -> None:
    template = asking.default_of(kind)
    _must_be_word(template)
    asking.must_fit(kind, template, KEEPING)


# --- templates ------------------------------------------------------------------------------------------------------------


def a_template(*paragraphs: str, table: Sequence[Sequence[str]] = ()) -> bytes:
    document = docx.Document()
    document.core_properties.comments = ""
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if table:
        made = document.add_table(0, len(table[0]))
        for row in table:
            for cell, text in zip(made.add_row().cells, row, strict=True):
                cell.text = text
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def with_parts(content: bytes, change: Callable[[str, bytes], bytes], more: Mapping[str, bytes] | None = None) -> bytes:
    """The same file with its parts altered, and others beside them."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, change(part.filename, old.read(part)))
        for name, part_content in (more or {}).items():
            new.writestr(name, part_content)
    return file.getvalue()


def in_document(xml: str) -> Callable[[str, bytes], bytes]:
    """With this before the end of the body."""

    def change(name: str, content: bytes) -> bytes:
        return content.replace(b"<w:sectPr", f"{xml}<w:sectPr".encode(), 1) if name == "word/document.xml" else content

    return change


def test_a_school_s_own_layout_is_filled_in() -> None:
    own = a_template(
        "{{ 单位 }}安全办公室", "{% if 签收人 %}签收：{{ 签收人 }}{% else %}未签收{% endif %}", "{% if not 防范措施 or 文号 %}{{ 文号 }}{% endif %}",
        table=[["隐患", "{{隐患事项及依据}}"]],
    )  # fmt: skip
    asking.must_fit(NOTICE, own, KEEPING)
    said = words_of(asking.paper_of(NOTICE, a_paper(), {}, own))
    assert "某校安全办公室" in said and "签收：签收人：内容" in said and "隐患事项及依据：内容" in said
    listed = a_template("共 {{ 共 }} 项", table=[["{%tr for 行 in 清单 %}"], ["{{ 行.问题 }}"], ["{%tr endfor %}"]])
    asking.must_fit(LISTS, listed, KEEPING)


@pytest.mark.parametrize(
    "words, said",
    [
        ("{{ 签收入 }}", "没有字段“签收入”。是不是“签收人”"),
        ("{{ 签 收 人 }}", "写法有误"),
        ("{{ ''.__class__ }}", "只能用字段"),
        ("{{ 签收人.__class__.__mro__ }}", "只能用字段"),
        ("{{ 签收人.upper() }}", "只能用字段"),
        ("{{ 签收人[0] }}", "只能用字段"),
        ("{{ 签收人 | upper }}", "只能用字段"),
        ("{{ 7 * 7 }}", "只能用字段"),
        ("{{ 签收人 * 999999999 }}", "只能用字段"),
        ("{{ '长' ~ 签收人 }}", "只能用字段"),
        ("{{ range(10**9) }}", "只能用字段"),
        ("{{ self }}", "没有字段“self”"),
        ("{{ cycler }}", "没有字段“cycler”"),
        ("{% for i in range(10**9) %}x{% endfor %}", "没有重复的行"),
        ("{% for 行 in 清单 %}x{% endfor %}", "没有重复的行"),
        ("{% set x = 1 %}", "只能用字段"),
        ("{% macro m() %}{% endmacro %}", "只能用字段"),
        ("{% include '/etc/passwd' %}", "只能用字段"),
        ("{% import 'os' as o %}", "只能用字段"),
        ("{% extends 'x' %}", "只能用字段"),
        ("{% if 签收人 == 'x' %}{% endif %}", "只能用字段"),
        ("{% if 签收人 %}没有结束", "写法有误"),
        ("{% filter upper %}x{% endfilter %}", "只能用字段"),
        ("{{ 签收人", "不成对"),
        ("{% if 签收人 }}", "不成对"),
        ("{{r 签收人 }}", "不支持的标记"),
        ("{% vm %}", "不支持的标记"),
        ("{% colspan 9999999 %}", "不支持的标记"),
        ("{_{ 签收人 }_}", "不支持的标记"),
        ("{# 注释 #}", "不支持的标记"),
        ("{{ 签收人 }}" * (MOST_TAGS + 1), "个字段标记"),
    ],
)
def test_a_template_does_nothing_but_name_its_fields(words: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        asking.must_fit(NOTICE, a_template(words), KEEPING)
    assert said in refused.value.sentence("zh") and refused.value.fields[0].field == "template"
    assert refused.value.sentence("en").startswith("Replace a paper's template: ")


@pytest.mark.parametrize(
    "words",
    [
        "{% for 行 in 清单 %}{{ 行.items }}{% endfor %}",
        "{% for 行 in 清单 %}{{ 行.__class__ }}{% endfor %}",
        "{% for 行 in 清单 %}{% for 行 in 清单 %}x{% endfor %}{% endfor %}",
        "{% for 行 in 清单 recursive %}{{ loop(清单) }}{% endfor %}",
        "{% for 行 in 清单 if 行.问题 %}x{% endfor %}",
        "{% for x in 清单 %}x{% endfor %}",
        "{% for a, b in 清单 %}x{% endfor %}",
        "{{ 行.问题 }}",
        "{{ 清单 }}",
    ],
)
def test_a_list_is_walked_through_once_and_no_further(words: str) -> None:
    with pytest.raises(InvalidInput):
        asking.must_fit(LISTS, a_template(words), KEEPING)


RELATION = '<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" Target="http://192.0.2.1/x" TargetMode="External"/>'
FIELD = '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>{said}</w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'


def relating(kind: str) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if name != "word/_rels/document.xml.rels":
            return content
        return content.replace(b"</Relationships>", RELATION.format(kind=kind).encode() + b"</Relationships>")

    return change


def declaring(name: str, content: bytes) -> bytes:
    bomb = b'<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    return content.replace(b"?>", b"?>" + bomb, 1) if name == "word/document.xml" else content


def titled(name: str, content: bytes) -> bytes:
    if name != "docProps/core.xml":
        return content
    return content.replace(b"<dc:title></dc:title>", b"<dc:title>{{ cycler }}</dc:title>").replace(
        b"<dc:title/>", b"<dc:title>{{ cycler }}</dc:title>"
    )


@pytest.mark.parametrize(
    "what, change, said",
    [
        ("a picture elsewhere", relating("image"), "指向文件以外"),
        ("a link", relating("hyperlink"), "指向文件以外"),
        ("a template elsewhere", relating("attachedTemplate"), "指向文件以外"),
        ("a program", in_document(FIELD.format(said=" DDEAUTO c:\\\\windows\\\\system32\\\\cmd.exe ")), "域代码"),
        ("a picture from the net", in_document(FIELD.format(said=" INCLUDEPICTURE http://192.0.2.1/x.png ")), "域代码"),
        ("a field in a field", in_document(FIELD.format(said="{{ 签收人 }}")), "域代码"),
        ("a simple field", in_document('<w:p><w:fldSimple w:instr="DDE x"/></w:p>'), "域代码"),
        ("a file inside", in_document('<w:altChunk xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:id="rId1"/>'), "嵌入"),
        ("entities", declaring, "XML 声明"),
        ("properties", titled, "文件属性"),
        ("broken", in_document("<w:p><w:r>"), "损坏"),
    ],
)  # fmt: skip
def test_a_template_reaches_for_nothing_outside_and_starts_nothing(
    what: str, change: Callable[[str, bytes], bytes], said: str
) -> None:
    clean = a_template("{{ 单位 }}")
    asking.must_fit(NOTICE, with_parts(clean, lambda _, content: content), KEEPING)
    with pytest.raises(InvalidInput) as refused:
        asking.must_fit(NOTICE, with_parts(clean, change), KEEPING)
    assert said in refused.value.sentence("zh")


def test_a_part_is_looked_through_whatever_it_is_called() -> None:
    """A file says itself which of its parts is the document; one called otherwise would have been read unseen."""
    starts = FIELD.format(said=" DDEAUTO c:\\windows\\system32\\cmd.exe ")

    def pointing(name: str, content: bytes) -> bytes:
        wanted = name in ("_rels/.rels", "[Content_Types].xml")
        return content.replace(b"word/document.xml", b"word/hidden.bin") if wanted else content

    clean = a_template("{{ 单位 }}")
    with zipfile.ZipFile(io.BytesIO(clean)) as archive:
        hidden = in_document(starts)("word/document.xml", archive.read("word/document.xml"))
        related = archive.read("word/_rels/document.xml.rels")
    more = {"word/hidden.bin": hidden, "word/_rels/hidden.bin.rels": related}
    with pytest.raises(InvalidInput) as refused:
        asking.must_fit(NOTICE, with_parts(clean, pointing, more), KEEPING)
    assert "名称与内容不符" in refused.value.sentence("zh")


def test_page_numbers_are_no_instruction_to_fear() -> None:
    asking.must_fit(
        NOTICE,
        with_parts(a_template("{{ 单位 }}"), in_document(FIELD.format(said=" NUMPAGES \\* MERGEFORMAT "))),
        KEEPING,
    )


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "不是"),
        (b"{\\rtf1 }", "不是 PDF"),
        (a_template("x")[:-40], "不完整"),
        (with_parts(a_template("x"), lambda _, c: c, {"word/vbaProject.bin": b"x"}), "宏"),
        (with_parts(a_template("x"), lambda _, c: c, {"word/media/x.bin": b"\0" * (MOST_UNFOLDED_BYTES + 1)}), "过大"),
        (b"PK\x03\x04" + b"\0" * 2_000_001, "过大"),
    ],
)
def test_what_is_no_word_file_or_too_large_is_refused_before_it_is_opened(content: bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _must_be_word(content)
    assert said in refused.value.sentence("zh") and refused.value.fields[0].field == "template"


def test_templates_are_read_without_filters_tests_or_globals() -> None:
    made = environment()
    assert not made.filters and not made.tests and not made.globals
    with pytest.raises(UnfitTemplate):
        must_fit(a_template("{{ 不存在 }}"), {"单位": ""}, {})
