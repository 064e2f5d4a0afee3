"""How the C library of this process keeps memory."""

import ctypes

M_ARENA_MAX = -8  # malloc.h of glibc
ARENAS = 2


def share_the_heap() -> None:
    """Have all threads allocate from few heaps; to be called before there are any. Nothing where the C library is another.

    glibc gives every thread a heap of its own, up to eight for each processor, and each keeps what it freed: a server of forty
    threads held 34 MB more after some thousand mixed requests (265 MB against 231, at 100,000 cases), and none was faster.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)
