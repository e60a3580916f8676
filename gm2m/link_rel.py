"""
``LinkRel``: the way from a source to its links, the first step of all lookups through a
``GM2MField``.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db.models import CompositePrimaryKey, ForeignKey, Q
from django.db.models.expressions import Col
from django.db.models.fields.related import ManyToOneRel
from django.db.models.query_utils import FilteredRelation, PathInfo

from .exclusion import FirstSourceExact, first_field
from .lookup_names import field_names, unknown_name
from .lookups import LinkExact, LinkIn, LinkIsNull

if TYPE_CHECKING:
    from .fields import GM2MField


class LinkRel(ManyToOneRel):
    """
    The relation from the source to its rows in the through table, as lookups on a
    ``GM2MField`` see it.

    It joins as the reverse side of the through's source key does. To Django it is
    no relation, so that the values of lookups are judged by our own lookups alone.
    """

    is_relation = False

    def __init__(self, gm2m: GM2MField, source: ForeignKey[Any, Any]):
        # Equal to the rel of the source key, so that queries share their joins.
        vars(self).update(vars(source.remote_field))
        self.gm2m = gm2m
        self.field = first_field(self, FirstSourceExact)

    @cached_property
    def link_key(self) -> Any:
        """The primary key of links, for which the field stands among columns."""
        key: Any = copy.copy(self.gm2m.through._meta.pk)
        if not isinstance(key, CompositePrimaryKey):
            key.gm2m = self.gm2m
            key.get_col = lambda alias, output_field=None: LinkCol(
                alias, key, output_field
            )
        return key

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        if filtered_relation is not None:
            filtered_relation = about_itself(filtered_relation)
        through = self.gm2m.through._meta
        return [
            PathInfo(
                from_opts=self.gm2m.model._meta,
                to_opts=through,
                target_fields=(self.link_key,),
                join_field=self,  # type: ignore[arg-type]
                m2m=True,
                direct=False,
                filtered_relation=filtered_relation,
            )
        ]

    def get_lookup(self, lookup_name: str) -> type[Any]:
        return LINK_LOOKUPS.get(lookup_name) or self.get_transform(lookup_name)

    def get_transform(self, lookup_name: str) -> Any:
        choices = (*field_names(self.gm2m.through._meta), *LINK_LOOKUPS)
        raise unknown_name(self.gm2m, lookup_name, choices)


class LinkCol(Col):
    """A reference to a link in a query."""

    def get_transform(self, name: str) -> Any:
        through: Any = self.target.model
        owner = getattr(self.target, "gm2m", through._meta.label)
        raise unknown_name(owner, name, (*field_names(through._meta), *LINK_LOOKUPS))


def about_itself(filtered: FilteredRelation) -> FilteredRelation:
    """
    Return a ``FilteredRelation`` of a ``GM2MField`` whose condition on the field is one
    on the rows that it joins.

    Django gives the relation's alias to conditions on what is behind it alone. A
    many-to-many itself is compared in the join before; here there is none.
    """

    def renamed(child: Any) -> Any:
        if isinstance(child, Q):
            return Q.create(
                [*map(renamed, child.children)], child.connector, child.negated
            )
        if isinstance(child, tuple) and child[0] == filtered.relation_name:
            return filtered.alias, child[1]
        return child

    clone: Any = filtered.clone()
    clone.condition = renamed(filtered.condition)
    return clone  # type: ignore[no-any-return]


LINK_LOOKUPS: dict[Any, type[Any]] = {
    lookup.lookup_name: lookup for lookup in (LinkExact, LinkIn, LinkIsNull)
}
