"""How an upload is refused: what is wrong with the bytes, and what to send instead."""

from engine.errors import FieldFault, InvalidInput, Text


def not_taken(asked: Text, obstacle: Text, remedy: Text) -> InvalidInput:
    return InvalidInput(asked=asked, obstacle=obstacle, remedy=remedy, fields=(FieldFault("body", obstacle),))
