"""Whose a token or a session was when it was last shown: what to ask for at once. What holds is what the database says."""

MOST = 10_000  # kept by a process, some 3 MB; beyond that it begins anew


class Familiar:
    """By the hash of what is shown, which is all that is kept of it anywhere. Threads may share it."""

    def __init__(self) -> None:
        self._whose: dict[str, tuple[str, str]] = {}

    def whose(self, shown: str) -> tuple[str, str] | None:
        """(organisation, person); None for what was not shown lately."""
        return self._whose.get(shown)

    def remember(self, shown: str, organisation: str, person: str) -> None:
        if len(self._whose) >= MOST:
            self._whose.clear()
        self._whose[shown] = organisation, person

    def forget(self, shown: str) -> None:
        self._whose.pop(shown, None)
