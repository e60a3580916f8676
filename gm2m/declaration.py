"""
The arguments of a ``GM2MField``, judged as soon as they are given.

Each function raises ``TypeError`` or ``ValueError`` with the argument in the message.
What only the loaded project can tell is left to the system checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from inspect import signature
from typing import Any

from django.db.models import SET_DEFAULT, SET_NULL, Field, ManyToManyField, Q
from django.db.models.base import ModelBase

from .limits import is_by_model
from .through import AUTOMATIC_FIELDS

#: What Django takes the field to lead to.
REMOTE_MODEL = "contenttypes.ContentType"
#: Stands for an argument that was left out, where ``None`` is one of the values.
NOT_GIVEN: Any = object()


def as_text(value: Any) -> Any:
    """
    Return a name that migrations written by Python 2 have as bytes, such as
    ``b"gm2m_src"``, or a list of them, as text; all else as it is.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(map(as_text, value))
    return value.decode() if isinstance(value, bytes) else value


def check_model(model: Any, option: str) -> None:
    """Raise an error for what is neither a concrete model nor the name of a model."""
    if isinstance(model, str):
        parts = model.split(".")
        if len(parts) > 2 or not all(part.isidentifier() for part in parts):
            raise ValueError(
                f"GM2MField(): the {option} {model!r} is no name of a model. Use "
                "'app_label.Model' or 'Model'."
            )
        return
    if not (isinstance(model, ModelBase) and hasattr(model, "_meta")):
        raise TypeError(
            f"GM2MField(): the {option} {model!r} is neither a model nor the name of "
            "one."
        )
    if model._meta.abstract:
        raise ValueError(
            f"GM2MField(): the {option} {model._meta.label} is abstract. Name a "
            "concrete model instead."
        )


def check_to(to: Any) -> None:
    """
    Raise ``TypeError`` unless `to` is what migrations have, for Django's autodetector.
    """
    if to is None or (isinstance(to, str) and to.lower() == REMOTE_MODEL.lower()):
        return
    raise TypeError(
        f"GM2MField(): to={to!r} is not how related models are named. Pass them by "
        f"position: GM2MField({to!r})."
    )


def parameters(field_class: type[Any]) -> set[str]:
    """Return the names of the arguments of a class of fields."""
    return set(signature(field_class.__init__).parameters)


#: Those of Django's many-to-many field. The rest is the field's own to set.
DJANGO_OPTIONS = parameters(ManyToManyField) | parameters(Field)
DJANGO_OPTIONS -= {"self", "kwargs", "rel", "symmetrical"}


def check_options(options: Iterable[str], field_class: type[Any]) -> None:
    """
    Raise ``TypeError`` for one of the `options`, which are none of `field_class`, that
    Django's many-to-many field does not have either.
    """
    for option in options:
        if option == "symmetrical":
            raise TypeError(
                "GM2MField() has no option 'symmetrical': a generic relation, to "
                "'self' too, is never symmetrical."
            )
        if option not in DJANGO_OPTIONS:
            known = DJANGO_OPTIONS | parameters(field_class) - {"self", "options"}
            near = get_close_matches(option, sorted(known), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"GM2MField() has no option {option!r}.{hint}")


def check_names(**names: Any) -> None:
    """Raise ``TypeError`` for a name that is no string."""
    for option, name in names.items():
        if not (name is None or isinstance(name, str)):
            raise TypeError(f"GM2MField(): {option} must be a string, not {name!r}.")


def check_through(
    through: Any,
    through_fields: Any,
    db_table: Any,
    db_constraint: Any,
    pk_maxlength: Any,
) -> None:
    """Raise an error for options of the through model that are wrong or clash."""
    if through_fields is not None and (
        not isinstance(through_fields, (list, tuple))
        or not all(isinstance(name, str) for name in through_fields)
        or len(through_fields) > len(AUTOMATIC_FIELDS)
    ):
        raise ValueError(
            "GM2MField(): through_fields must be a list of two to four names (source "
            "key, generic key, content type field, key field), not "
            f"{through_fields!r}."
        )
    if through is None:
        if through_fields and tuple(through_fields) != AUTOMATIC_FIELDS:
            raise ValueError(
                f"GM2MField(): through_fields={through_fields!r} needs a through model."
            )
    else:
        check_model(through, "through model")
        for option, clashes in (
            ("db_table", db_table is not None),
            ("db_constraint=False", not db_constraint),
            ("pk_maxlength", pk_maxlength is not NOT_GIVEN),
        ):
            if clashes:
                raise ValueError(
                    f"GM2MField(): {option} is for the automatic through model and "
                    "cannot be given together with through. Set it on that model."
                )
    if pk_maxlength is not NOT_GIVEN and pk_maxlength is not None:
        if not isinstance(pk_maxlength, int) or isinstance(pk_maxlength, bool):
            raise TypeError(
                "GM2MField(): pk_maxlength must be a number or None, not "
                f"{pk_maxlength!r}."
            )
        if pk_maxlength < 1:
            raise ValueError(
                f"GM2MField(): pk_maxlength must be positive, not {pk_maxlength!r}."
            )


def check_limit_choices_to(value: Any) -> None:
    """
    Raise ``TypeError`` for what is neither what Django's option takes nor a mapping
    from models to it, ``ValueError`` for a name that is none of a model.
    """
    by_model = is_by_model(value)
    for limit in value.values() if by_model else [value]:
        if not (limit is None or isinstance(limit, (Mapping, Q)) or callable(limit)):
            raise TypeError(
                "GM2MField(): limit_choices_to must be a dict, a Q object, a callable, "
                f"or a mapping from models to these, not {value!r}."
            )
    for model in value if by_model else ():
        check_model(model, "model in limit_choices_to")
        if isinstance(model, str) and "." not in model:
            raise ValueError(
                f"GM2MField(): limit_choices_to has {model!r} beside models. Give the "
                "limits of each model, by its class or as 'app_label.Model'."
            )


def check_on_delete(policy: Any, option: str) -> None:
    """
    Raise ``TypeError`` for what is no policy, ``ValueError`` for one that cannot be
    carried out on links.
    """
    if not callable(policy):
        raise TypeError(f"GM2MField(): {option} must be a policy, not {policy!r}.")
    name = getattr(policy, "__name__", repr(policy))
    in_database = hasattr(policy, "on_delete_sql")
    if policy in (SET_NULL, SET_DEFAULT) or hasattr(policy, "deconstruct"):
        unfit = True
    else:
        unfit = in_database and name != "DB_CASCADE"
    if unfit:
        raise ValueError(
            f"GM2MField(): {option}={name} is no policy for links, which cannot be "
            "without one of their ends."
        )
    if in_database and option != "on_delete_src":
        raise ValueError(
            f"GM2MField(): {option}={name} cannot be carried out by the database for "
            "targets of any model. Use it as on_delete_src alone."
        )
