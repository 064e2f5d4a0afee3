"""What the words of a ledger mean: days in every spelling, states, levels, departments, several hazards in one cell.

Pure, and modest: what is not understood is told, and never guessed in silence.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from engine.directory import Department
from workflows.imported import Doubt
from workflows.reference import taxonomy

OLDEST = date(2000, 1, 1)  # that a form takes
SERIALS = range(25_569, 73_051)  # days as spreadsheets number them: 1970 to 2099
SERIALS_BEGIN = date(1899, 12, 30)
CENTURY = 2000  # of a year written with two digits
LONGEST_NUMBERED = 99

_BLANK = re.compile(r"\s+")
_WEEKDAY = re.compile(r"[(（]?(?:星期|周|礼拜)[一二三四五六日天][)）]?")
_CLOCK = re.compile(r"[ T](?:[01]?\d|2[0-3])[:：时][0-5]?\d?(?:[:：分][0-5]?\d)?秒?$|(?:上午|下午|晚上|早上)$")
_WHOLE = re.compile(r"(\d{4})[-./年](\d{1,2})[-./月](\d{1,2})[日号]?")
_SHORT = re.compile(r"(\d{2})[-./年](\d{1,2})[-./月](\d{1,2})[日号]?")
_TIGHT = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
_NO_YEAR = re.compile(r"(\d{1,2})[-./月](\d{1,2})[日号]?")
_BETWEEN = re.compile(r"至|到|~|～|—+|－|、|，|,|及|和|\s+-\s+|(?<=[日号\d])-(?=\d{1,2}[./月])")
_YEAR = re.compile(r"(?<!\d)(20\d{2})(?!\d)")


def bare(text: str) -> str:
    """The same for words that differ in blanks or width only."""
    return _BLANK.sub("", unicodedata.normalize("NFKC", text))


# --- days ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """A day as far as it was understood, and what is to be doubted of it."""

    day: date | None = None
    doubts: tuple[Doubt, ...] = ()


def day_of(value: object, year: int | None = None) -> Read:
    """The day a cell speaks of.

    value    as the workbook has it
    year     the year that stands above the list, for days without one
    """
    if isinstance(value, datetime):
        return _sound(value.date())
    if isinstance(value, date):
        return _sound(value)
    if isinstance(value, bool) or value is None:
        return Read()
    if isinstance(value, float) and not value.is_integer() and value < SERIALS.start:
        # 11.1 is the first or the tenth: of 11.10 the spreadsheet has forgotten the zero
        forgot = f"{value!r}".partition(".")[2] in {"1", "2", "3"}
        return Read(doubts=("date_unread",)) if forgot else _of_text(f"{value!r}", year)
    if isinstance(value, int | float) and int(value) in SERIALS:
        return Read(SERIALS_BEGIN + timedelta(days=int(value)), ("date_serial",))
    return _of_text(str(int(value)) if isinstance(value, int | float) else str(value), year)


def _of_text(text: str, year: int | None) -> Read:
    said = unicodedata.normalize("NFKC", text).strip()
    said = _CLOCK.sub("", _WEEKDAY.sub("", said).strip()).strip().rstrip("。.")
    if not said:
        return Read()
    one = _one(_BLANK.sub("", said), year)
    if one.day is not None:
        return one
    several = [part for part in _BETWEEN.split(said) if part.strip()]
    if len(several) > 1:
        first = _one(_BLANK.sub("", several[0]), year)
        rest = [_one(_BLANK.sub("", part), year or (first.day.year if first.day else None)) for part in several[1:]]
        days = [read.day for read in rest if read.day is not None]
        # a second day may lack its month as well (11月3-5日): that it is a day is enough
        if first.day is not None and len(days) + sum(
            bool(re.fullmatch(r"\s*\d{1,2}[日号]?\s*", p)) for p in several[1:]
        ) == len(rest):
            return Read(min([first.day, *days]), (*first.doubts, "date_several"))
    return Read(doubts=("date_unread",))


def _one(said: str, year: int | None) -> Read:
    if found := _WHOLE.fullmatch(said) or _TIGHT.fullmatch(said):
        return _made(int(found[1]), int(found[2]), int(found[3]))
    if found := _SHORT.fullmatch(said):
        return _made(CENTURY + int(found[1]), int(found[2]), int(found[3]), "date_year")
    if (found := _NO_YEAR.fullmatch(said)) and year is not None:
        return _made(year, int(found[1]), int(found[2]), "date_year")
    return Read(doubts=("date_unread",))


def _made(year: int, month: int, day: int, *doubts: Doubt) -> Read:
    try:
        return _sound(date(year, month, day), *doubts)
    except ValueError:
        return Read(doubts=("date_unread",))


def _sound(day: date, *doubts: Doubt) -> Read:
    return Read(day, doubts) if day >= OLDEST else Read(doubts=("date_unread",))


def year_in(text: str) -> int | None:
    """The one year a title names."""
    found = {int(year) for year in _YEAR.findall(unicodedata.normalize("NFKC", text))}
    return found.pop() if len(found) == 1 else None


# --- states and levels ---------------------------------------------------------------------------------------------------

State = Literal["closed", "open"]

#: words that by themselves say that it is done, in whatever column
_CLOSED = frozenset(
    {
        "已整改", "已完成", "整改完成", "完成", "已销号", "销号", "已闭环", "闭环", "已解决", "解决", "已处理", "处理完毕", "已修复", "已落实",
        "整改完毕", "完毕", "已整改完毕", "已整改完成", "已整改到位", "整改到位", "已到位", "已验收", "验收合格", "合格", "复查合格", "已消除",
        "已治理", "是", "已改", "√", "✓", "✔", "☑", "v", "y", "yes", "ok", "done", "closed", "100%", "1", "已完结", "完结", "办结", "已办结",
        "当场整改", "现场整改", "立行立改", "已当场整改", "已现场整改", "同意销号", "补录归档", "原表称已整改",
    }
)  # fmt: skip
_OPEN = frozenset(
    {
        "未整改", "未完成", "整改中", "正在整改", "进行中", "未销号", "待整改", "限期整改", "暂缓", "否", "×", "✗", "✘", "x", "n", "no", "open",
        "0%", "0", "部分完成", "部分整改", "未落实", "待验收", "待复查", "待销号", "未解决", "未处理", "未改", "处理中", "办理中", "推进中",
        "整改中（延期）", "延期", "已上报", "暂缓整改", "逾期未改", "限期内未改", "不合格", "复查不合格", "不合格，退回整改", "未闭环", "待处理", "已交办",
        "长期整改", "计划整改", "待定",
    }
)  # fmt: skip
_NOT_YET = re.compile(r"未|没有|尚|待|正在|计划|拟|部分|中$|进行|暂|不合格|延期|无法")
_DONE = re.compile(
    r"(?:已经?|均已|全部|现已)[^未没待，。；]{0,12}(?:整改|完成|更换|换|维修|修复|修好|清理|清除|拆除|加装|安装|到位|处理|解决|落实|消除|补齐|关闭|上锁|疏通|张贴|培训|归位|移走|加固|补)"
    r"|(?:整改|处理|维修|更换|清理|修复)(?:完毕|完成|到位|好)"
)


def state_of(text: str) -> State | None:
    """What a cell of states says; None where it is not understood."""
    said = bare(text).casefold().strip("。.！!，,；;")
    if said in _CLOSED:
        return "closed"
    if said in {bare(word).casefold() for word in _OPEN}:
        return "open"
    percent = re.fullmatch(r"(\d{1,3})%", said)
    if percent is not None:
        return "closed" if int(percent[1]) == 100 else "open"
    inner = re.fullmatch(r"([^（(]+)[（(].*[）)]", said)  # 已整改（2019.11.3）
    return state_of(inner[1]) if inner is not None and inner[1] != said else None


def state_in(text: str) -> State | None:
    """What can be gathered from a sentence about the fixing; a word of doubt anywhere in it means that it is not done."""
    said = bare(text)
    if (known := state_of(text)) is not None:
        return known
    if _NOT_YET.search(said):
        return "open"
    return "closed" if _DONE.search(said) else None


def level_of(text: str) -> Literal["general", "major"] | None:
    said = re.sub(r"(?:安全)?(?:事故)?隐患|级别?|等级|类", "", bare(text))
    if said in {"重大", "major", "重大事故"}:
        return "major"
    return "general" if said in {"一般", "general", "一般事故"} else None


# --- departments and categories ------------------------------------------------------------------------------------------

_TAIL = re.compile(r"[(（【\[].*$")
_KIND = re.compile(r"(?:办公室|中心|公司|处|科|部|办|室|系|组|队)$")


@dataclass(frozen=True, slots=True)
class Known:
    """A department as it was known: by a name of its own, or only by one like it."""

    code: str
    alike: bool = False


class Departments:
    """The departments of a school by whatever they are called."""

    def __init__(self, departments: Sequence[Department]) -> None:
        self._by_name: dict[str, str] = {}
        self._names: list[tuple[str, str]] = []
        for each in departments:
            for name in (each.code, each.name.zh, each.name.en, _TAIL.sub("", each.name.zh)):
                self._by_name.setdefault(bare(name).casefold(), each.code)
            self._names.append((bare(each.name.zh), each.code))

    def known(self, text: str) -> Known | None:
        said = bare(text).casefold()
        if said in self._by_name:
            return Known(self._by_name[said])
        stem = _KIND.sub("", _TAIL.sub("", bare(text)))
        if len(stem) < 2:
            return None
        found = {code for name, code in self._names if stem in name}
        return Known(found.pop(), alike=True) if len(found) == 1 else None


def category_of(text: str) -> str | None:
    """A category by its code or its name."""
    return _categories().get(_plain_category(text))


def _plain_category(text: str) -> str:
    return re.sub(r"(?:安全)?(?:隐患|类)*$", "", bare(text).casefold()) or bare(text).casefold()


def _categories() -> dict[str, str]:
    if not _KNOWN:
        for code, category in (*taxonomy().categories.items(), *taxonomy().subcategories.items()):
            for name in (code, category.title.zh, category.title.en):
                _KNOWN.setdefault(_plain_category(name), code)
    return _KNOWN


_KNOWN: dict[str, str] = {}


# --- several hazards in one cell -----------------------------------------------------------------------------------------

#: how the parts of a list are marked, each list by one of these: a number that belongs to a word before it marks none
_MARKS = (
    *(re.compile(rf"(?<![0-9A-Za-z.(（\-—－/#])(\d{{1,2}})\s*{mark}(?!\d)") for mark in ("、", "[.．]", "[)）]")),
    re.compile(r"[(（](\d{1,2})[)）]"),
    re.compile(r"([①②③④⑤⑥⑦⑧⑨⑩])"),
    re.compile(r"(?<![一二三四五六七八九十])([一二三四五六七八九十])、"),
)
_CIRCLED, _CHINESE = "①②③④⑤⑥⑦⑧⑨⑩", "一二三四五六七八九十"
_TRIM = "；;。，,、 \n\t"
_GOES_ON = ("，", ",", "、", "（", "(", "和", "及", "与", "：", ":")
SHORTEST = 3  # characters that can be a hazard by themselves


def several(text: str) -> list[str]:
    """The hazards that one cell describes; the whole where it is one."""
    for marks in _MARKS:
        if len(parts := _numbered(text, marks)) > 1:
            return parts
    lines = [line.strip(_TRIM) for line in text.split("\n") if line.strip(_TRIM)]
    if len(lines) > 1 and all(len(line) >= SHORTEST for line in lines) and not _is_wrapped(text):
        return lines
    parts = [part.strip(_TRIM) for part in re.split(r"[；;]", text.replace("\n", "")) if part.strip(_TRIM)]
    if len(parts) > 1 and all(len(part) >= SHORTEST for part in parts):
        return parts
    return [text]


def _is_wrapped(text: str) -> bool:
    """Whether its line breaks only keep a sentence inside its column."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return any(line.endswith(_GOES_ON) for line in lines[:-1])


def _numbered(text: str, marks: re.Pattern[str]) -> list[str]:
    """What stands behind 1, 2, 3 …, if they are numbered so from the first on; what stands before the first belongs to each."""
    found: list[re.Match[str]] = []
    for match in marks.finditer(text):
        if _number(match) == len(found) + 1:
            found.append(match)
    if len(found) < 2 or len(found) > LONGEST_NUMBERED:
        return []
    ends = [match.start() for match in found[1:]] + [len(text)]
    before = text[: found[0].start()].strip(_TRIM).rstrip("：:")
    parts = [text[match.end() : end].strip(_TRIM).replace("\n", " ") for match, end in zip(found, ends, strict=True)]
    if not all(parts):
        return []
    return [f"{before}：{part}" if before else part for part in parts]


def _number(match: re.Match[str]) -> int:
    said = next(group for group in match.groups() if group is not None)
    for row in (_CIRCLED, _CHINESE):
        if said in row:
            return row.index(said) + 1
    return int(said)


def shared_out(text: str, among: int) -> list[str]:
    """What is said of each of several hazards, where it is numbered as they are; the whole for each otherwise."""
    for marks in _MARKS:
        if len(parts := _numbered(text, marks)) == among:
            return parts
    return [text] * among


def joined(parts: Iterable[str]) -> str:
    return "\n".join(dict.fromkeys(part for part in parts if part))
