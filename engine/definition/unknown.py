"""What is said of a case whose definition this program does not carry (`UnknownWorkflow`)."""

from engine.definition.workflow import UnknownWorkflow, Workflow
from engine.errors import LoopUnknown, Text

WHAT_TO_DO = Text(
    "请在已升级的节点上办理；或升级本程序、重新安装该模块后再办理",
    "Take the step on a node that was upgraded, or upgrade this program or install the module again first",
)


def is_known(workflow: Workflow) -> bool:
    return not isinstance(workflow, UnknownWorkflow)


def must_be_known(workflow: Workflow, asked: Text) -> None:
    """Raises LoopUnknown where a step is asked of a case whose loop this program does not know."""
    if not is_known(workflow):
        raise LoopUnknown(asked=asked, obstacle=why_unknown(workflow), remedy=WHAT_TO_DO)


def why_unknown(workflow: Workflow) -> Text:
    return Text(
        f"此事项由更新版本或已移除的模块建立，本程序不认识其流程（{workflow.key} 第 {workflow.version} 版），只能查看",
        "it was opened by a newer version or by a module that was removed: this program does not know its loop "
        f"({workflow.key} v{workflow.version}) and can only show it",
    )
