"""How a process of ours has others beside it: begun anew and never copied from itself, since a copy would share connections and
locks; where the system can, each copied from one that has imported what they run and done nothing else, which takes
milliseconds instead of seconds and keeps what is imported in memory once.
"""

import multiprocessing
import os
import tempfile
from multiprocessing.context import ForkServerContext, SpawnContext

#: bytes: a socket has to fit in there, and its address into 104 on macOS, 108 on Linux (unix(4), unix(7)); it takes 32 more
LONGEST_TEMPORARY = 70


def beginning(*modules: str) -> ForkServerContext | SpawnContext:
    """Where to get processes from that run something of these modules. Whoever asks first decides what is imported beforehand;
    the others import what is missing.
    """
    fits = len(os.fsencode(tempfile.gettempdir())) <= LONGEST_TEMPORARY
    if not fits or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context
