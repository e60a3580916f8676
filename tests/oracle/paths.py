"""
Random paths over relations, as code.

To ask for a target of one model the library joins to the links of a source, whatever
they lead to, where a many-to-many has a table of its own (``differences``). Where
sources may have links to several models, code is written so that this does not show:

- all that is asked of the links of one join is about one model;
- expressions that would have a value for a link to another model, or repeat it, are
  for joins that a condition has restricted to links to the model.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st

from .schema import Model, Relation

#: How a path is used: by a condition that must hold, by one of several that may, by one
#: that is negated and so gets a subquery, by an expression, by one that ignores NULL.
MUST, MAY, NOT, VALUE, AGGREGATE = "must", "may", "not", "value", "aggregate"
#: Where a generic field is followed: the path to its source, and its name.
Hop = tuple[str, str]


class Path(NamedTuple):
    """A path to the model `end`, with the generic fields that it follows."""

    code: str
    end: str
    hops: tuple[Hop, ...] = ()

    def to(self, name: str) -> str:
        return f"{self.code}__{name}" if self.code else name

    def over(self, name: str, relation: Relation) -> Path:
        hops = (
            (*self.hops, (self.code, relation.field)) if relation.field else self.hops
        )
        return Path(self.to(f"<{name}>"), relation.to, hops)


class Paths:
    """
    What one query has joined. `schema` is what there is to join, and `linked` names the
    model for each generic field if its links lead to no other.
    """

    def __init__(
        self, draw: Any, schema: dict[str, Model], linked: dict[str, str], depth: int
    ) -> None:
        self.draw, self.schema, self.linked, self.depth = draw, schema, linked, depth
        #: The relation that the joined links are about, none if there are several.
        self.relations: dict[Hop, str] = {}
        #: The paths that a condition has restricted to links to their model.
        self.inner: set[str] = set()
        #: Whether links to other models repeat rows, and whether none may from now on.
        self.loose = self.closed = False
        #: The relation by which a manager of connections has found the objects.
        self.unlike = ""

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def seldom(self) -> bool:
        return self.draw(st.integers(0, 2)) == 2

    def path(
        self,
        model: str,
        use: str,
        *,
        many: bool = False,
        only: tuple[Hop, ...] | None = None,
    ) -> Path:
        """
        Return a path from `model`, over a relation to `many` at least if there is to be
        one, and over no generic field but those in `only`.
        """
        path = Path("", model)
        for number in range(max(many, self.one_of(1, 0, 1, 2))):
            relations = {
                name: relation
                for name, relation in self.schema[path.end].relations.items()
                if self.is_open(path, name, relation, use, only)
                and (relation.many or not many or number)
            }
            if not relations:
                break
            # More often those that are compared than what is Django's on both sides.
            compared = [name for name in relations if relations[name].managers[0]]
            name = self.one_of(*relations, *compared, *compared)
            path = self.follow(path, name, relations[name], use)
        return path

    def is_open(
        self, path: Path, name: str, relation: Relation, use: str, only: Any
    ) -> bool:
        """Whether `path` may go on over a relation."""
        if not relation.field:
            return bool(path.code) or name != self.unlike
        if self.linked:
            return self.linked[relation.field] == relation.to
        if use == NOT:
            return True
        hop = path.code, relation.field
        if self.closed or self.relations.get(hop, name) != name:
            return False
        if use == VALUE:
            return path.to(f"<{name}>") in self.inner
        return only is None or hop in only

    def follow(self, path: Path, name: str, relation: Relation, use: str) -> Path:
        longer = path.over(name, relation)
        if relation.field and use != NOT:
            self.relations[path.code, relation.field] = name
            self.loose = self.loose or use == MAY
            if use == MUST:
                self.inner.add(longer.code)
        return longer

    def column(self, model: str, use: str, **options: Any) -> tuple[Path, str]:
        """Return a path, and a column of the model at its end."""
        path = self.path(model, use, **options)
        return path, self.one_of(*self.schema[path.end].columns)

    def value(self, model: str, column: str) -> str:
        return self.one_of(*self.schema[model].columns[column])

    def key(self, model: str) -> str:
        return self.one_of(*self.schema[model].keys)
