"""The Word files that a school fills in for its papers, where it keeps its own: one of each kind."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from engine.store.database import table_of, upsert
from engine.store.tables import PaperTemplateRow

_templates = table_of(PaperTemplateRow)


@dataclass(frozen=True, slots=True)
class PaperTemplate:
    """What is known of one; its bytes are asked for by themselves."""

    organisation: str
    paper: str
    sha256: str
    kept_at: datetime
    kept_by: str


def all_of(connection: Connection, organisation: str) -> dict[str, PaperTemplate]:
    """Kind of paper → the school's own template."""
    columns = [_templates.c[name] for name in PaperTemplate.__slots__]
    rows = connection.execute(select(*columns).where(_templates.c.organisation == organisation))
    return {row.paper: PaperTemplate(**row._mapping) for row in rows}


def content(connection: Connection, organisation: str, paper: str) -> bytes | None:
    """The file; None where the school keeps none of its own."""
    here = (_templates.c.organisation == organisation, _templates.c.paper == paper)
    found: bytes | None = connection.execute(select(_templates.c.content).where(*here)).scalar_one_or_none()
    return found


def keep(connection: Connection, template: PaperTemplate, file: bytes) -> None:
    """In place of the one there was."""
    values = {name: getattr(template, name) for name in PaperTemplate.__slots__} | {"content": file}
    connection.execute(
        upsert(_templates)
        .values(values)
        .on_conflict_do_update(
            index_elements=["organisation", "paper"],
            set_={name: values[name] for name in ("content", "sha256", "kept_at", "kept_by")},
        )
    )


def drop(connection: Connection, organisation: str, paper: str) -> bool:
    """Whether there was one."""
    here = (_templates.c.organisation == organisation, _templates.c.paper == paper)
    return bool(connection.execute(delete(_templates).where(*here)).rowcount)
