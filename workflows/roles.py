"""Who there is in a school: the roles definitions may name, and which of them see every case."""

from collections.abc import Mapping

from engine.errors import Text
from workflows.reference import roles

ACCEPTANCE_GROUP = "acceptance_group"
LEADING_GROUP = "leading_group"

#: working groups that definitions name: whoever sits in one holds the role of its code
GROUPS: Mapping[str, Text] = {
    ACCEPTANCE_GROUP: Text("验收组成员", "member of the acceptance group"),
    LEADING_GROUP: Text("领导小组成员", "member of the leading group"),
}

#: roles the loops name; part of what a published definition means, so nothing is added here
LOOP_ROLES: Mapping[str, Text] = {
    **{role.code: role.title for role in roles().values()},
    ACCEPTANCE_GROUP: GROUPS[ACCEPTANCE_GROUP],
}

ADMINISTRATOR = "administrator"  # keeps the directory and the accounts; sees no case by that

#: everything that can be granted
ROLES: Mapping[str, Text] = {**LOOP_ROLES, **GROUPS, ADMINISTRATOR: Text("系统管理员", "administrator")}

#: heads and safety officers of departments sit in the leading group: it hears of every hazard of the school, and its
#: safety officers verify what other departments fixed
OVERSEERS = frozenset(
    {
        "principal", "secretary", "vp_safety", "vp_other", "safety_head", "safety_staff", "dept_head", "dept_safety",
        "auditor", "bureau", ACCEPTANCE_GROUP,
    }
)  # fmt: skip

SAFETY_OFFICE = ("safety_staff", "safety_head")
LEADERS = ("principal", "secretary")
