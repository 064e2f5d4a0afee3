"""Finds which cases have a way to the end, among all that can still be done with them."""

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple, Protocol

from engine.definition import Workflow
from engine.proof.aspects import Aspect


class Stand(NamedTuple):
    """As much of a case as decides who may do what with it; everything else is left out, so that equal ones are one.

    signed           step → signatures, as in the case
    acted            for each relation of `Stage.matters`, those who matter of the persons who stood in it
    charged          who was put in charge of it before help came; once it has come, that makes no difference
    """

    state: str
    department: str | None
    reporter: str | None
    assignee: str | None
    aspect: Aspect
    signed: tuple[tuple[str, tuple[str, ...]], ...]
    acted: tuple[frozenset[str], ...]
    charged: str | None = None


#: what one choice can come to: facts decide between them, so all of them have to have a way on
Outcomes = tuple[Stand, ...]


class Played(Protocol):
    """What is asked of the play (`engine.proof.play`)."""

    @property
    def workflow(self) -> Workflow: ...

    @property
    def ends(self) -> frozenset[str]:
        """The states that are the loop's own end."""

    @property
    def distance(self) -> Mapping[str, int]:
        """state → steps to the end, whoever takes them."""

    def choices(self, stand: Stand, *, cross: bool) -> Iterator[Outcomes]:
        """What those present can do with the case, one by one; with `cross` what leads to another department as well."""

    def but_for_acts(self, stand: Stand) -> Stand:
        """All of a case but who acted, where to have acted can only bar him."""


class Ways:
    """Which cases have a way to the end: the least solution over all that can still be done, worked out where it is asked.

    A case is good when one of its choices has only good outcomes. To have acted never helps, unless a step is left to
    whoever did; so of two cases that differ in nothing else the one where fewer acted is good if the other is: the other
    is not looked at before.
    """

    def __init__(self, play: Played, known: "Ways | None" = None, *, in_short: bool = False) -> None:
        """known      the ways within the department; with it, those across departments
        in_short   a case is good as well as soon as one is where more acted: enough to tell that all are, not why none is
        """
        self._play = play
        self._in_short = in_short
        self._known = known
        self._good: set[Stand] = set()
        self._tried: dict[Stand, Iterator[Outcomes]] = {}  # with the choices that are still to be looked at
        self._awaits: dict[Stand, list[Stand]] = {}
        self._awaited_by: dict[Stand, list[tuple[Stand, Outcomes]]] = {}
        self._alike: dict[Any, list[Stand]] = {}
        self._awake: set[Stand] = set()  # what the case that is asked for could be good by
        self._agenda: list[tuple[int, int, Stand]] = []
        self._asked: Stand | None = None  # what is to be led on just now: nothing else need wait for it
        self._latest = count(0, -1)  # of equal rank, what was put last comes first

    def lead_on(self, stand: Stand) -> bool:
        if self.is_good(stand):
            return True
        self._agenda.clear()
        self._awake.clear()
        self._asked = stand
        self._look_at(stand)
        while self._agenda and not self.is_good(stand):
            *_, here = heappop(self._agenda)
            if self._is_awaited(here):
                self._try(here)
            else:
                self._awake.discard(here)
        return self.is_good(stand)

    def is_good(self, stand: Stand) -> bool:
        return (
            stand in self._good
            or stand.state in self._play.ends
            or (self._known is not None and self._known.is_good(stand))
        )

    def looked_at(self, stand: Stand) -> Stand:
        """Of a case that has no way: what was looked at instead of it, where fewer acted and it has none either."""
        return stand if stand in self._tried else self._better(stand) or stand

    def fails_by(self, stand: Stand) -> list[Stand]:
        """What the choices of a case that has no way would have needed to have one, one a choice."""
        awaited = dict.fromkeys(self.looked_at(after) for after in self._awaits.get(stand, ()))
        return [after for after in awaited if after in self._tried and not self.is_good(after)]

    def _is_easier(self, stand: Stand) -> bool:
        """Whether one is good that differs in nothing but that more acted."""
        return any(
            worse in self._good and all(map(frozenset.issubset, stand.acted, worse.acted))
            for worse in self._alike.get(self._play.but_for_acts(stand), ())
        )

    def _better(self, stand: Stand) -> Stand | None:
        """One that is not known to be good, and differs in nothing but that fewer acted."""
        for better in self._alike.get(self._play.but_for_acts(stand), ()):
            if better not in self._good and all(map(frozenset.issubset, better.acted, stand.acted)):
                return better
        return None

    def _look_at(self, stand: Stand) -> None:
        """Put on the agenda what it could be good by: itself, or before it a better one, and what these wait for."""
        queue = [stand]
        while queue:
            one = queue.pop()
            if one in self._awake or self.is_good(one) or self._play.workflow.state(one.state).final:
                continue
            self._awake.add(one)
            if one not in self._tried:
                if self._in_short and self._is_easier(one):
                    self._found_good(one)
                    continue
                better = self._better(one)
                if better is not None:
                    self._awaited_by.setdefault(better, []).append((one, ()))
                    queue.append(better)
                    continue
                self._alike.setdefault(self._play.but_for_acts(one), []).append(one)
                self._tried[one] = self._play.choices(one, cross=self._known is not None)
            self._put(one)
            queue += self._awaits.get(one, ())

    def _is_awaited(self, stand: Stand) -> bool:
        return stand == self._asked or any(before not in self._good for before, _ in self._awaited_by.get(stand, ()))

    def _put(self, stand: Stand) -> None:
        heappush(self._agenda, (self._rank(stand), next(self._latest), stand))

    def _rank(self, stand: Stand) -> int:
        """Lower is looked at first: near to the end, and of those that differ in nothing else where fewer acted."""
        return sum(map(len, stand.acted)) + self._play.distance.get(stand.state, 0)

    def _try(self, here: Stand) -> None:
        """Its choices one by one, until one is good or leads nearer to the end."""
        rank = self._rank(here)
        for outcomes in self._tried[here]:
            awaited = self._wait(here, outcomes)
            if awaited is None:
                self._found_good(here)
                return
            if awaited in self._tried and self._rank(awaited) <= rank:
                self._put(here)
                return

    def _wait(self, here: Stand, outcomes: Outcomes) -> Stand | None:
        """The outcome this choice has to wait for, one at a time: while it is not good, the others make no difference."""
        open_ = [after for after in outcomes if not self.is_good(after)]
        if not open_:
            return None
        awaited = next((after for after in open_ if after in self._tried), open_[-1])
        self._awaited_by.setdefault(awaited, []).append((here, outcomes))
        self._awaits.setdefault(here, []).append(awaited)
        self._look_at(awaited)
        return awaited

    def _found_good(self, stand: Stand) -> None:
        queue = [stand]
        while queue:
            one = queue.pop()
            if one in self._good:
                continue
            self._good.add(one)
            for before, outcomes in self._awaited_by.pop(one, ()):
                if before in self._good:
                    continue
                if not outcomes:
                    # it stood behind this one, and is worth looking at now, if anything still waits for it
                    asleep = before not in self._awake
                    self._awake.discard(before)
                    if not asleep and self._is_awaited(before):
                        self._look_at(before)
                elif self._wait(before, outcomes) is None:
                    queue.append(before)
