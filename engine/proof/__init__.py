"""Shows that every loop can close: no dead end, no step that nobody may take.

who there is on a day, as one loop's rules see them       stage.py
what of a case decides by which rules it goes             aspects.py
which cases have a way to the end                         ways.py
the play of one loop on one day                           play.py
what it finds, in words, with the smallest change         findings.py
"""

from engine.proof.findings import DAYS_AHEAD, Finding, Known, Question, check, worse
from engine.proof.play import Impasse, Play

__all__ = ["DAYS_AHEAD", "Finding", "Impasse", "Known", "Play", "Question", "check", "worse"]
