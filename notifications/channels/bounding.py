"""An end to every conversation: a peer that drips a byte now and then outlives every timeout of a single read."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Overdue:
    """Whether a conversation went on for too long. It is cut off at the socket; whoever reads from it then finds its end."""

    def __init__(self, find: Callable[[], socket.socket | None]) -> None:
        self._find = find
        self._over = threading.Event()
        self._ended = False
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return self._over.is_set()

    def cut_off(self) -> None:
        with self._lock:
            if not self._ended:
                self._over.set()
                self.look_again()

    def end(self) -> None:
        """From now on nothing is cut off: the connection may be in another conversation."""
        with self._lock:
            self._ended = True

    def look_again(self) -> None:
        """Cut off a connection that was made too late to be found."""
        found = self._find()
        if self and found is not None:
            with suppress(OSError):  # it is closed already
                # the socket's own: a TLS socket's would first forget its encryption, and read on in the clear
                socket.socket.shutdown(found, socket.SHUT_RDWR)


@contextmanager
def bounded(seconds: float, find: Callable[[], socket.socket | None]) -> Iterator[Overdue]:
    """Let a conversation take so long in all, whatever it waits for. `find` gives its socket once there is one."""
    overdue = Overdue(find)
    timer = threading.Timer(max(seconds, 0), overdue.cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield overdue
    finally:
        timer.cancel()
        overdue.end()
