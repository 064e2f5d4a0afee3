"""How a process of ours has others beside it: begun anew and never copied from itself, since a copy would share connections and
locks; where the system can, each copied from one that has imported what they run and done nothing else, which takes
milliseconds instead of seconds and keeps what is imported in memory once.
"""

import multiprocessing
from multiprocessing.context import ForkServerContext, SpawnContext


def beginning(*modules: str) -> ForkServerContext | SpawnContext:
    """Where to get processes from that run something of these modules. Whoever asks first decides what is imported beforehand;
    the others import what is missing.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context
