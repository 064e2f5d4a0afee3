"""What a definition means, as plain JSON, and its fingerprint: how a published version is seen to be what it was."""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from dataclasses import Field as DataclassField
from typing import Any

from pydantic import BaseModel

from engine.audit import canonical
from engine.errors import Text
from engine.guards import Guard


def fingerprint_of(definition: Any) -> str:
    """SHA-256, hex, over everything that gives the definition its meaning."""
    return hashlib.sha256(canonical(described(definition))).hexdigest()


#: of a dataclass's field: what it says means nothing for a case, and may be said better
WORDS_ALONE: Mapping[str, bool] = {"words_alone": True}


def described(value: Any) -> Any:
    """A definition as plain JSON: functions by their names, forms and policies by their schema."""
    if isinstance(value, type) and issubclass(value, BaseModel):
        return _form(value)
    if isinstance(value, Guard):
        return value.name
    if isinstance(value, Text):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        # with its class: Week() and Month() have no fields to tell them apart; without what was left at its default,
        # so that a new ability of the engine changes no definition that does not use it
        meant = [f for f in fields(value) if not f.metadata.get("words_alone")]
        said = {f.name: getattr(value, f.name) for f in meant if getattr(value, f.name) != _default_of(f)}
        return {"is": type(value).__name__} | {name: described(item) for name, item in said.items()}
    if isinstance(value, Mapping):
        return {"/".join(k) if isinstance(k, tuple) else str(k): described(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [described(item) for item in value]
    if callable(value):
        return value.__name__
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def _default_of(attribute: DataclassField[Any]) -> Any:
    return attribute.default_factory() if attribute.default_factory is not MISSING else attribute.default


def _form(form: type[BaseModel]) -> dict[str, Any]:
    return {"name": form.__name__, "fields": _meaning(form.model_json_schema())}


def _meaning(schema: Any) -> Any:
    """A form's schema without its docstrings, which may be reworded, and without floats, which have no canonical form."""
    if isinstance(schema, float):
        return str(schema)
    if isinstance(schema, dict):
        told = {key for key, item in schema.items() if key == "description" and isinstance(item, str)}
        return {key: _meaning(item) for key, item in schema.items() if key not in told}
    return [_meaning(item) for item in schema] if isinstance(schema, list) else schema
