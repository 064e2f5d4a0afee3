"""What a template may hold: fields that its paper has, tests of whether they are there, and one row for each line of a list.

It is a file of somebody's. So nothing is called in it, no attribute is asked for but a row's field, nothing is counted or put
together; it reaches for nothing outside itself, and runs nothing when it is opened.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from docx.opc.exceptions import OpcError
from docx.opc.part import XmlPart
from docxtpl import DocxTemplate
from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from lxml import etree

from api.papers.paper import ROW, ROWS
from engine.errors import BihuanError, Text

MOST_TAGS = 500  # in all of a file; the longest form has thirty columns
LONGEST_PART = 1_500_000  # bytes of one part as XML: a form of a page has a tenth of that
NEAR = 0.5  # how alike a field has to be to be meant

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
#: what Word works out when somebody opens the file, and may: pages. Others read files or start programs
INSTRUCTIONS = frozenset({"PAGE", "NUMPAGES", "SECTION", "SECTIONPAGES", "\\*", "MERGEFORMAT", "Arabic", "ARABIC"})
#: what brings in something else than text
ACTIVE = frozenset(
    {f"{W}{name}" for name in ("altChunk", "object", "control", "subDoc", "attachedTemplate", "mailMerge")}
)
TAG = re.compile(r"\{[{%#]")
#: marks of the program that fills templates which would make Word files nobody can open, or more than is needed here
MARKS = re.compile(r"\{\{-?(?:r|p|tr|tc)\s|\{%-?\s*(?:vm|hm|colspan|cellbg)\b|\{_\{|\{#")
WHICH = re.compile(r"\{[{%]-?(?:p|tr|tc|r)?\s*(.*?)\s*-?[}%]\}", re.DOTALL)

Fields = Mapping[str, object]


class UnfitTemplate(BihuanError):
    """The template cannot be used: what is wrong with it, and what to do."""

    def __init__(self, obstacle: Text, remedy: Text) -> None:
        self.obstacle, self.remedy = obstacle, remedy
        super().__init__(obstacle.en)


_AGAIN = Text("请改正后重新上传；可先下载默认模板参照", "Correct it and send it again; begin with the default template")


def environment() -> ImmutableSandboxedEnvironment:
    """Without a filter, a test or a global: what a template needs none of, it cannot misuse."""
    made = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
    for known in (made.filters, made.tests, made.globals):
        known.clear()
    return made


def must_fit(content: bytes, plain: Fields, rows: Fields) -> DocxTemplate:
    """The template, if it may be filled in. Raises UnfitTemplate.

    1. no part reaches outside or runs something
    2. it opens, and its tags can be read
    3. they name what there is

    plain, rows    the fields of the paper, and of a line of its list
    """
    _must_be_still(content)
    try:
        template = DocxTemplate(io.BytesIO(content))
        template.init_docx()
        _must_be_called_what_it_is(template)
        sources = list(_sources(template))
    except (OpcError, etree.LxmlError, KeyError, ValueError, UnicodeError, zipfile.BadZipFile) as error:
        raise UnfitTemplate(Text("不是能打开的 Word 文件", "it is no Word file that can be opened"), _AGAIN) from error
    tags = 0
    for source in sources:
        tags += len(TAG.findall(source))
        if tags > MOST_TAGS:
            raise UnfitTemplate(Text(f"超过 {MOST_TAGS} 个字段标记", f"it has more than {MOST_TAGS} tags"), _AGAIN)
        _must_be_readable(source, plain, rows)
    return template


# --- 1. nothing that acts -------------------------------------------------------------------------------------------------


def _must_be_still(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for part in archive.infolist():
                if not part.filename.endswith((".xml", ".rels")):
                    continue
                if part.file_size > LONGEST_PART:
                    raise UnfitTemplate(Text("内容过长", "it is too long"), _AGAIN)
                _must_not_act(part.filename, archive.read(part))
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise UnfitTemplate(Text("文件已损坏", "the file is damaged"), _AGAIN) from error


def _must_not_act(name: str, xml: bytes) -> None:
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml or b"\0" in xml:  # in UTF-16 it could be hidden
        raise UnfitTemplate(Text("含有不支持的 XML 声明", "it holds XML declarations that are not taken"), _AGAIN)
    try:
        tree = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise UnfitTemplate(Text("文件已损坏", "the file is damaged"), _AGAIN) from error
    if name.endswith(".rels"):
        if any(relation.get("TargetMode", "").lower() == "external" for relation in tree):
            raise UnfitTemplate(
                Text("含有指向文件以外的链接", "it holds links that lead outside the file"),
                Text("请去掉超链接、链接的图片和附加模板后重新上传", "Take out hyperlinks, linked pictures and attached templates"),
            )  # fmt: skip
        return
    for element in tree.iter(etree.Element):
        if element.tag in ACTIVE:
            raise UnfitTemplate(
                Text("含有嵌入的对象", "it holds an embedded object"),
                Text("请去掉嵌入的对象、控件和合并数据后重新上传", "Take out embedded objects, controls and mail merge data"),
            )  # fmt: skip
    for said in _instructions(tree):
        if not set(said.split()) <= INSTRUCTIONS:
            told = " ".join(said.split())[:40]
            raise UnfitTemplate(
                Text(f"含有域代码“{told}”，只能用页码", f"it holds the field code {told!r}; page numbers alone are taken"),
                Text("请把域代码改为普通文字后重新上传", "Turn it into plain text and send it again"),
            )  # fmt: skip


def _must_be_called_what_it_is(template: DocxTemplate) -> None:
    """What is read as XML was looked through as such: what a part is, the file itself says, and not the part's name."""
    for part in template.get_docx().part.package.parts:
        if not part.partname.endswith(".xml") and (isinstance(part, XmlPart) or part.content_type.endswith("xml")):
            raise UnfitTemplate(
                Text(
                    f"部件“{part.partname}”的名称与内容不符",
                    f"its part {str(part.partname)!r} is not what it is called",
                ),
                _AGAIN,
            )


def _instructions(tree: etree._Element) -> Iterator[str]:
    """What fields of Word's own say; a paragraph may cut one into pieces."""
    for paragraph in tree.iter(f"{W}p"):
        yield " ".join(element.text or "" for element in paragraph.iter(f"{W}instrText", f"{W}delInstrText"))
    for simple in tree.iter(f"{W}fldSimple"):
        yield simple.get(f"{W}instr", "")


# --- 2. and 3. nothing that is not there ----------------------------------------------------------------------------------


def _sources(template: DocxTemplate) -> Iterator[str]:
    """Every text that is filled in, as it is read: body, headers, footers, notes, and what the file says of itself."""
    document = template.get_docx()
    yield _source(template, template.get_xml())
    for uri in (template.HEADER_URI, template.FOOTER_URI):
        for _, part in template.get_headers_footers(uri):
            yield _source(template, template.get_part_xml(part))
    for part in document.part.package.parts:
        if part.content_type.endswith(".footnotes+xml"):
            yield _source(template, part.blob.decode("utf-8"))
    said = document.core_properties
    for name in ("author", "comments", "identifier", "language", "subject", "title"):
        if TAG.search(getattr(said, name)):
            raise UnfitTemplate(
                Text("文件属性中含有字段标记", "the properties of the file hold a tag"),
                Text("请清空文件属性中的标题、作者等", "Empty its title, author and the like"),
            )


def _source(template: DocxTemplate, xml: str) -> str:
    """Raises UnfitTemplate for marks that are not taken, before anything is made of them."""
    words = re.sub(r"<[^>]+>", "", xml)
    if marked := MARKS.search(words):
        raise UnfitTemplate(
            Text(f"含有不支持的标记“{marked[0].strip()}”", f"it holds the mark {marked[0].strip()!r}, which is not taken"),
            Text("字段请写作 {{ 字段名 }}", "Write fields as {{ name }}"),
        )  # fmt: skip
    for opening, closing in (("{{", "}}"), ("{%", "%}")):
        if words.count(opening) != words.count(closing):
            raise UnfitTemplate(
                Text(f"“{opening}”与“{closing}”不成对", f"{opening!r} and {closing!r} do not come in pairs"), _AGAIN
            )
    if sum(1 for _ in TAG.finditer(words)) > MOST_TAGS:
        raise UnfitTemplate(Text(f"超过 {MOST_TAGS} 个字段标记", f"it has more than {MOST_TAGS} tags"), _AGAIN)
    return str(template.patch_xml(xml))


def _must_be_readable(source: str, plain: Fields, rows: Fields) -> None:
    try:
        tree = environment().parse(source)
    except TemplateSyntaxError as error:
        raise UnfitTemplate(
            Text(f"字段标记写法有误：{_near(source, error.lineno)}", f"a tag cannot be read: {_near(source, error.lineno)}"),
            Text("字段请写作 {{ 字段名 }}，重复的行写作 {%tr for 行 in 清单 %} … {%tr endfor %}", "Write fields as {{ name }}, rows as {%tr for 行 in 清单 %} … {%tr endfor %}"),
        ) from error  # fmt: skip
    _Judge(plain, rows).all(tree.body, inside=False)


def _near(source: str, line: int | None) -> str:
    lines = source.splitlines() or [""]
    found = WHICH.search(lines[min(max((line or 1) - 1, 0), len(lines) - 1)])
    return "…" if found is None else re.sub(r"<[^>]+>", "", found[0])[:60]


class _Judge:
    """Every node of a template, or it is refused: what is not known here is not taken."""

    def __init__(self, plain: Fields, rows: Fields) -> None:
        self._plain, self._rows = plain, rows

    def all(self, found: list[nodes.Node], *, inside: bool) -> None:
        """inside    a row of the list"""
        for node in found:
            self._one(node, inside=inside)

    def _one(self, node: nodes.Node, *, inside: bool) -> None:
        if isinstance(node, nodes.Output):
            for each in node.nodes:
                if not isinstance(each, nodes.TemplateData):
                    self._value(each, inside=inside)
        elif isinstance(node, nodes.If):
            self._test(node.test, inside=inside)
            self.all([*node.body, *node.elif_, *node.else_], inside=inside)
        elif isinstance(node, nodes.For):
            self._loop(node, inside=inside)
        else:
            raise _strange(type(node).__name__)

    def _loop(self, node: nodes.For, *, inside: bool) -> None:
        if not self._rows:
            raise UnfitTemplate(
                Text("这种文书没有重复的行", "this paper has no rows to repeat"),
                Text("请去掉 for 和 endfor", "Take out for and endfor"),
            )
        named = [each.name for each in (node.target, node.iter) if isinstance(each, nodes.Name)]
        if inside or named != [ROW, ROWS] or node.test or node.else_ or node.recursive:
            raise UnfitTemplate(
                Text("重复的行只能写作 for 行 in 清单，且不能嵌套", "rows are repeated by `for 行 in 清单` alone, and not within each other"),
                Text("请改为 {%tr for 行 in 清单 %} … {%tr endfor %}", "Write {%tr for 行 in 清单 %} … {%tr endfor %}"),
            )  # fmt: skip
        self.all(node.body, inside=True)

    def _test(self, node: nodes.Node, *, inside: bool) -> None:
        if isinstance(node, nodes.Not):
            self._test(node.node, inside=inside)
        elif isinstance(node, nodes.And | nodes.Or):
            self._test(node.left, inside=inside)
            self._test(node.right, inside=inside)
        else:
            self._value(node, inside=inside)

    def _value(self, node: nodes.Node, *, inside: bool) -> None:
        if isinstance(node, nodes.Name):
            if node.name not in self._plain:
                raise _unknown(node.name, self._plain)
        elif isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == ROW and inside:
            if node.attr not in self._rows:
                raise _unknown(f"{ROW}.{node.attr}", {f"{ROW}.{name}": "" for name in self._rows})
        else:
            raise _strange(type(node).__name__)


def _unknown(name: str, known: Fields) -> UnfitTemplate:
    near = get_close_matches(name, known, n=1, cutoff=NEAR)
    remedy = _AGAIN if not near else Text(f"是不是“{near[0]}”？", f"Did you mean {near[0]!r}?")
    return UnfitTemplate(Text(f"没有字段“{name[:60]}”", f"there is no field {name[:60]!r}"), remedy)


def _strange(what: str) -> UnfitTemplate:
    return UnfitTemplate(
        Text("只能用字段、if 和 for，不能计算、调用或取属性", f"fields, if and for alone are taken, and no {what}"),
        Text("字段请写作 {{ 字段名 }}", "Write fields as {{ name }}"),
    )
