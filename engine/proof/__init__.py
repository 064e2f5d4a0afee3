"""Shows that every loop can close: no dead end, no step that nobody may take.

the play of one loop in one department on one day    play.py
what it finds, in words, with the smallest change     findings.py
"""

from engine.proof.findings import DAYS_AHEAD, Finding, Question, check
from engine.proof.play import Cast, Impasse, Play

__all__ = ["DAYS_AHEAD", "Cast", "Finding", "Impasse", "Play", "Question", "check"]
