"""A loop as a picture, in words a diagram tool draws."""

from engine.definition.workflow import Workflow
from engine.errors import Locale


def diagram(workflow: Workflow, locale: Locale = "zh") -> str:
    """The loop as Mermaid text, states and steps by their titles."""
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state.title.in_(locale)}" as {state.name}' for state in workflow.states]
    lines.append(f"    [*] --> {workflow.initial.name}")
    for transition in workflow.transitions:
        for source in transition.sources:
            target = transition.target or source
            lines.append(f"    {source} --> {target}: {transition.title.in_(locale)}")
    lines += [f"    {state.name} --> [*]" for state in workflow.states if state.final]
    return "\n".join(lines)
