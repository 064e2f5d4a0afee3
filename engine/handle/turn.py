"""One group's turn in one transaction: each command done, refused or failed, and undone, by itself."""

from collections.abc import Sequence
from datetime import datetime

from engine.commands import Asked, FireTrigger, OpenCase, OpenPeriod, Remind
from engine.errors import NotAllowed, Refusal
from engine.handle.offering import name_who_could_instead
from engine.handle.opening import open_case, open_once, open_period
from engine.handle.outcomes import Engine, Failed, Outcome, Refused
from engine.handle.reading import Reading
from engine.handle.refusing import refusal_record
from engine.handle.stepping import step
from engine.handle.timekeeping import recompute, remind
from engine.handle.writing import Writing
from engine.store import answers, refusals
from engine.store.database import Connection, is_crossed, is_lost, is_same_key
from engine.store.statements import Standing, back_to, begin_anew, flush, mark, release_mark, standing, undo_to_mark

MOST_COLLISIONS = 3  # tries of one command; the second finds what the other wrote


class Turn:
    """The way of each command of a group.

    careful    each command's writes are known to be written before the next one begins, so that a fault is told of the
               command it belongs to. Otherwise they are sent when the next question is, or at the end, all at once; then a
               fault is everybody's, and the group is asked again, carefully
    alone      there is no other command in this transaction
    """

    def __init__(self, engine: Engine, connection: Connection, now: datetime, *, careful: bool, alone: bool) -> None:
        self.connection = connection
        self.reading = Reading(engine, connection, now)
        self.writing = Writing(self.reading, open_case)
        self._careful = careful
        self._alone = alone

    def look_ahead(self, group: Sequence[Asked]) -> None:
        """Ask at once what these commands will ask for anyway, and take the locks that they need in one order."""
        on_server = self.reading.engine.database.on_server
        if self._alone and not on_server:
            return  # nothing is a journey, and nobody else writes
        self.reading.look_ahead(group)
        if on_server and not self._alone:
            self._lock_series(group)

    def _lock_series(self, group: Sequence[Asked]) -> None:
        """Of the cases that are to be opened, before any other series is: two groups that draw from both never wait for
        each other.
        """
        opened: list[tuple[str, str, int]] = []
        for asked in group:
            command, calendar = asked.command, self.reading.calendar_if_any(asked.actor.organisation)
            workflow = (
                self.reading.engine.catalog.get(command.workflow)
                if isinstance(command, OpenCase | OpenPeriod)
                else None
            )
            if workflow is not None and calendar is not None:
                year = calendar.local_date(self.reading.now).year
                opened.append((asked.actor.organisation, workflow.prefix, year))
        if opened:
            self.reading.now_speaks_for(self.writing.numbers.lock(opened))

    def end(self) -> None:
        """Write what is written once for the whole group."""
        self.writing.numbers.write_down()

    def take(self, asked: Asked) -> Outcome:
        """One command; once more where another node was writing the same at that moment."""
        outcome = self._once(asked)
        for _ in range(MOST_COLLISIONS - 1):
            if not (isinstance(outcome, Failed) and _was_quicker(outcome.error)):
                break
            outcome = self._once(asked)
        return outcome

    def _once(self, asked: Asked) -> Outcome:
        """One command, behind the wall of its own organisation."""
        self.reading.speak_for(asked.actor.organisation)
        if self._careful and not self._alone:
            mark(self.connection)
        began = standing(self.connection)
        self.writing.numbers.mark()
        try:
            outcome = self._carry_out(asked)
            if self._careful:
                flush(self.connection)
        except Refusal as refusal:
            if not self._undone(began):
                raise  # to be taken again with care
            if isinstance(refusal, NotAllowed):
                name_who_could_instead(self.reading, asked, refusal)
            self._log(asked, refusal)
            return Refused(refusal)
        except Exception as error:  # of any kind: a defect in one command must not undo its neighbours
            if not self._careful or is_lost(error) or is_crossed(error):
                # the whole group is undone, and taken again with care or asked for again: what failed may have been put off
                # by a neighbour, who was told that he is done
                raise
            self._undone(began)
            return Failed(error)
        if self._careful and not self._alone:
            release_mark(self.connection)
        return outcome

    def _undone(self, began: Standing) -> bool:
        """Whether nothing is left of this command; in a hurry that cannot always be had.

        One command by itself needs no mark: everything there is to undo is its own.
        """
        if not self._careful:
            if not back_to(self.connection, began):
                return False
        elif self._alone:
            begin_anew(self.connection)
        else:
            undo_to_mark(self.connection)
        self.writing.numbers.back_to_mark()
        return True

    def _carry_out(self, asked: Asked) -> Outcome:
        command = asked.command
        if isinstance(command, OpenCase):
            return open_once(self.writing, asked, command)
        if isinstance(command, FireTrigger):
            return step(self.writing, asked, command)
        if isinstance(command, Remind):
            return remind(self.writing, asked.actor.organisation, command)
        if isinstance(command, OpenPeriod):
            return open_period(self.writing, asked.actor, command)
        return recompute(self.writing, asked.actor, command)

    def _log(self, asked: Asked, refusal: Refusal) -> None:
        """Refusals of signed-in people are kept; strangers' are counted elsewhere, the system's are outcomes."""
        if asked.actor.kind != "person":
            return
        record = refusal_record(asked, refusal, self.reading.now)
        refusals.log(self.connection, record)


def _was_quicker(error: Exception) -> bool:
    return isinstance(error, answers.KeptMeanwhile) or is_same_key(error)
