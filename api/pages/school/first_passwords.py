"""First passwords, a paper at a time: by department or for the whole school, each drawn, printed and let in as one, or not at all.

A paper is whole before any password on it lets anybody in, and goes with the answer, once. Whoever never got it draws the same
people's again, and is told that what was drawn before opens nothing any more.
"""

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query, Request, Response

from api.accounts import HANDING_OUT, hand_out, handed_out_meanwhile
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Sent, TheSent
from api.bootstrap import Runtime
from api.directory import beyond_the_delegation
from api.evidence.names import as_attachment
from api.pages.addresses import Pages
from api.pages.naming import NamesOf
from api.pages.rendering import HEADERS, local, page
from api.pages.school.keeping import keeper
from api.pages.school.people import FIRST_PASSWORDS, PEOPLE
from api.pages.words import WORDS
from api.papers.listing import MEDIA_TYPES
from api.papers.people_sheets import write_first_passwords
from api.passwords import drawn
from api.places import Places
from api.routes.directory import editor_of
from engine.errors import FieldFault, InvalidInput, Refusal, Text
from engine.store import accounts, people
from engine.store.accounts import Unopened

router = Pages()

#: on one paper: a slow machine of one core hashes so many in some fifteen seconds, and what stands before it waits for sixty
MOST_ON_A_PAPER = 300
EVERYBODY, NOWHERE = "*", "-"  # what a form calls the whole school, and who belongs to no department

_AT_WORK = Places(1)
_ANOTHER = Text("另一张密码表正在生成", "another paper is being made")
_OLD_ONES = Text("请先确认：旧表作废", "say first that the earlier paper is void")


@dataclass(frozen=True, slots=True)
class Part:
    """Who stands on one paper: those of a department from one key to another, `count` of them.

    again    "yes" for who has a first password, "" for who has none
    seen     the fingerprint of how they stood when the page was shown: one paper is made of it, however often it is pressed
    """

    department: str
    first: str
    last: str
    count: int
    again: str
    seen: str


@dataclass(frozen=True, slots=True)
class Lot:
    """A department, or the whole school.

    fresh, given    how many have no password, and how many have one that was drawn and never changed
    since           when the last of these was drawn, as the school's clock says it
    """

    title: str
    fresh: int
    given: int
    since: str
    parts: Sequence[Part]
    again: Sequence[Part]


@router.get(FIRST_PASSWORDS)
def first_passwords(
    request: Request, runtime: TheRuntime, asker: SignedIn, done: Annotated[str, Query(max_length=30)] = ""
) -> Response:
    return _page(request, runtime, keeper(asker, HANDING_OUT), imported=done == "imported")


@router.post(FIRST_PASSWORDS)
def draw(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    """The paper; nothing on it lets anybody in before it is whole."""
    asker = keeper(asker, HANDING_OUT)
    try:
        if sent.one("again") and sent.one("void") != "yes":
            raise _not_said()
        with _AT_WORK.one(HANDING_OUT, _ANOTHER):
            return _drawn(runtime, asker, sent)
    except Refusal as refusal:
        return _page(request, runtime, asker, refusal)


def _drawn(runtime: Runtime, asker: Asker, sent: Sent) -> Response:
    here = asker.actor.organisation
    editor = replace(editor_of(runtime, asker, confirmed=False), check=None)  # by a password nobody comes or goes
    wanted = _wanted(sent, _may_be_given(runtime, asker)[0])
    with runtime.database.read(here) as connection:
        names, zone = NamesOf(connection, here, "zh"), people.time_zone(connection, here)
    slips = sorted(
        ((each, drawn()) for each in wanted), key=lambda slip: (names.department(slip[0].department), slip[0].name)
    )
    whose = sent.one("department")
    called = (
        WORDS["everybody"].zh
        if whose == EVERYBODY
        else names.department(wanted[0].department) or WORDS["no_department"].zh
    )
    book = io.BytesIO()
    write_first_passwords(
        book,
        [(each.name, names.department(each.department), each.staff_number or "", each.person, said) for each, said in slips],
        f"{called}，{len(slips)} 人，{local(editor.at, zone)} 生成。同一人有几张时，以最晚的一张为准，其余作废。",
    )  # fmt: skip
    hand_out(editor, runtime.hashing, slips)
    name = f"{WORDS['first_passwords_name'].zh} {called}"
    headers = {**HEADERS, "Content-Disposition": as_attachment(name, ".xlsx", "first-passwords")}
    return Response(book.getvalue(), media_type=MEDIA_TYPES["xlsx"], headers=headers)


def _wanted(sent: Sent, found: Iterable[Unopened]) -> list[Unopened]:
    """Whom the form means, as the page showed them. Raises NotPossibleNow where they are not the same any more."""
    department = sent.one("department")
    wanted = [
        each
        for each in found
        if department in (EVERYBODY, each.department or NOWHERE)
        and sent.one("first") <= each.person <= sent.one("last")
        and (each.kept is not None) == bool(sent.one("again"))
    ]
    if not 1 <= len(wanted) <= MOST_ON_A_PAPER or _fingerprint(wanted) != sent.one("seen"):
        raise handed_out_meanwhile()
    return wanted


def _fingerprint(found: Iterable[Unopened]) -> str:
    """Whoever stands here again with another password is told from before, whatever the clocks of several machines say."""
    return hashlib.sha256(repr([(each.person, each.kept) for each in found]).encode()).hexdigest()


def _not_said() -> InvalidInput:
    return InvalidInput(
        asked=HANDING_OUT, obstacle=_OLD_ONES, fields=(FieldFault("void", _OLD_ONES),),
        remedy=Text("没有改动任何密码。勾选后再生成", "No password was changed. Tick it and draw them again"),
    )  # fmt: skip


# --- shown ---------------------------------------------------------------------------------------------------------------


def _may_be_given(runtime: Runtime, asker: Asker) -> tuple[list[Unopened], int]:
    """Whom this asker may hand one out to, and how many more only an administrator himself may."""
    here = asker.actor.organisation
    with runtime.database.read(here) as connection:
        found = accounts.unopened(connection, here)
        beyond = beyond_the_delegation(connection, editor_of(runtime, asker, confirmed=False))
        mine = [each for each in found if beyond(each.person) is None]
    return mine, len(found) - len(mine)


def lots(
    found: Sequence[Unopened], called: Callable[[str], str], zone: ZoneInfo, most: int = MOST_ON_A_PAPER
) -> list[Lot]:
    """The whole school first, where it is more than one department; then each.

    found     by key
    called    what a department's code is called, EVERYBODY's and NOWHERE's too
    """
    by_department: dict[str, list[Unopened]] = defaultdict(list)
    for each in found:
        by_department[each.department or NOWHERE].append(each)
    ordered = sorted(by_department, key=lambda code: (code == NOWHERE, called(code)))
    all_of_them = [(EVERYBODY, found)] if len(ordered) > 1 else []
    return [
        _lot(code, called(code), them, zone, most)
        for code, them in (*all_of_them, *((c, by_department[c]) for c in ordered))
    ]


def _lot(code: str, title: str, found: Sequence[Unopened], zone: ZoneInfo, most: int) -> Lot:
    fresh, given = [each for each in found if each.kept is None], [each for each in found if each.kept is not None]
    since = local(max(each.drawn_at for each in given if each.drawn_at is not None), zone) if given else ""
    return Lot(title, len(fresh), len(given), since, _parts(code, fresh, "", most), _parts(code, given, "yes", most))


def _parts(code: str, found: Sequence[Unopened], again: str, most: int) -> list[Part]:
    cut = [found[at : at + most] for at in range(0, len(found), most)]
    return [Part(code, them[0].person, them[-1].person, len(them), again, _fingerprint(them)) for them in cut]


def _page(
    request: Request, runtime: Runtime, asker: Asker, refusal: Refusal | None = None, *, imported: bool = False
) -> Response:
    here, locale = asker.actor.organisation, asker.locale
    found, withheld = _may_be_given(runtime, asker)
    with runtime.database.read(here) as connection:
        names, zone = NamesOf(connection, here, locale), people.time_zone(connection, here)
    own = {EVERYBODY: WORDS["everybody"].in_(locale), NOWHERE: WORDS["no_department"].in_(locale)}
    shown = lots(found, lambda code: own.get(code) or names.department(code), zone)
    return page(
        request, "school_first_passwords.html", asker=asker, active="more", because=refusal, refusal=refusal, lots=shown,
        withheld=withheld, most=MOST_ON_A_PAPER, at=FIRST_PASSWORDS, back=(PEOPLE, WORDS["school_people"]), imported=imported,
    )  # fmt: skip
