"""
``limit_choices_to``: what forms and the admin offer, for all models or by model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_by_model(limit: Any) -> bool:
    """Return whether `limit`, a ``limit_choices_to``, is a mapping from models."""
    return isinstance(limit, Mapping) and any(
        not isinstance(key, str) or "." in key for key in limit
    )


def limit_of(limit: Any, model: Any) -> Any:
    """
    Return what `limit`, a ``limit_choices_to`` for all models or by model, says of
    `model`: a ``dict``, a ``Q`` object, or ``None``. Callables are called.
    """
    if callable(limit):
        limit = limit()
    if is_by_model(limit):
        opts = model._meta
        for key in (model, opts.concrete_model):
            names = (key, key._meta.label, key._meta.label_lower)
            given = [limit[name] for name in names if name in limit]
            if given:
                return given[0]() if callable(given[0]) else given[0]
        return None
    return limit
