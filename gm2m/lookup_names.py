"""
The names with which a lookup can go on, for the errors that list them: those of Django
name the class of a helper, or have no choices at all.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldError


def unknown_name(owner: object, name: str, choices: Iterable[str]) -> FieldError:
    """Return the error for a lookup through `owner` that goes on with `name`."""
    names = [*dict.fromkeys(choices)]
    # Model names are in lower case, and often what was meant are their classes.
    nearest = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"Perhaps you meant {nearest[0]!r}. " if nearest else ""
    return FieldError(
        f"{owner} has no related model, field or lookup {name!r}. {hint}"
        f"Choices are: {', '.join(names)}"
    )


def field_names(opts: Any) -> list[str]:
    """Return the names of the fields and relations of a model in lookups."""
    return sorted(
        {
            field.name
            for field in opts.get_fields()
            # Not generic foreign keys, through which nothing can be looked up.
            if not field.is_relation or field.related_model is not None
        }
    )
