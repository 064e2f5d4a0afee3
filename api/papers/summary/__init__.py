"""The stage summary 阶段小结, which writes itself from the records of a period.

    document.py    what stands in it, plain values
    questions.py   which numbers it tells, each as the question of a list
    counting.py    these numbers as they were known when the period was over: a snapshot, that can be counted again
    wording.py     prose with places for numbers, and what fills them in: the document

The prose itself is `workflows/summary_text.py`; a school may bring its own. Words may be changed, numbers are computed.
"""
