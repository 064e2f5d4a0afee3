"""The texts a school words itself: kept by workflow, name and language, and looked up at the moment of sending."""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import cast

from sqlalchemy import delete, select

from engine.errors import Locale
from engine.store.database import table_of, upsert
from notifications.rendering import Template, TemplateFault, parse
from notifications.tables import Connection, MessageTextRow

log = logging.getLogger(__name__)

TEXT = table_of(MessageTextRow)
T = TEXT.c


@dataclass(frozen=True, slots=True)
class OwnText:
    """A text as a school worded it. `workflow` is empty where it speaks of all of them."""

    workflow: str
    name: str
    locale: Locale
    text: str
    changed_at: datetime


Own = Mapping[tuple[str, str, Locale], Template]  # by (workflow, name, locale)


def in_use(connection: Connection, organisation: str) -> Own:
    """One that cannot be read any more, since a newer program knows its facts by other names, is passed over: the message goes
    in the program's own words.
    """
    return in_use_of(connection, {organisation})[organisation]


def in_use_of(connection: Connection, organisations: Collection[str]) -> Mapping[str, Own]:
    """The same of several, by organisation, asked for at once: what is sent together is many schools'."""
    found: dict[str, dict[tuple[str, str, Locale], Template]] = {name: {} for name in organisations}
    for organisation, own in _kept(connection, organisations):
        words = _read(own.name, own.text)
        if words is not None:
            found[organisation][own.workflow, own.name, own.locale] = words
    return found


def every(connection: Connection, organisation: str) -> list[OwnText]:
    return [own for _, own in _kept(connection, {organisation})]


def _kept(connection: Connection, organisations: Collection[str]) -> Iterator[tuple[str, OwnText]]:
    statement = select(TEXT).where(T.organisation.in_(sorted(organisations))).order_by(T.name, T.workflow, T.locale)
    for row in connection.execute(statement):
        yield row.organisation, OwnText(row.workflow, row.name, cast(Locale, row.locale), row.text, row.changed_at)


def keep(connection: Connection, organisation: str, own: OwnText) -> None:
    """Write it down in the place of the one before. It was checked."""
    values = {"text": own.text, "changed_at": own.changed_at}
    where = {"organisation": organisation, "workflow": own.workflow, "name": own.name, "locale": own.locale}
    connection.execute(
        upsert(TEXT).values(**where, **values).on_conflict_do_update(index_elements=list(where), set_=values)
    )


def drop(connection: Connection, organisation: str, workflow: str, name: str, locale: Locale) -> bool:
    """Back to the program's own words. False where there was nothing to drop."""
    mine = (T.organisation == organisation) & (T.workflow == workflow) & (T.name == name) & (T.locale == locale)
    return connection.execute(delete(TEXT).where(mine)).rowcount == 1


@lru_cache(maxsize=2000)
def _read(name: str, text: str) -> Template | None:
    try:
        return parse(name, text)
    except TemplateFault as fault:
        log.warning("a text of the organisation's own cannot be used: %s", fault)
        return None
