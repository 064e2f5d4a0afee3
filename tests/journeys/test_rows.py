"""Each row that is built has a journey over HTTP; that the journey drives the loops of its row is seen whenever it runs."""

from importlib import import_module
from inspect import isfunction, signature

import pytest

from tests.fakes import Answered
from tests.journeys.rows import ROWS, Row, not_shown
from workflows import CATALOG

#: the rows of the founding document that this program takes, by their numbers in its reading
TAKEN = frozenset({1, 2, *range(5, 10), *range(11, 15), 16, 25, 33, 34, 35})
SPEAKS_HTTP = frozenset({"campus", "client", "tmp_path", "winter"})  # fixtures with an application behind them


def test_every_row_has_its_journey() -> None:
    assert ROWS.keys() == TAKEN


@pytest.mark.parametrize("number", ROWS)
def test_the_journey_of_a_row_is_a_test_and_its_loops_are_loops(number: int) -> None:
    row = ROWS[number]
    module, _, name = row.journey.partition("::")
    journey = getattr(import_module(module), name, None)
    assert isfunction(journey) and name.startswith("test_"), row.journey
    assert signature(journey).parameters.keys() & SPEAKS_HTTP, f"{name} asks for nothing that answers over HTTP"
    assert row.drives or row.asks
    assert set(row.drives) <= {workflow.key for workflow in CATALOG.newest()}


HEARD = [
    Answered("POST", "/api/v1/weeklies/ZB-2020-0001/compile", 200),
    Answered("POST", "/api/v1/notices", 201),
    Answered("POST", "/api/v1/portals/TB-2020-0001/compile", 409),
    Answered("GET", "/api/v1/dailies/RB-2020-0001", 200),
    Answered("GET", "/api/v1/cases/books", 200),
    Answered("GET", "/api/v1/cases", 422),
]
SHOWN: dict[str, tuple[Row, list[str]]] = {
    "stepped through and opened": (Row("", "", ("weekly", "notice")), []),
    "only refused": (Row("", "", ("weekly", "portal")), ["portal"]),
    "only looked at": (Row("", "", ("daily",)), ["daily"]),
    "never heard of": (Row("", "", ("hazard",)), ["hazard"]),
    "asked": (Row("", "", asks=("/api/v1/cases/books",)), []),
    "asked and refused": (Row("", "", asks=("/api/v1/cases",)), ["/api/v1/cases"]),
}


@pytest.mark.parametrize(("row", "missing"), SHOWN.values(), ids=SHOWN.keys())
def test_a_loop_was_driven_where_a_step_of_it_was_carried_out(row: Row, missing: list[str]) -> None:
    assert not_shown(row, HEARD) == missing
