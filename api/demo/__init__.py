"""A real school's campaign, replayed through the real engine on a simulated clock, then served from its last instant."""

from api.demo.replay import DemoReport, play

__all__ = ["DemoReport", "play"]
