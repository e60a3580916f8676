"""
The "rels": records of the two ends of a relation, as Django wants them.

``GM2MRel``
    ``GM2MField.remote_field``. To Django it leads to a model of content types. It
    is hidden: what a target sees are the next two, one of each per target model.
``ReverseRel``
    The many-to-many as seen from a target: ``Movie._meta.get_field("user")``.
``TargetRel``
    From a target to its rows in the through table. It is hidden, carries the
    deletion policy and is the first step of every join that starts at a target.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.fields.related import ForeignObjectRel, ManyToManyRel
from django.db.models.query_utils import PathInfo

if TYPE_CHECKING:
    from .deletion import OnDelete
    from .fields import GM2MField
    from .relations import TargetKey


def hidden_name(*parts: str) -> str:
    """
    Return a name for a hidden relation, which users never type. Django's lookups can
    take it apart from others, since it holds no separator and is no identifier.
    """
    return re.sub("_{2,}", "_", ".".join(parts)) + "+"


class GM2MRel(ManyToManyRel):
    """The remote field of a ``GM2MField``."""

    hidden = True
    field: Any
    model: Any
    through: Any

    @cached_property
    def name(self) -> str:
        # Not the query name: it would shadow a real relation of ContentType, whose
        # map of fields holds hidden ones too.
        return hidden_name(self.field.model._meta.label_lower, self.field.name)

    def get_accessor_name(self, model: type[Model] | None = None) -> str:
        # The same: checks compare it with names on ContentType.
        return self.name

    def get_related_field(self) -> Any:
        return self.model._meta.pk


class ReverseRel(ManyToManyRel):
    """
    The relation from one target model to the source, as an ordinary many-to-many.

    In the example: ``Movie._meta.get_field("user")``. Its `field` is the
    ``GM2MField``, its `related_model` the source, its `model` the target.
    """

    field: Any

    #: The field of the through model that makes the first step to the source.
    target_key: TargetKey

    def __init__(self, field: GM2MField, model: type[Model], *, visible: bool):
        rel = field.remote_field
        super().__init__(
            field,
            model,
            related_name=field.accessor_name,
            related_query_name=field.related_query_name(),
            symmetrical=False,
            through=rel.through,
            through_fields=rel.through_fields,
        )
        # Django's constructor takes it only without a through model.
        self.db_constraint = rel.db_constraint
        if not visible:
            self.hidden = True
            self.name = hidden_name(
                self.model._meta.label_lower, field.model._meta.label_lower, field.name
            )

    @property
    def parent_link(self) -> bool:
        # Multi-table children have a relation of their own, for links of their own
        # class, under the same name: Options.get_fields() passes by what it takes
        # for the parent's end of a link between parent and child.
        return True

    @parent_link.setter
    def parent_link(self, value: bool) -> None:
        """Django's constructor sets it."""

    def get_related_field(self) -> Any:
        return self.model._meta.pk

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        source = self.field.links.source
        return [
            *self.target_key.reverse_path_infos,
            *(
                source.get_path_info(filtered_relation)
                if filtered_relation
                else source.path_infos
            ),
        ]


class TargetRel(ForeignObjectRel):
    """
    The hidden relation from one target model to its rows in the through table.

    Django's deletion collector finds it in the target's ``_meta`` and asks its
    `on_delete` what to do with them.
    """

    hidden = True
    # By the flags of its field, which are those of a GenericRelation, these would be
    # the wrong way round.
    many_to_many = False
    many_to_one = False
    one_to_many = True
    one_to_one = False
    field: TargetKey

    def __init__(self, field: TargetKey, to: type[Model], on_delete: OnDelete):
        super().__init__(field, to, on_delete=on_delete)

    @cached_property
    def name(self) -> str:
        gm2m = self.field.gm2m
        return hidden_name(
            self.model._meta.label_lower,
            gm2m.model._meta.label_lower,
            gm2m.name,
            "through",
        )

    def get_accessor_name(self, model: type[Model] | None = None) -> str:
        return self.name

    def get_related_field(self) -> Any:
        return self.model._meta.pk
