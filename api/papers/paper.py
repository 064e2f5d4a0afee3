"""What stands on a paper, before anybody knows whether it becomes Word, Excel or a page: plain values, and nothing looked up."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

DRAFT = "草稿"

_NO_NAME = re.compile(r"\W+")  # what no field of a template can be called


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of what stands under a heading. `query`: of the list that shows exactly what this number counts."""

    text: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands under a heading of a form.

    heading    as `forms.yaml` spells it
    parts      the text once more, piece by piece, where a page leads from its numbers to lists
    pictures   hashes of files, in the order they were sent
    required   the paper may not be issued while this is empty
    by_hand    no record of ours says it: it stays empty, to be written on the paper
    """

    heading: str
    text: str = ""
    pictures: tuple[str, ...] = ()
    required: bool = False
    by_hand: bool = False
    parts: tuple[Part, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.text.strip() and not self.pictures


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper of one case.

    number     the document's own, shown at its upper right; "" for one that has none
    case       the number of the case it tells of, and `sequence` the last of its events that it tells
    cells      in the order of the form
    layout     headings by rows: one of a row stands alone, two stand beside each other
    made_at    the school's wall clock when it was written
    """

    code: str
    title: str
    school: str
    number: str
    case: str
    sequence: int
    cells: tuple[Cell, ...]
    layout: tuple[tuple[str, ...], ...]
    made_at: str

    @property
    def missing(self) -> tuple[str, ...]:
        """The headings that keep it from being issued."""
        return tuple(cell.heading for cell in self.cells if cell.required and cell.empty)

    @property
    def told_from(self) -> str:
        return f"依据记录 {self.case} 第 1–{self.sequence} 号生成，打印时间 {self.made_at}"

    @property
    def draft(self) -> str:
        """What a paper says of itself that may not be issued; "" of one that may."""
        return f"{DRAFT} · 尚缺：{'、'.join(map(short, self.missing))}，不作为正式文书" if self.missing else ""

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        by_heading = {cell.heading: cell for cell in self.cells}
        for headings in self.layout:
            yield tuple(by_heading[heading] for heading in headings)

    def pictures(self) -> list[str]:
        """Every picture it shows, each once."""
        return list(dict.fromkeys(sha for cell in self.cells for sha in cell.pictures))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A paper over many cases: a heading above some columns, and a row for each case.

    groups     (heading, its columns); one without a heading is ("", its columns)
    about      which cases these are, in words
    """

    code: str
    title: str
    school: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[str, ...], ...]
    about: str
    made_at: str

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for _, columns in self.groups for column in columns)


def short(heading: str) -> str:
    """A heading without what it explains in brackets: `等级（一般/重大）` is called 等级."""
    return heading.partition("（")[0]


def field_of(heading: str) -> str:
    """What a template calls it: `应到/实到` is `应到_实到`."""
    return _NO_NAME.sub("_", short(heading)).strip("_")


#: fields that every paper has beside those of its form
COMMON: Mapping[str, str] = {
    "单位": "学校名称", "标题": "文书名称", "文书编号": "文号；没有的为空", "事项编号": "事项的编号，如 YH-2020-0001",
    "打印时间": "生成文书的时间", "依据": "由哪些记录生成", "草稿": "尚缺必填项时的提示，否则为空",
}  # fmt: skip
#: those that every sheet has, and what its rows are called
COMMON_OF_SHEETS: Mapping[str, str] = {
    "单位": "学校名称", "标题": "文书名称", "范围": "哪些事项", "打印时间": "生成文书的时间", "共": "多少项",
}  # fmt: skip
ROWS, ROW = "清单", "行"


@dataclass(frozen=True, slots=True)
class Fields:
    """What a template may name.

    plain    field → what it is
    rows     field of one row → what it is; nothing where there are no rows
    """

    plain: Mapping[str, str]
    rows: Mapping[str, str] = field(default_factory=dict)


def fields_of_paper(headings: Sequence[str]) -> Fields:
    return Fields({**COMMON, **{field_of(heading): heading for heading in headings}})


def fields_of_sheet(columns: Sequence[str]) -> Fields:
    return Fields(COMMON_OF_SHEETS, {field_of(column): column for column in columns})


def values_of_paper(paper: Paper) -> dict[str, str]:
    """Field → its text; pictures are not in it."""
    return {
        "单位": paper.school, "标题": paper.title, "文书编号": paper.number, "事项编号": paper.case,
        "打印时间": paper.made_at, "依据": paper.told_from, "草稿": paper.draft,
        **{field_of(cell.heading): cell.text for cell in paper.cells},
    }  # fmt: skip


def values_of_sheet(sheet: Sheet) -> dict[str, str]:
    return {
        "单位": sheet.school, "标题": sheet.title, "范围": sheet.about, "打印时间": sheet.made_at,
        "共": str(len(sheet.rows)),
    }  # fmt: skip


def rows_of_sheet(sheet: Sheet) -> list[dict[str, str]]:
    names = [field_of(column) for column in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in sheet.rows]
