"""
An object of any model as one string, ``app_label.model_name:pk``: what forms post and
REST interfaces send. It ends with the key, which may hold any character; labels hold no
colon.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from .keys import Key, pk_as


def identifier(obj: Model, model: type[Model] | None = None) -> str:
    """
    Return the string that identifies `obj` among the objects of all models, as one of
    `model` (its concrete model if ``None``). No queries.
    """
    model = model or obj._meta.concrete_model
    opts: Any = model._meta  # type: ignore[union-attr]
    return f"{opts.label_lower}:{Key(opts.pk).text(pk_as(obj, opts.model))}"


def split_identifier(value: Any) -> tuple[str, str]:
    """
    Return the label of the model and the text of the key in `value`. Raise
    ``ValueError`` if it is no identifier; whether there is such a model, and such an
    object of it, is for the caller to say.
    """
    if isinstance(value, str):
        label, colon, key = value.partition(":")
        if colon and len([part for part in label.split(".") if part]) == 2:
            return label, key
    raise ValueError(
        f"{value!r} does not identify an object: it should be "
        "'app_label.model_name:pk', such as 'library.movie:1'."
    )
