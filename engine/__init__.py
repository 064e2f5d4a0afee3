"""Decides what happens to a case, and remembers it. Knows nothing of workflows, notifications or the API."""
