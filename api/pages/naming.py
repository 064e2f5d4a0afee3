"""What codes, keys and days are called on a page, for its reader."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from api.pages.words import WORDS
from engine.actor import WHOLE_ORGANISATION, Actor, Grant
from engine.errors import Locale, Text
from engine.store import people
from workflows.roles import ROLES

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = (
    Text("周一", "Mon"), Text("周二", "Tue"), Text("周三", "Wed"), Text("周四", "Thu"), Text("周五", "Fri"),
    Text("周六", "Sat"), Text("周日", "Sun"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Duty:
    """A role somebody holds, in words. `role` and `scope` are its codes."""

    title: str
    scope: str
    valid_from: str
    valid_until: str
    role: str = ""
    where: str = ""


class NamesOf:
    """One organisation's people, roles and departments as the reader calls them."""

    def __init__(self, connection: Connection, organisation: str, locale: Locale) -> None:
        self._locale = locale
        self._departments = {d.code: d.name.in_(locale) for d in people.departments(connection, organisation)}
        self._people = people.names(connection, organisation)
        groups = {group.code: group.name for group in people.groups(connection, organisation)}
        self._roles: dict[str, Text] = {**ROLES, **groups}

    def person(self, key: str) -> str:
        return self._people.get(key, key)

    def department(self, code: str | None) -> str:
        return "" if code is None else self._departments.get(code, code)

    def role(self, code: str) -> str:
        return self._roles[code].in_(self._locale) if code in self._roles else code

    def title(self, role: str) -> Text:
        return self._roles.get(role, Text(role, role))

    def scope(self, code: str) -> str:
        return WORDS["everywhere"].in_(self._locale) if code == WHOLE_ORGANISATION else self.department(code)

    def duties(self, actor: Actor) -> list[Duty]:
        return self.granted(actor.grants)

    def granted(self, grants: Iterable[Grant]) -> list[Duty]:
        return [
            Duty(
                self.role(g.role), self.scope(g.scope), day_in_words(g.valid_from, self._locale),
                day_in_words(g.valid_until, self._locale), g.role, g.scope,
            )
            for g in sorted(grants, key=lambda grant: (grant.role, grant.scope))
        ]  # fmt: skip


def day_in_words(day: date | None, locale: Locale) -> str:
    """2026年3月14日, or 14 Mar 2026; "" for none."""
    if day is None:
        return ""
    return (
        f"{day.year}年{day.month}月{day.day}日" if locale == "zh" else f"{day.day} {MONTHS[day.month - 1]} {day.year}"
    )


def month_in_words(day: date, locale: Locale) -> str:
    return f"{day.year}年{day.month}月" if locale == "zh" else f"{MONTHS[day.month - 1]} {day.year}"
