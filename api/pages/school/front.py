"""Running the school: what there is to look after, for whoever may; and the dead corners, each with where it is mended."""

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request, Response
from sqlalchemy import Connection

from api import checking, labels, paper_templates
from api.auth import Asker, SignedIn, TheRuntime
from api.pages.addresses import Pages
from api.pages.naming import NamesOf, day_in_words
from api.pages.rendering import CASES, SCHOOL, page
from api.pages.school.keeping import AUDITOR, holding
from api.pages.words import WORDS
from api.problems import not_for_you
from api.routes.check import OPEN_TO
from engine.errors import Text
from engine.handle import recompute_preview
from engine.proof import DAYS_AHEAD, Finding
from engine.store import calendars, cases
from notifications.deliveries import Stuck, stuck_ids
from workflows.roles import ADMINISTRATOR

router = Pages()

# deadlines that might move by a new calendar, up to half a millisecond each; a reminder looks at no more
LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One of the pages behind this one. `count`: what is amiss there; 0 for nothing."""

    address: str
    title: Text
    note: Text
    count: int = 0


def entries(asker: Asker) -> list[Entry]:
    """The pages this asker may open, in the order they are needed."""
    directs, reads = holding(asker, ADMINISTRATOR) is not None, holding(asker, ADMINISTRATOR, AUDITOR) is not None
    shown = [
        ("dead-corners", asker.seen.everything or directs), ("people", reads), ("departments", True), ("groups", True),
        ("labels", holding(asker, *labels.READERS) is not None), ("papers", holding(asker, *paper_templates.READERS) is not None), ("channels", reads), ("dead-letters", asker.seen.everything or directs), ("workflows", True), ("cycles", True), ("calendars", True),
    ]  # fmt: skip
    return [
        Entry(f"{SCHOOL}/{name}", WORDS[f"school_{key}"], WORDS[f"school_{key}_note"])
        for name, may in shown
        if may
        for key in [name.replace("-", "_")]
    ]


@router.get(SCHOOL)
def school(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    here = asker.actor.organisation
    with runtime.database.read(here) as connection:
        stuck = len(stuck_ids(connection, here, Stuck())) if _oversees(asker) else 0
        older = _under_an_older_calendar(connection, here) if _recomputes(asker) else 0
    moving = len(recompute_preview(runtime.engine, here, LOOKED_AT)) if older else 0
    return page(
        request, "school.html", asker=asker, active="more", entries=entries(asker), stuck=stuck,
        dead_letters_at=f"{SCHOOL}/dead-letters", moving=moving, more_may_move=older > LOOKED_AT,
        moves_at=f"{SCHOOL}/calendars#moves",
    )  # fmt: skip


def _recomputes(asker: Asker) -> bool:
    """Whether he works deadlines out again, and so is reminded of it."""
    return asker.account.session is not None and holding(asker, ADMINISTRATOR) is not None


def _under_an_older_calendar(connection: Connection, organisation: str) -> int:
    """How many deadlines a newer calendar might move, counted to one more than are looked at."""
    newest = calendars.newest(connection, organisation)
    if newest is None or newest.version == 1:
        return 0
    return len(cases.open_under_older_calendar(connection, organisation, newest.version, LOOKED_AT + 1))


def _oversees(asker: Asker) -> bool:
    return asker.seen.everything or holding(asker, ADMINISTRATOR) is not None


# --- dead corners ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Corner:
    """A dead corner, or a warning, with the pages where it is mended: (address, words)."""

    text: str
    remedy: str
    stuck: bool
    since: str
    until: str
    where: str
    fixes: list[tuple[str, Text]]


@router.get(f"{SCHOOL}/dead-corners")
def dead_corners(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    """The same question as `bihuan check` and `/api/v1/check`, for the same people."""
    if not _oversees(asker):
        raise not_for_you(OPEN_TO)
    organisation, now = asker.actor.organisation, runtime.clock.now()
    with runtime.database.read(organisation) as connection:
        found = checking.findings(connection, runtime.engine.catalog, organisation, now)
        names = NamesOf(connection, organisation, asker.locale)
    may = holding(asker, ADMINISTRATOR) is not None
    corners = [_corner(f, names, asker, may=may) for f in found]
    return page(
        request, "dead_corners.html", asker=asker, active="more", stuck=[c for c in corners if c.stuck], may=may,
        warnings=[c for c in corners if not c.stuck], days=DAYS_AHEAD, back=SCHOOL,
    )  # fmt: skip


def _corner(finding: Finding, names: NamesOf, asker: Asker, *, may: bool) -> Corner:
    departments = [names.department(code) for code in finding.departments]
    separator = "、" if asker.locale == "zh" else ", "
    return Corner(
        finding.text.in_(asker.locale), finding.remedy.in_(asker.locale), finding.stuck, day_in_words(finding.since, asker.locale),
        day_in_words(finding.until, asker.locale), separator.join(departments), fixes_of(finding) if may else [],
    )  # fmt: skip


def fixes_of(finding: Finding) -> list[tuple[str, Text]]:
    """Where an administrator mends it, the likeliest first."""
    about = finding.key.partition("|")[2] or finding.key.partition(":")[2]
    people = f"{SCHOOL}/people"
    if finding.code == "impasse":
        first = [(f"{people}?{urlencode({'department': d})}", WORDS["fix_people_of"]) for d in finding.departments[:1]]
        return [*first, (people, WORDS["fix_people"]), (f"{SCHOOL}/groups", WORDS["fix_groups"])]
    if finding.code == "stuck_case":
        return [(f"{CASES}/{about}", WORDS["open_case"]), (people, WORDS["fix_people"])]
    if finding.code in ("group_too_small", "group_without_chair"):
        return [(f"{SCHOOL}/groups/{about}", WORDS["fix_group"])]
    if finding.code.startswith("department_without_"):
        return [(f"{people}?{urlencode({'department': about})}", WORDS["fix_people_of"])]
    if finding.code in ("dormant_grant", "grant_nowhere", "grant_of_nothing", "person_unreached"):
        key = about if finding.code == "person_unreached" else _key_in(about, finding.code)
        return [(f"{people}/{key}", WORDS["fix_person"])]
    if finding.code in ("no_calendar", "calendar_ends"):
        return [(f"{SCHOOL}/calendars", WORDS["fix_calendar"])]
    if finding.code == "no_departments":
        return [(f"{SCHOOL}/departments", WORDS["fix_departments"])]
    if finding.code.startswith("channel_"):
        return [(f"{SCHOOL}/channels/{about}", WORDS["fix_channel"])]
    return [(people, WORDS["fix_people"])]


def _key_in(about: str, code: str) -> str:
    """Whose grant it is: his key may have dashes in it, roles and departments have none."""
    return about.rsplit("-", 1 if code == "grant_of_nothing" else 2)[0]
