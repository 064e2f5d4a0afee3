"""Which papers there are. Another one is a `Kind` in the module of its loop, for a form of `forms.yaml`, entered there.

kind.py         what a kind of paper is
hazard.py       整改通知书 整改回执 复查意见书 延期申请 治理方案
drill.py        演练记录
inspection.py   部门安全月报表
notice.py       会议传达记录
filing.py       每周自查情况表 每日健康报告
stage_summary.py  阶段小结: prose
lists.py        三张清单 台账: over many cases
"""

from collections.abc import Mapping

from api.papers.kinds import drill, filing, hazard, inspection, notice, stage_summary
from api.papers.kinds.kind import Kind, Prose
from api.papers.kinds.lists import LISTS, ListKind

#: in the order in which they are offered
KINDS: tuple[Kind, ...] = (*hazard.KINDS, *drill.KINDS, *inspection.KINDS, *notice.KINDS, *filing.KINDS)
BY_CODE: Mapping[str, Kind] = {kind.code: kind for kind in KINDS}
PROSE_BY_CODE: Mapping[str, Prose] = {kind.code: kind for kind in stage_summary.PROSE}
LISTS_BY_CODE: Mapping[str, ListKind] = {kind.code: kind for kind in LISTS}

__all__ = [
    "BY_CODE", "KINDS", "LISTS", "LISTS_BY_CODE", "PROSE_BY_CODE", "Kind", "ListKind", "Prose", "kinds_of", "papers_of",
]  # fmt: skip


def kinds_of(workflow: str) -> tuple[Kind, ...]:
    return tuple(kind for kind in KINDS if kind.workflow == workflow)


def papers_of(workflow: str) -> tuple[Kind | Prose, ...]:
    """Every paper that is made of a case of this loop."""
    return (*kinds_of(workflow), *(kind for kind in PROSE_BY_CODE.values() if kind.workflow == workflow))
