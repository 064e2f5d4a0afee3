"""The end of every conversation, between two sockets of our own."""

import socket
from contextlib import closing

from notifications.channels.bounding import bounded


def test_a_conversation_that_is_over_is_not_cut_off_any_more() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        with bounded(60, lambda: ours) as overdue:
            pass
        overdue.cut_off()  # as by a timer that was not stopped in time
        assert not overdue
        ours.sendall(b"the next conversation")
        assert theirs.recv(100) == b"the next conversation"


def test_one_that_lasts_too_long_finds_its_end() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs), bounded(0.01, lambda: ours) as overdue:
        assert ours.recv(1) == b""
        assert overdue
