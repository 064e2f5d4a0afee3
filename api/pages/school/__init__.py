"""Run the school: people, groups, departments, channels, loops, calendars, cycles, and what leaves a dead corner."""

from fastapi import APIRouter

from api.pages.school import away, calendars, channels, front, groups, loops, papers, people

router = APIRouter()
for part in (front, people, away, groups, channels, loops, calendars, papers):
    router.include_router(part.router)

__all__ = ["router"]
