"""Shows that every loop can close: no dead end, no step that nobody may take.

who there is on a day, as one loop's rules see them       stage.py
what of a case decides by which rules it goes             aspects.py
which cases have a way to the end                         ways.py
the play of one loop on one day                           play.py
what is asked, and the plays that answer it               looking.py
the smallest change by which an impasse is gone           remedies.py
what people, roles and departments are called             words.py
what is found, in words                                   findings.py
"""

from engine.proof.findings import Finding, check, worse
from engine.proof.looking import DAYS_AHEAD, Known, Question
from engine.proof.play import Impasse, Play

__all__ = ["DAYS_AHEAD", "Finding", "Impasse", "Known", "Play", "Question", "check", "worse"]
