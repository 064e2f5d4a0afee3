"""Connections between two messages, without any network."""

import threading

from notifications.channels.keeping import AT_MOST, Keeping


class Lines:
    """Notes which lines were closed, and how."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.parted: list[str] = []
        self.dropped: list[str] = []
        self.somebody_left = threading.Event()
        self.keeping: Keeping[str, str] = Keeping(self._part, self.dropped.append, seconds)

    def _part(self, line: str) -> None:
        self.parted.append(line)
        self.somebody_left.set()


def test_what_is_kept_is_taken_once_and_by_its_owner_alone() -> None:
    lines = Lines()
    lines.keeping.keep("alice", "line 1")
    assert lines.keeping.take("bob") is None
    assert [lines.keeping.take("alice") for _ in range(2)] == ["line 1", None]
    lines.keeping.close()
    assert lines.parted == []


def test_whoever_keeps_a_second_one_parts_with_the_first() -> None:
    lines = Lines()
    lines.keeping.keep("alice", "line 1")
    lines.keeping.keep("alice", "line 2")
    assert lines.parted == ["line 1"]
    lines.keeping.close()
    assert lines.parted == ["line 1", "line 2"]


def test_of_too_many_the_one_that_lies_there_longest_goes() -> None:
    lines = Lines()
    for number in range(AT_MOST + 2):
        lines.keeping.keep(f"owner {number}", f"line {number}")
    assert lines.parted == ["line 0", "line 1"]
    lines.keeping.close()


def test_what_nobody_takes_is_closed_when_its_time_is_over_each_time_anew() -> None:
    lines = Lines(seconds=0.02)
    for number in range(3):
        lines.somebody_left.clear()
        lines.keeping.keep("alice", f"line {number}")
        assert lines.somebody_left.wait(30)
    assert lines.parted == ["line 0", "line 1", "line 2"]


def test_nothing_is_kept_after_the_end() -> None:
    lines = Lines()
    lines.keeping.keep("alice", "line 1")
    lines.keeping.close()
    lines.keeping.keep("alice", "line 2")
    assert lines.parted == ["line 1", "line 2"]
    assert lines.keeping.take("alice") is None


def test_a_process_that_is_forked_says_nothing_on_its_parents_connections() -> None:
    lines = Lines()
    lines.keeping.keep("alice", "line 1")
    lines.keeping.begin_anew()
    assert lines.keeping.take("alice") is None
    assert (lines.parted, lines.dropped) == ([], ["line 1"])
    lines.keeping.keep("alice", "line 2")
    assert lines.keeping.take("alice") == "line 2"
    lines.keeping.close()
