"""Run the school: people, groups, departments, channels, loops, calendars, cycles, and what leaves a dead corner."""

from api.pages.school import away, calendars, channels, first_passwords, front, groups, listing, loops, papers, people

ROUTERS = tuple(
    part.router for part in (front, people, listing, first_passwords, away, groups, channels, loops, calendars, papers)
)

__all__ = ["ROUTERS"]
