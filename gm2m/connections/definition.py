"""
The arguments of ``define_relationship()``, judged as soon as they are given.

Each function raises ``TypeError`` or ``ValueError`` with the relationship and the value
in the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.apps import apps as installed
from django.db.models import CASCADE, DO_NOTHING, PROTECT, RESTRICT
from django.db.models.base import ModelBase

from .objects import EndObject

#: The length of the column of names, and so of a name.
NAME_MAX_LENGTH = 100
#: What all databases compare in the same way, and no statement needs to escape.
NAME = re.compile(r"[A-Za-z0-9_.:-]+")
POLICIES = (CASCADE, PROTECT, RESTRICT, DO_NOTHING)


def check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"The name of a relationship must be a string, not {name!r}.")
    if len(name) > NAME_MAX_LENGTH:
        raise ValueError(
            f"The name of a relationship has at most {NAME_MAX_LENGTH} characters; "
            f"{name!r} has {len(name)}."
        )
    if not NAME.fullmatch(name) or not name.strip("_"):
        raise ValueError(
            "The name of a relationship is made of ASCII letters, digits and any of "
            f"'_.:-'; {name!r} is not."
        )


def check_model(name: str, option: str, model: Any) -> None:
    """Check a model that is given as a class or by its label."""
    if isinstance(model, str):
        app_label, dot, model_name = model.partition(".")
        if not (dot and app_label.isidentifier() and model_name.isidentifier()):
            raise ValueError(
                f"The relationship {name!r}: the {option} {model!r} is no name of a "
                "model. Use 'app_label.Model'."
            )
        if installed.models_ready:
            try:
                installed.get_model(model)
            except LookupError as error:
                raise ValueError(
                    f"The relationship {name!r}: the {option} {model!r} is not "
                    f"installed. {error}"
                ) from error
        return
    if not (isinstance(model, ModelBase) and hasattr(model, "_meta")):
        raise TypeError(
            f"The relationship {name!r}: the {option} {model!r} is neither a model nor "
            "the name of one."
        )
    if model._meta.abstract:
        raise ValueError(
            f"The relationship {name!r}: the {option} {model._meta.label} is abstract. "
            "Name a concrete model instead."
        )


def check_connection_model(name: str, model: Any) -> None:
    """Check the model of connections, ``None`` for the default one."""
    if model is None:
        return
    check_model(name, "connection_model", model)
    if isinstance(model, str):
        return
    if not isinstance(getattr(model, "from_object", None), EndObject):
        raise TypeError(
            f"The relationship {name!r}: the connection_model {model._meta.label} is "
            "no subclass of gm2m.connections.AbstractConnection."
        )
    if model._meta.get_field("from_pk").model is not model:
        raise ValueError(
            f"The relationship {name!r}: the connection_model {model._meta.label} is a "
            "proxy or a multi-table child of another. Subclass AbstractConnection."
        )


def check_on_delete(name: str, policy: Any) -> None:
    if policy not in POLICIES:
        raise ValueError(
            f"The relationship {name!r}: on_delete must be CASCADE, PROTECT, RESTRICT "
            f"or DO_NOTHING of django.db.models, not {policy!r}."
        )


def when_ready(models: tuple[Any, ...], function: Callable[..., None]) -> None:
    """Call `function` with `models` once those that are names are loaded."""
    names = [model for model in models if isinstance(model, str)]
    keys = [tuple(name.lower().split(".")) for name in names]

    def call(*loaded: Any) -> None:
        by_name = dict(zip(names, loaded, strict=True))
        function(*(by_name.get(one, one) for one in models))

    # Of two models of one name, Django hands over one.
    unique = dict(zip(names, keys, strict=True))
    names = list(unique)
    installed.lazy_model_operation(call, *unique.values())
