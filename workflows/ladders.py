"""The reminder ladder and the sign-off table of the reference scheme, as the engine takes them."""

from collections.abc import Mapping

from engine.case import Case
from engine.deadlines import Ladder, Rung
from engine.definition import Signing
from workflows.reference import reminder_ladder, sign_off
from workflows.reference.scheme import SignOffStep

#: what a rung does besides telling, by the words of the scheme: `supervised` marks the case, `meeting_list` is a fact
EFFECTS = {"put on the next safety meeting list": "meeting_list", "supervised by name": "supervised"}


def ladder(instead_of_assignee: str = "assignee", without: tuple[str, ...] = ()) -> Ladder:
    """The scheme's ladder. States that wait for somebody else than the assignee remind him instead.

    without   who is left out of every rung, where the state is not his department's business
    """
    rungs: list[Rung] = []
    for row in reminder_ladder():
        to = tuple(instead_of_assignee if name == "assignee" else name for name in row.to if name not in without)
        effect = EFFECTS[row.effect] if row.effect else None
        if row.every is not None:
            rungs.append(Rung("repeat", row.after, to, row.how, every_workdays=row.every))
        else:
            assert row.at is not None  # a rung that does not repeat has its offset; the scheme was checked
            rungs.append(Rung(_name(row.at), row.at, to, row.how, effect=effect))
    return Ladder.of(*rungs)


def _name(offset: int) -> str:
    if offset == 0:
        return "due"
    return f"before-{-offset}" if offset < 0 else f"after-{offset}"


OVERDUE_LADDER = ladder()
HOLDER_LADDER = ladder(instead_of_assignee="holder")
#: for what waits for the safety office or a leader: the department that fixed it has nothing to do with the delay
OFFICE_LADDER = ladder(instead_of_assignee="holder", without=("dept_safety", "dept_head"))


def signing_rows() -> Mapping[tuple[str, str], Signing]:
    """(mode, step) → who signs, how many, who never: the scheme's table, row by row."""
    rows: dict[tuple[str, str], Signing] = {}
    for mode, row in sign_off().items():
        rows[mode, "verify"] = _signing(row.verify)
        rows[mode, "approve"] = _signing(row.approve)
    return rows


def _signing(step: SignOffStep) -> Signing:
    return Signing(
        by=step.by,
        count=step.count,
        never=step.never,
        # only where the table offers it: whoever verified a major or an extended one never approves it
        waived_by={
            name: f"{name}_may_approve" for name in step.never if f"{name}_may_approve" in step.policy.model_fields_set
        },
        not_all_from=step.not_all_from,
    )


def is_major(case: Case) -> bool:
    return case.level == "major"
