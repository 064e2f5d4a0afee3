"""The evidence pack of a case: everything that is on record of it, and what shows to anybody, without us, that it is what was
recorded.

    gathering   what there is: events with their places in the tree, files, the checkpoint, who is who
    reading     the same as a page that people read and print (`page.html`)
    packing     puts both into a zip, signs the list of what is in it, checks it, notes who took it
    verify.py   the other side: what a stranger runs; plain Python that imports nothing of ours

Of other cases a pack holds their hashes in proofs, and the number of one that this case is bound to, as its own events say it.
"""
