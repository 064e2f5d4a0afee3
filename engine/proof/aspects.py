"""What of a case, besides the people in it, decides which row of the sign-off table it goes by: told apart no further
than its steps can tell.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from engine.case import Case
from engine.definition import Transition, Workflow
from engine.proof.stage import blank_case, case_of, naming_fields

_NOBODY = "·nobody"  # is put in charge where only what becomes of the rest is asked


@dataclass(frozen=True, eq=False, slots=True)
class Aspect:
    """Level, facts and counters of a case in a state, and the row of the sign-off table they choose.

    facts, counters   the names of those that say yes, of those the loop's outcomes and its `mode_of` speak of
    """

    level: str
    facts: frozenset[str]
    counters: frozenset[str]
    mode: str


_Point = tuple[str, str, frozenset[str], frozenset[str]]  # state, level, facts, counters
_Led = tuple[int, frozenset[_Point]]  # a step, by its place in the loop, and what may become of the case


class Aspects:
    """Every aspect the cases of a loop can have: one for all that none of its steps ever tells apart."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._reads = frozenset(workflow.sign_off.reads) if workflow.sign_off else frozenset()
        self._steps: dict[_Point, list[_Led]] = {}
        self._modes: dict[_Point, str] = {}
        self._facts: frozenset[str] = frozenset()
        self._of: dict[_Point, Aspect] = {}
        self._explore([self._point(blank_case(workflow, None))])

    def of(self, case: Case) -> Aspect:
        state, level, facts, counters = self._point(case)
        point = (state, level, facts & self._facts, counters)
        if point not in self._of:  # an open case may have come a way that nothing leads to any more
            self._explore([point])
        return self._of[point]

    def after(self, transition: Transition, state: str, aspect: Aspect) -> Aspect:
        """Of a case that this step leaves in this state, before its outcomes are told apart."""
        counters = aspect.counters | (self._reads & {transition.counts or ""})
        return self._of[state, aspect.level, aspect.facts, counters]

    def _point(self, case: Case) -> _Point:
        facts = frozenset(name for name, value in case.facts.items() if value)
        return case.state, case.level, facts, frozenset(name for name in self._reads if case.counters.get(name))

    def _explore(self, starts: Iterable[_Point]) -> None:
        queue = deque(starts)
        while queue:
            point = queue.popleft()
            if point not in self._steps:
                self._steps[point] = self._led_to(point)
                self._modes[point] = case_of(self._workflow, *point).mode
                queue.extend(after for _, made in self._steps[point] for after in made)
        self._facts = frozenset(name for _, _, facts, _ in self._steps for name in facts)
        self._merge()

    def _led_to(self, point: _Point) -> list[_Led]:
        state, level, facts, counters = point
        found: list[_Led] = []
        for n, transition in enumerate(self._workflow.transitions):
            if state in transition.sources:
                counted = counters | (self._reads & {transition.counts or ""})
                case = case_of(self._workflow, transition.target or state, level, facts, counted)
                data = {**dict.fromkeys(naming_fields(transition), _NOBODY), "department": None}
                made = transition.outcomes(case, data) if transition.outcomes else ()
                found.append((n, frozenset({self._point(case), *map(self._point, made)})))
        return found

    def _merge(self) -> None:
        """The coarsest partition in which equal points have equal modes and each step leads from equal to equal."""
        block = {point: (point[0], mode) for point, mode in self._modes.items()}
        kinds, finer = 0, _numbered(block)
        while len(set(finer.values())) > kinds:
            kinds = len(set(finer.values()))
            finer = _numbered(
                {
                    point: (
                        finer[point],
                        frozenset((n, frozenset(finer[after] for after in made)) for n, made in steps),
                    )
                    for point, steps in self._steps.items()
                }
            )
        known: dict[int, Aspect] = {finer[point]: aspect for point, aspect in self._of.items()}
        for point, number in finer.items():
            if number not in known:
                known[number] = Aspect(*point[1:], mode=self._modes[point])
            self._of[point] = known[number]


def _numbered(block: Mapping[_Point, object]) -> dict[_Point, int]:  # equal blocks, equal numbers
    numbers: dict[object, int] = {}
    return {point: numbers.setdefault(value, len(numbers)) for point, value in block.items()}


@lru_cache(maxsize=64)  # a loop's definition never changes
def aspects_of(workflow: Workflow) -> Aspects:
    return Aspects(workflow)
