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
from django.contrib.contenttypes.models import ContentType
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


def checked_model(name: str, option: str, model: Any) -> Any:
    """Return a model that is given as a class, by its label or by its content type."""
    if isinstance(model, ContentType):
        found = model.model_class()
        if found is None:
            raise ValueError(
                f"The relationship {name!r}: the {option} {model!r} is the content "
                f"type of {model.app_label}.{model.model}, which is not installed."
            )
        model = found
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
        return model
    if not (isinstance(model, ModelBase) and hasattr(model, "_meta")):
        raise TypeError(
            f"The relationship {name!r}: the {option} {model!r} is neither a model nor "
            "the name of one, nor a content type."
        )
    if model._meta.abstract:
        raise ValueError(
            f"The relationship {name!r}: the {option} {model._meta.label} is abstract. "
            "Name a concrete model instead."
        )
    return model


def checked_connection_model(name: str, model: Any) -> Any:
    """Return the model of connections as given, ``None`` for the default one."""
    if model is None:
        return None
    model = checked_model(name, "connection_model", model)
    if isinstance(model, str):
        return model
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
    return model


def checked_policies(
    name: str, symmetric: bool, on_delete: Any, on_delete_from: Any, on_delete_to: Any
) -> tuple[Any, Any]:
    """Return what becomes of connections when the object at either end is deleted."""
    given = {
        "on_delete": on_delete,
        "on_delete_from": on_delete if on_delete_from is None else on_delete_from,
        "on_delete_to": on_delete if on_delete_to is None else on_delete_to,
    }
    for option, policy in given.items():
        if policy not in POLICIES:
            raise ValueError(
                f"The relationship {name!r}: {option} must be CASCADE, PROTECT, "
                f"RESTRICT or DO_NOTHING of django.db.models, not {policy!r}."
            )
    if symmetric and given["on_delete_from"] is not given["on_delete_to"]:
        raise ValueError(
            f"The relationship {name!r} is symmetric, so that an object may be at "
            "either end: on_delete_from and on_delete_to must be the same. Use "
            "on_delete."
        )
    return given["on_delete_from"], given["on_delete_to"]


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
