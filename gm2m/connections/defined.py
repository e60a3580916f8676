"""The relationships that are defined, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ObjectDoesNotExist

if TYPE_CHECKING:
    from .relationship import Relationship


class RelationshipDoesNotExist(ObjectDoesNotExist):
    """No relationship of that name is defined."""


class Defined:
    """What is found by its name: the base of ``Relationship``."""

    name: str


#: Every relationship, by its name. On some databases names are compared without regard
#: to case, so the keys are in lower case.
relationships: dict[str, Relationship] = {}


def get_relationship(name: str | Relationship) -> Relationship:
    """
    Return the relationship called `name`, or `name` if it is one. Raise
    ``RelationshipDoesNotExist`` if there is none. No queries.
    """
    if isinstance(name, Defined):
        return name
    found = relationships.get(str(name).lower())
    if found is None or found.name != name:
        raise RelationshipDoesNotExist(
            f"No relationship is called {name!r}. Define it in the 'relationships' "
            "module of an installed app."
        )
    return found
