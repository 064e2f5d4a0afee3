"""Of refusals, too, an index says by itself which ones a question finds: no question goes through the rows of all of them."""

from dataclasses import replace

import pytest

from engine.actor import Visibility
from engine.store import questions, refusals
from engine.store.questions import Asked, Eyes
from engine.store.refusals import RefusalRecord
from tests.engine.fakes import HERE, START, School, local
from tests.plans import asked_by, explained, looked_into

OVERSEER = Eyes(Visibility(HERE, everything=True), frozenset({"person:helen"}))
RECORD = RefusalRecord(HERE, local(START), "person:bob", "route", "YH-2020-0001", "fix", "not_allowed", "role", "无权")


@pytest.mark.parametrize(
    "asked, index",
    [
        (Asked(), "ix_refusal_at"),
        (Asked(person="person:bob"), "ix_refusal_at"),
        (Asked(action="nothing"), "ix_refusal_at"),
        (Asked(department="HQC"), "ix_refusal_at"),
        (Asked(case="YH-2020-0001"), "ix_refusal_number"),
        (Asked(workflow="hazard"), "ix_refusal_number"),
    ],
)
def test_an_index_says_which_refusals_are_asked_for(asked: Asked, index: str, school: School) -> None:
    school.report()
    with school.engine.database.write_across() as connection:
        for n in range(400):  # of several workflows: where all are alike, or on one page, either index would do
            refusals.log(connection, replace(RECORD, number=f"{'YH' if n % 5 == 0 else 'JC'}-2020-{n + 1:04}"))
    looked_into(school.engine.database, "refusal")
    with school.engine.database.read(HERE) as connection:
        ran = asked_by(connection, lambda: questions.page(connection, OVERSEER, replace(asked, outcome="refused")))
        [which] = [explained(connection, *each) for each in ran if "which" in each[0]]
    on_refusals = [line for line in which.splitlines() if "refusal" in line and "pk_refusal" not in line]
    looked_up = [line for line in on_refusals if "autoindex_refusal" in line]
    from_its_cases = asked.department is not None and school.engine.database.on_server  # it knows how few there are
    wanted = {index, "ix_refusal_number"} if from_its_cases else {index}
    assert any(name in which for name in wanted) and len(looked_up) <= 1, which
    if not school.engine.database.on_server:
        assert f"COVERING INDEX {index}" in which, "no row is looked up but those that are shown"


def test_a_workflow_without_cases_has_no_refusals_and_one_with_few_its_own(school: School) -> None:
    number = school.report()
    with school.engine.database.write_across() as connection:
        refusals.log(connection, replace(RECORD, number=number))
    with school.engine.database.read(HERE) as connection:
        for workflow, found in (("drill", 0), ("hazard", 1)):
            asked = Asked(workflow=workflow, outcome="refused")
            assert len(questions.page(connection, OVERSEER, asked)[0]) == found
            assert questions.count(connection, OVERSEER, asked) == found
