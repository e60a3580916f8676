"""
What a form or a serializer has offered, and so may remove.

Whoever posts a choice says nothing about objects that were not offered: their links
stay. But on its way to the manager the choice passes through the project's own code,
which may sort it, filter it or put another in its place. So the offer is known in two
ways: the list that was chosen carries it, and so do lists that list operations make of
it; and the form or serializer is remembered by the instance whose links it is about
(``leave()``), so that what it has validated in the end is found to come from it.

A list that has nothing to do with it replaces all links, as in Django.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

from django.db.models import Model

if TYPE_CHECKING:
    from .linking import Other

#: Returns those of the given ends, which are linked and not chosen, that may go.
Removable = Callable[[Sequence["Other"]], list["Other"]]


class ChosenObjects(list[Any]):
    """
    The objects that were chosen, each once, in the order in which they were sent: what
    forms and serializers return. A manager that sets them keeps the links that were not
    on offer, which costs a query or two for each model of which links go.
    """

    removable: Removable | None

    def __init__(self, objs: Iterable[Any] = (), removable: Any = None) -> None:
        super().__init__(objs)
        self.removable = removable

    def _like(self, objs: Iterable[Any]) -> ChosenObjects:
        return ChosenObjects(objs, self.removable)

    def copy(self) -> ChosenObjects:
        return self._like(self)

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return self._like(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Any:
        return self._like(super().__add__(other))

    def __radd__(self, other: Any) -> Any:
        return self._like([*other, *self])

    def __mul__(self, number: Any) -> Any:
        return self._like(super().__mul__(number))

    __rmul__ = __mul__


class Chooser:
    """
    A field of a form or a serializer, the `owner`, whose validated values are in the
    owner's attribute `data`, there called `name`.
    """

    def __init__(self, owner: Any, field_name: str, data: str, name: str) -> None:
        self.owner = ref(owner)
        self.field_name, self.data, self.name = field_name, data, name

    def replaced_by(self, other: Chooser) -> bool:
        """Return whether `other` is the same field of the same owner."""
        same = other.owner() is self.owner()
        return same and other.field_name == self.field_name

    def chosen(self, value: Any, objs: tuple[Any, ...]) -> ChosenObjects | None:
        """
        Return what was chosen if `value`, which has these `objs`, comes from it: if it
        is what was validated in the end, or has objects of the choice alone.
        """
        owner = self.owner()
        if owner is None or self.field_name not in owner.fields:
            return None
        chosen: ChosenObjects | None = owner.fields[self.field_name].chosen
        if chosen is None:
            return None
        values = getattr(owner, self.data, None) or {}
        if values.get(self.name) is value:
            return chosen
        known = set(map(id, chosen))
        return chosen if objs and known.issuperset(map(id, objs)) else None


class Choosers(list[Chooser]):
    """The choosers that an instance remembers; a pickle of it does not."""

    def __reduce__(self) -> Any:
        return Choosers, ()


def leave(instance: Model, chooser: Chooser) -> None:
    """
    Let `instance` remember that `chooser` is about its links. It does so no longer than
    the form or serializer lives, and only for values that come from it.
    """
    state = vars(instance._state)
    others = (
        other
        for other in state.get("gm2m_choosers", ())
        if other.owner() is not None and not other.replaced_by(chooser)
    )
    state["gm2m_choosers"] = Choosers([*others, chooser])


def removable_for(
    instance: Model, value: Any, objs: tuple[Any, ...]
) -> Removable | None:
    """
    Return what tells the links that go when `value`, which has these `objs`, is set for
    `instance`; ``None`` if all do that are not among them.
    """
    if isinstance(value, ChosenObjects):
        return value.removable
    for chooser in vars(instance._state).get("gm2m_choosers", ()):
        chosen: ChosenObjects | None = chooser.chosen(value, objs)
        if chosen is not None:
            return chosen.removable
    return None
