"""The overview as a page: the figures of `api.overview`, drawn; every number and every bar leads to the cases it stands for."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request, Response
from markupsafe import Markup
from pydantic import BeforeValidator

from api.auth import SignedIn, TheRuntime
from api.overview import (
    EARLIEST,
    MOST_MONTHS,
    USUAL_MONTHS,
    Asked,
    Figure,
    Line,
    MonthLine,
    Overview,
    overview_of,
    query_of,
)
from api.pages.addresses import Pages
from api.pages.drawing import PATTERNS, Part, Series, bar, line_sample, lines, sample
from api.pages.lists import DrawnAgain
from api.pages.rendering import CASES, OVERVIEW, page
from api.pages.words import WORDS
from api.requests import DayOrInstant, known_parameters
from api.routes.filtering import one_of
from api.trail import saying_what_is_missing
from engine.errors import Locale

router = Pages(prefix=OVERVIEW, route_class=DrawnAgain)

MONTHS = (3, 6, 12, MOST_MONTHS)
IN_ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _nothing(value: object) -> object:
    """A form sends what was left empty as an empty text."""
    return None if value == "" else value


Chosen = Annotated[str, Query(max_length=64)]


@router.get("", dependencies=[Depends(known_parameters)])
def overview_page(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    as_of: Annotated[DayOrInstant | None, BeforeValidator(_nothing), Query()] = None,
    months: Annotated[int, Query(ge=1, le=MOST_MONTHS)] = USUAL_MONTHS,
    workflow: Chosen = "",
    organisation: Chosen = "",
) -> Response:
    loops = runtime.engine.catalog.newest()
    one_of("workflow", workflow or None, [loop.key for loop in loops])
    asked = Asked(as_of, months, workflow or None, organisation or None)
    found = overview_of(runtime, asker, asked)
    words = _Words(found, asked, asker.locale)
    return page(
        request, "overview.html", headers=saying_what_is_missing(found.unnumbered), asker=asker, active="overview",
        found=found.answer, asked=asked, choice=found.choice, unnumbered=found.unnumbered, months=sorted({*MONTHS, months}),
        loops=[(loop.key, loop.title.in_(asker.locale)) for loop in loops], words=words, patterns=PATTERNS,
        sample=sample, line_sample=line_sample, day=as_of.isoformat()[:10] if as_of else "",
        first_day=f"{EARLIEST}-01-01", today=runtime.clock.now().astimezone(found.zone).date(),
    )  # fmt: skip


class _Words:
    """Figures as the page shows them, in the reader's language."""

    def __init__(self, found: Overview, asked: Asked, locale: Locale) -> None:
        self._found, self._asked, self._locale = found, asked, locale

    def said(self, name: str, *values: object) -> str:
        return WORDS[name].in_(self._locale).format(*values)

    def cases(self, figure: Figure) -> str:
        """Where its cases are listed; nowhere for a figure that has none, or that is all there is to see."""
        return f"{CASES}?{figure.cases}" if figure.cases is not None and figure.count else ""

    def organisation(self, key: str) -> str:
        """The overview of one of several organisations."""
        asked = self._asked
        said: dict[str, str | datetime] = {"organisation": key, "months": str(asked.months)}
        if asked.workflow is not None:
            said["workflow"] = asked.workflow
        if asked.as_of is not None:
            said["as_of"] = asked.as_of if isinstance(asked.as_of, datetime) else asked.as_of.isoformat()
        return f"{OVERVIEW}?{query_of(said)}"

    @property
    def when(self) -> str:
        """What the figures are of, in a sentence."""
        at, zone = self._found.answer.as_of, self._found.zone
        if not self._found.then:
            return self.said("overview_now", in_words(at, zone, self._locale))
        if isinstance(self._asked.as_of, datetime):
            return self.said("overview_then", in_words(at, zone, self._locale))
        day = day_in_words(at.astimezone(zone), self._locale)
        return self.said("overview_then", self.said("overview_end_of", day))

    def month(self, month: str) -> str:
        year, _, number = month.partition("-")
        if self._locale == "zh":
            return f"{year}年{int(number)}月"
        return f"{IN_ENGLISH[int(number) - 1]} {year}"

    def none_open(self, lines: Sequence[Line]) -> str:
        """Whose numbers are in the table alone."""
        names = [line.title for line in lines if not line.open.count]
        return self.said("overview_none_open", ("、" if self._locale == "zh" else ", ").join(names)) if names else ""

    def share(self, share: float | None) -> str:
        return self.said("overview_no_rate") if share is None else f"{100 * share:.1f}%"

    # --- drawn ---

    def bar(self, line: Line | MonthLine, among: Sequence[Line | MonthLine]) -> Markup:
        title = line.title if isinstance(line, Line) else self.month(line.month)
        told = self.said("overview_bar_told", title, line.open.count, line.overdue.count)
        parts = [Part("late", line.overdue.count), Part("open", line.open.count - line.overdue.count)]
        return bar(parts, max(other.open.count for other in among), told)

    def lines(self) -> Markup:
        months = self._found.answer.months
        series = [
            Series("opened", self.said("overview_opened"), [month.opened.count for month in months]),
            Series("closed", self.said("overview_closed"), [month.closed.count for month in months]),
        ]
        told = "; ".join(
            self.said("overview_lines_told", self.month(month.month), month.opened.count, month.closed.count)
            for month in months
        )
        return lines(series, [self._short(month.month) for month in months], self.said("overview_lines"), told)

    def _short(self, month: str) -> str:
        number = int(month.partition("-")[2])
        return f"{number}月" if self._locale == "zh" else IN_ENGLISH[number - 1]


def in_words(at: datetime, zone: ZoneInfo, locale: Locale) -> str:
    """An instant as readers of the language write it, by the wall clock."""
    local = at.astimezone(zone)
    return f"{day_in_words(local, locale)}{' ' if locale == 'zh' else ', '}{local:%H:%M}"


def day_in_words(day: date, locale: Locale) -> str:
    if locale == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {IN_ENGLISH[day.month - 1]} {day.year}"
