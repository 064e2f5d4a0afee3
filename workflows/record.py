"""A record of an older ledger 补录台账: a hazard that was found and fixed before this program was there to see it.

The import enters it, another person files it or discards what was taken over by mistake. It stays *imported, not witnessed*:
it stands in the book of its year, and no figure of how hazards were closed here counts it.
"""

from typing import Annotated

from pydantic import Field

from engine.definition import DepartmentRef, Form, Line, PersonRef, State, Transition, Words, Workflow, asks
from engine.errors import Text
from workflows.hazard import Category
from workflows.imported import Imported
from workflows.roles import LOOP_ROLES, SAFETY_OFFICE


class EnterRecord(Form):
    title: Line = asks("隐患描述", "What was wrong")
    place: Line = asks("部位", "Where")
    category: Category | None = asks("类别", "Category", default=None)
    level: Annotated[str, Field(pattern="^(general|major)$")] | None = asks("等级", "Level", default=None)
    department: DepartmentRef | None = asks("责任部门", "Department that answered for it", default=None)
    assignee: PersonRef | None = asks("责任人", "Person responsible", default=None)
    details: Words | None = asks("补充说明", "More about it", default=None)
    imported: Imported = asks("原有台账", "Older ledger", typed=False)


class FileRecord(Form):
    opinion: Words | None = asks("核对意见", "What was checked", default=None)


class DiscardRecord(Form):
    reason: Words = asks("作废理由", "Why it is discarded")


RECORD = Workflow(
    key="record",
    plural="records",
    version=1,
    prefix="JZ",  # 旧账
    title=Text("补录台账（非系统见证）", "Older ledger (not witnessed)"),
    opens_with=EnterRecord,
    opens_by=SAFETY_OFFICE,
    roles=LOOP_ROLES,
    witnessed=False,
    states=[
        # without a deadline: a school may have thousands, and nothing becomes more dangerous while they wait
        State("entered", Text("补录待归档", "Entered, to be filed"), counts_as="verified", awaits=SAFETY_OFFICE),
        State("closed", Text("补录归档", "Filed as imported"), final=True),
        State("discarded", Text("补录作废", "Discarded"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "file", "entered", "closed", Text("核对归档", "File it"), by=(*SAFETY_OFFICE, "vp_safety"), never=("reporter",),
            form=FileRecord, acts_as="approver",
        ),
        Transition(
            "discard", "entered", "discarded", Text("作废", "Discard it"), by=(*SAFETY_OFFICE, "vp_safety"),
            form=DiscardRecord,
        ),
    ],
)  # fmt: skip
