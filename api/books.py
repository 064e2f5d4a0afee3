"""The book of a year 年度台账, box by box: nobody fills it in, it is the cases there are, as paper boxes would hold them.

By department, category and person; each number with the list that shows exactly those cases.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import BaseModel

from api.auth import Asker
from api.bootstrap import Runtime
from api.overview import NOT_SAID, unwitnessed
from api.reading import name_for
from api.trail import brought_up_to_date
from engine.errors import Text
from engine.store import books, people
from engine.store.books import Kept
from engine.store.worklists import visible
from workflows.reference import taxonomy

NOBODY = Text("未交办、未写明", "Nobody, or not said")


class BookCount(BaseModel):
    """`cases`: the query of the list that shows exactly these (`/api/v1/cases?…`); null where no list can."""

    count: int
    cases: str | None


class Box(BaseModel):
    """What belongs together. `key` is null where it is not said of these cases."""

    key: str | None
    title: str
    all: BookCount
    open: BookCount


class BookAnswer(BaseModel):
    """The book of a year. What is not witnessed was taken over from an older ledger, and is counted by itself.

    year          null where there is no book yet
    years         of which there is a book, the newest first
    open          to this day; without what is not witnessed
    found         in the year itself; `carried_over`: in a year before, and still open on its first of January
    """

    year: int | None
    years: list[int]
    all: BookCount
    found: BookCount
    carried_over: BookCount
    open: BookCount
    not_witnessed: BookCount
    departments: list[Box]
    categories: list[Box]
    persons: list[Box]


@dataclass(frozen=True)
class BookRead:
    """The answer; `unnumbered`: how many events are not in it yet."""

    answer: BookAnswer
    unnumbered: int


def book_of_year(runtime: Runtime, asker: Asker, year: int | None) -> BookRead:
    """What the asker may see of it."""
    here, locale = asker.actor.organisation, asker.locale
    unnumbered = brought_up_to_date(runtime, here)
    with runtime.database.read(here) as connection:
        years = list(books.years(connection, here))
        wanted = year if year is not None else (years[0] if years else None)
        book = books.book_of(connection, here, wanted)
        lines = [] if book is None else books.kept(connection, visible(asker.seen), book)
        departments = {each.code: each.name.in_(locale) for each in people.departments(connection, here)}
        keys = sorted({line.assignee for line in lines if line.assignee is not None})
        persons = {key: name_for(person, asker) for key, person in people.some(connection, here, keys).items()}
    categories = {code: each.title.in_(locale) for code, each in taxonomy().categories.items()}
    unseen = unwitnessed(runtime.engine.catalog)
    routine = runtime.engine.catalog.routine  # reports that come again and again have lists of their own
    telling = _Telling(wanted, [line for line in lines if line.workflow not in routine], unseen, routine)
    answer = BookAnswer(
        year=wanted,
        years=years,
        all=telling.counted(lambda _: True, {}),
        found=telling.counted(lambda line: not line.carried_over, {"carried_over": "false"}),
        carried_over=telling.counted(lambda line: line.carried_over, {"carried_over": "true"}),
        open=telling.counted(telling.is_open, {**telling.opened}),
        not_witnessed=telling.counted(lambda line: line.workflow in unseen, {"workflow": unseen[0]} if len(unseen) == 1 else None),
        departments=telling.boxes("department", lambda line: line.department, departments, NOT_SAID.in_(locale), lacking=True),
        categories=telling.boxes("category", lambda line: line.category.partition(".")[0] or None, categories, NOT_SAID.in_(locale), lacking=True),
        persons=telling.boxes("assignee", lambda line: line.assignee, persons, NOBODY.in_(locale), lacking=False),
    )  # fmt: skip
    return BookRead(answer, unnumbered)


class _Telling:
    """What an older ledger calls closed is not open, though it waits to be filed."""

    def __init__(self, year: int | None, lines: Sequence[Kept], unseen: Sequence[str], routine: Sequence[str]) -> None:
        self._year, self._lines, self._unseen, self._routine = year, lines, unseen, routine

    def is_open(self, line: Kept) -> bool:
        return not line.final and line.workflow not in self._unseen

    @property
    def opened(self) -> Mapping[str, str | Sequence[str]]:
        """What the list of these is asked for."""
        return {"open": "true", "without_workflow": (*self._routine, *self._unseen)}

    def counted(self, which: Callable[[Kept], bool], said: Mapping[str, str | Sequence[str]] | None) -> BookCount:
        """`said`: what the list is asked for besides; None where it cannot be."""
        count = sum(line.cases for line in self._lines if which(line))
        if said is None or self._year is None:
            return BookCount(count=count, cases=None)
        among = {} if "workflow" in said or not self._routine else {"without_workflow": self._routine}
        return BookCount(count=count, cases=urlencode({"book": self._year, **among, **said}, doseq=True))

    def boxes(
        self, name: str, key: Callable[[Kept], str | None], titles: Mapping[str, str], without: str, *, lacking: bool
    ) -> list[Box]:
        """The fullest first, what is not said last. `lacking`: whether a list can be asked for those of which it is not."""
        among = Counter({key(line): 0 for line in self._lines})
        for line in self._lines:
            among[key(line)] += line.cases
        found = []
        for code in sorted(among, key=lambda code: (code is None, -among[code], code or "")):
            said = {name: code} if code is not None else {"without": name} if lacking else None

            def its(line: Kept, code: str | None = code) -> bool:
                return key(line) == code

            def its_open(line: Kept, code: str | None = code) -> bool:
                return key(line) == code and self.is_open(line)

            still = None if said is None else {**said, **self.opened}
            title = without if code is None else titles.get(code, code)
            found.append(Box(key=code, title=title, all=self.counted(its, said), open=self.counted(its_open, still)))
        return found
