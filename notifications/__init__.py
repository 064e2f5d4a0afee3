"""Tells people what happened: who, what, where, until when, what to do. Never decides anything about a case."""
