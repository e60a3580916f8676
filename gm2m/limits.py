"""
``limit_choices_to``: what forms and the admin offer, for all models or by model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.apps import apps
from django.db.models import Model


def is_by_model(limit: Any) -> bool:
    """Return whether `limit`, a ``limit_choices_to``, is a mapping from models."""
    return isinstance(limit, Mapping) and any(
        not isinstance(key, str) or "." in key for key in limit
    )


def limit_of(limit: Any, model: type[Model], linked_as: Callable[[Any], Any]) -> Any:
    """
    Return what `limit`, a ``limit_choices_to`` for all models or by model, says of
    `model`: a ``dict``, a ``Q`` object, or ``None``. Callables are called.

    `linked_as` returns the model as one of which objects of a model are linked.
    """
    if callable(limit):
        limit = limit()
    if is_by_model(limit):
        named = {installed(key): own for key, own in limit.items()}
        of_others = (named[key] for key in named if key and linked_as(key) is model)
        limit = named.get(model) or next(of_others, None)
        if callable(limit):
            limit = limit()
    return limit


def installed(model: type[Model] | str) -> Any:
    """Return the class that `model`, a class or a name, stands for, or ``None``."""
    if not isinstance(model, str):
        return model
    try:
        return apps.get_model(model)
    except LookupError:
        return None
