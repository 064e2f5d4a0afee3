"""What a list of cases can be asked, wherever it is asked: as JSON, on a page, as a file."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field

from api.auth import TheRuntime
from api.reading import LONGEST_NAME
from api.requests import Instant, unreadable
from engine.case import CASE_NUMBER, FIVE_STATES, OTHER_END, instant_text
from engine.definition import Catalog
from engine.errors import Text, UnknownCase
from engine.store.marks import Besides, Report
from engine.store.worklists import SPAN, Filter
from workflows.reference import levels

FIRST_BOOK, LAST_BOOK = 2000, 2100  # years that a form's day can be of
EASTERNMOST = timedelta(hours=14)  # a clock on the wall is ahead of UTC by no more
Year = Annotated[
    int | None, Query(ge=FIRST_BOOK, le=LAST_BOOK, description="The newest book there is where it is left out")
]
MAY_LACK = ("department", "level", "category")
Names = list[Annotated[str, Field(max_length=LONGEST_NAME)]] | None
AsOf = Annotated[
    Instant | None,
    Query(
        description="As it was known at this instant: nothing recorded later, however early it was found. A page of a list "
        "of then has 100 cases at most"
    ),
]


def must_have_been(as_of: datetime | None, now: datetime, name: str = "as_of") -> None:
    """Raises InvalidInput for an instant that has not come yet: nobody knows what will be known then.

    name    of the parameter that it was given as
    """
    if as_of is not None and as_of > now:
        unreadable(
            Text(
                f"{name} 还没有到：现在是 {instant_text(now)}",
                f"{name} has not come yet: it is {instant_text(now)}",
            ),
            name,
            what=Text(f"还没有到：现在是 {instant_text(now)}", f"has not come yet: it is {instant_text(now)}"),
        )


def must_have_begun(book: int | None, now: datetime, name: str = "book") -> None:
    """Raises InvalidInput for a year that has begun nowhere yet."""
    if book is not None and book > (now + EASTERNMOST).year:
        unreadable(Text(f"{book} 年还没有到", f"the year {book} has not come yet"), name)


def not_yet_known(number: str, as_of: datetime) -> UnknownCase:
    asked = Text(f"查看 {number} 在 {instant_text(as_of)} 的情况", f"Read {number} as of {instant_text(as_of)}")
    return UnknownCase(
        asked=asked,
        obstacle=Text("当时还没有登记", "it had not been opened then"),
        remedy=Text("请改用更晚的时间，或去掉 as_of", "Ask for a later instant, or leave as_of out"),
    )


async def filter_of(  # async, so that it costs no thread; a list of one loop has no `workflow` to choose
    runtime: TheRuntime,
    state: Annotated[str | None, Query(description="The state in which they stand, by its name in their loop")] = None,
    counts_as: Annotated[str | None, Query(description="Which of the five states that one counts as")] = None,
    level: Annotated[str | None, Query(description="Their level, by its code")] = None,
    category: Annotated[str | None, Query(description="Their category, by its code, with its sub-categories")] = None,
    department: Annotated[str | None, Query(description="The department they are given to, by its code")] = None,
    assignee: Annotated[str | None, Query(description="Who holds them, by that person's key")] = None,
    overdue: Annotated[bool | None, Query(description="Whether their deadline has passed while they are open")] = None,
    due_before: Annotated[Instant | None, Query(description="Due earlier than this")] = None,
    opened_after: Annotated[
        Instant | None, Query(description="Opened later than this; `opened_from` takes the instant itself as well")
    ] = None,
    q: Annotated[
        str | None,
        Query(max_length=200, description="Words to be found in numbers, titles, places or what was written"),
    ] = None,
    open_: Annotated[bool | None, Query(alias="open", description="Whether it has not come to its end")] = None,
    without: Annotated[Names, Query(description="department, level or category: cases of which it is not said")] = None,
    opened_from: Annotated[Instant | None, Query(description="Opened then or later")] = None,
    opened_before: Annotated[Instant | None, Query(description="Opened earlier than this")] = None,
    closed_from: Annotated[Instant | None, Query(description="Closed then or later")] = None,
    closed_before: Annotated[Instant | None, Query(description="Closed earlier than this")] = None,
    action: Annotated[Names, Query(description="Steps: cases to which at least one of them was done")] = None,
    report: Annotated[Report | None, Query(description="What came of the period a case was opened for")] = None,
    cycle: Annotated[str | None, Query(description="Cases that were opened for periods of this cycle")] = None,
    period_from: Annotated[Instant | None, Query(description="Cases of periods that began then or later")] = None,
    period_before: Annotated[Instant | None, Query(description="Cases of periods that began earlier")] = None,
    book: Annotated[
        int | None,
        Query(
            ge=FIRST_BOOK,
            le=LAST_BOOK,
            description="The book of a year: what was found in it, and what came into it still open from the years before; "
            "of what was taken over from an older ledger, by the days that one claims",
        ),
    ] = None,
    carried_over: Annotated[
        bool | None, Query(description="With `book`: what came into it from a year before, or what did not")
    ] = None,
    categories: Annotated[Names, Query(description="One of these, with their sub-categories; - for not said")] = None,
    apart_from: Annotated[Names, Query(description="States in which they do not stand")] = None,
    action_from: Annotated[Instant | None, Query(description="The step of `action` was taken then or later")] = None,
    action_before: Annotated[Instant | None, Query(description="The step of `action` was taken earlier")] = None,
    without_action: Annotated[Names, Query(description="Steps: cases to which none of them was done")] = None,
    besides: Annotated[
        Besides | None,
        Query(description="What else came of the period a case was opened for: a zero report, a correction"),
    ] = None,
    opened_with: Annotated[
        Names,
        Query(
            description="What was answered when it was opened: `kind:plan`, or for a day `dated_on:2020-01-01..2020-03-31`; of "
            "several answers to the same question one is enough"
        ),
    ] = None,
    within: Annotated[str | None, Query(description="Cases that were opened in this campaign, `ZX-2026-0001`")] = None,
    claimed_on: Annotated[
        str | None,
        Query(
            description="`2020-03-02..2020-03-08`: what was taken over from an older ledger is there if that one says it was found "
            "on one of these days, and not by `opened_from` and `opened_before`, which all others go by"
        ),
    ] = None,
) -> Filter:
    """What a list shows. A misspelt word is refused: believed, it would show nothing, and nothing looks like good news."""
    catalog = runtime.engine.catalog
    loops = catalog.newest()
    states = sorted({s.name for loop in loops for s in loop.states})
    one_of("state", state, states)
    for name in apart_from or ():
        one_of("apart_from", name, states)
    one_of("counts_as", counts_as, FIVE_STATES)
    one_of("level", level, list(levels()))
    if q is not None and "\0" in q:
        unreadable(
            Text("q 含有空字符", "q holds a NUL character"), "q", what=Text("含有空字符", "holds a NUL character")
        )
    for name in without or ():
        one_of("without", name, MAY_LACK)
    must_have_begun(book, runtime.clock.now())
    if carried_over is not None and book is None:
        unreadable(
            Text("carried_over 须与 book 同用", "carried_over goes with book"), "carried_over",
            what=Text("须与年度台账一起查", "goes with the book of a year"),
        )  # fmt: skip
    steps = sorted({"open", *OTHER_END.values(), *(t for loop in catalog.every() for t in loop.triggers)})
    for named, names in (("action", action), ("without_action", without_action)):
        for name in names or ():
            one_of(named, name, steps)
    for name, said in (("action_from", action_from), ("action_before", action_before)):
        if said is not None and action is None:
            unreadable(
                Text(f"{name} 须与 action 同用", f"{name} goes with action"), name,
                what=Text("须与步骤一起查", "goes with a step"),
            )  # fmt: skip
    one_of("cycle", cycle, [rule.cycle.key for _, rule in catalog.cycles()])
    must_be_answers(opened_with, catalog)
    must_be_a_campaign(within, catalog)
    if claimed_on is not None and not (SPAN in claimed_on and _are_days(claimed_on.split(SPAN))):
        unreadable(
            Text("claimed_on 须写作 2020-01-01..2020-03-31", "claimed_on has to be 2020-01-01..2020-03-31"),
            "claimed_on",
            what=Text("须写作 2020-01-01..2020-03-31", "has to be 2020-01-01..2020-03-31"),
        )
    return Filter(
        state=state,
        counts_as=counts_as,
        level=level,
        category=category,
        department=department,
        assignee=assignee,
        overdue=overdue,
        due_before=due_before,
        opened_after=opened_after,
        q=q,
        open=open_,
        without=_plainly(without),
        opened_from=opened_from,
        opened_before=opened_before,
        closed_from=closed_from,
        closed_before=closed_before,
        action=_plainly(action),
        report=report,
        cycle=cycle,
        period_from=period_from,
        period_before=period_before,
        categories=_plainly(categories),
        apart_from=_plainly(apart_from),
        action_from=action_from,
        action_before=action_before,
        besides=besides,
        without_action=_plainly(without_action),
        book=book,
        carried_over=carried_over,
        opened_with=_plainly(opened_with),
        within=within,
        claimed_on=claimed_on,
    )


async def filter_of_all(
    runtime: TheRuntime,
    wanted: Annotated[Filter, Depends(filter_of)],
    workflow: Annotated[str | None, Query(description="Of this loop alone, by its key")] = None,
    without_workflow: Annotated[Names, Query(description="Loops that are left out")] = None,
) -> Filter:
    keys = [loop.key for loop in runtime.engine.catalog.newest()]
    one_of("workflow", workflow, keys)
    for name in without_workflow or ():
        one_of("without_workflow", name, keys)
    return replace(wanted, workflow=workflow, without_workflow=_plainly(without_workflow))


def must_be_a_campaign(said: str | None, catalog: Catalog) -> None:
    """Raises InvalidInput for what is no number of a case that others are opened in."""
    prefixes = {loop.prefix for loop in catalog.newest() if loop.holds}
    if said is not None and not (CASE_NUMBER.fullmatch(said) and said.partition("-")[0] in prefixes):
        shapes = "、".join(f"{prefix}-2026-0001" for prefix in sorted(prefixes))
        unreadable(
            Text(f"within 须为专项行动的编号，如 {shapes}", f"within has to be a campaign's number, as {shapes}"),
            "within",
            what=Text(f"须为专项行动的编号，如 {shapes}", f"has to be a campaign's number, as {shapes}"),
        )


def must_be_answers(said: Sequence[str] | None, catalog: Catalog) -> None:
    """Raises InvalidInput for what no form of opening asks, or could not be answered so."""
    if not said:
        return
    known = catalog.asked_at_opening
    for each in said:
        name, _, answer = each.partition(":")
        one_of("opened_with", name, sorted(known))
        words = known[name]
        if words is not None:
            one_of(f"opened_with {name}", answer, sorted(words))
        elif not _are_days(answer.split(SPAN)):
            unreadable(
                Text(
                    f"opened_with 的 {name} 须写作 {name}:2020-01-31 或 {name}:2020-01-01..2020-03-31",
                    f"{name} in opened_with has to be {name}:2020-01-31 or {name}:2020-01-01..2020-03-31",
                ),
                "opened_with",
                what=Text(
                    "须写作 2020-01-31 或 2020-01-01..2020-03-31", "has to be 2020-01-31 or 2020-01-01..2020-03-31"
                ),
            )


def _are_days(said: Sequence[str]) -> bool:
    try:
        days = [date.fromisoformat(day) for day in said if len(day) == len("2020-01-31")]
    except ValueError:
        return False
    return len(days) == len(said) <= 2 and days == sorted(days)


def _plainly(said: list[str] | None) -> tuple[str, ...] | None:
    return None if said is None else tuple(said)


def one_of(name: str, said: str | None, known: Sequence[str]) -> None:
    if said is not None and said not in known:
        what = Text(f"只能是 {'、'.join(known)} 之一", f"has to be one of {', '.join(known)}")
        unreadable(Text(f"{name} {what.zh}", f"{name} {what.en}"), name, what=what, among=known)
