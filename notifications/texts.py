"""The texts a school words itself: kept by workflow, name and language, and looked up at the moment of sending."""

import logging
from collections.abc import Mapping
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


def in_use(connection: Connection, organisation: str) -> Mapping[tuple[str, str, Locale], Template]:
    """By (workflow, name, locale). One that cannot be read any more, since a newer program knows its facts by other names,
    is passed over: the message goes in the program's own words.
    """
    found = {(own.workflow, own.name, own.locale): _read(own.name, own.text) for own in every(connection, organisation)}
    return {key: words for key, words in found.items() if words is not None}


def every(connection: Connection, organisation: str) -> list[OwnText]:
    statement = (
        select(T.workflow, T.name, T.locale, T.text, T.changed_at)
        .where(T.organisation == organisation)
        .order_by(T.name, T.workflow, T.locale)
    )
    return [
        OwnText(row.workflow, row.name, cast(Locale, row.locale), row.text, row.changed_at)
        for row in connection.execute(statement)
    ]


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
