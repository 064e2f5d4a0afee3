"""Which loops exist: states, forms, who may, how long. Data on top of the engine; one module a loop.

`CATALOG` holds every published version of every loop. A published version never changes: a change is a new version
beside it, and the tests pin each by its fingerprint. Where a loop's module was too long with all of them, the earlier ones
have one of their own (`hazard_earlier`).
"""

from engine.definition import Catalog
from workflows.bulletin import BULLETIN
from workflows.campaign import CAMPAIGN
from workflows.comparison import COMPARISON, COMPARISON_1
from workflows.cross_inspection import CROSS_CHECK, CROSS_INSPECTION, CROSS_INSPECTION_1
from workflows.daily import DAILY
from workflows.drill import DRILL, DRILL_1
from workflows.group_inspection import GROUP_CHECK, GROUP_INSPECTION, GROUP_INSPECTION_1
from workflows.hazard import HAZARD
from workflows.hazard_earlier import HAZARD_1, HAZARD_2, HAZARD_3, HAZARD_4
from workflows.hazard_report import HAZARD_REPORT, HAZARD_REPORT_1
from workflows.inspection import INSPECTION
from workflows.notice import NOTICE
from workflows.portal import PORTAL, PORTAL_1
from workflows.record import RECORD
from workflows.roles import OVERSEERS
from workflows.spot_check import REVISIT, SPOT_CHECK
from workflows.stage_summary import STAGE_SUMMARY
from workflows.survey import SURVEY, SURVEY_ANSWER
from workflows.task import TASK
from workflows.weekly import WEEKLY, WEEKLY_1

CATALOG = Catalog(
    [
        HAZARD_1,
        HAZARD_2,
        HAZARD_3,
        HAZARD_4,
        HAZARD,
        DRILL_1,
        DRILL,
        INSPECTION,
        GROUP_INSPECTION_1,
        GROUP_INSPECTION,
        GROUP_CHECK,
        CROSS_INSPECTION_1,
        CROSS_INSPECTION,
        CROSS_CHECK,
        CAMPAIGN,
        SURVEY,
        SURVEY_ANSWER,
        SPOT_CHECK,
        REVISIT,
        NOTICE,
        TASK,
        COMPARISON_1,
        COMPARISON,
        WEEKLY_1,
        WEEKLY,
        DAILY,
        PORTAL_1,
        PORTAL,
        HAZARD_REPORT_1,
        HAZARD_REPORT,
        BULLETIN,
        RECORD,
        STAGE_SUMMARY,
    ],
    overseers=OVERSEERS,
)
