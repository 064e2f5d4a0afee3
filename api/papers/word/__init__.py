"""Word files, written by a process of their own: a template is somebody else's file, and the server waits for none for long.

    asking.py     the server's side: starts that process, bounds it, reads what it says
    __main__.py   the process: one request in, one answer out
    fitting.py    what a template may hold
    filling.py    a template and values become a file
    prose.py      the stage summary, which is text and no table
    blank.py      the templates that come with the program, drawn from the layout of a paper

Only that process imports what reads and writes Word.
"""
