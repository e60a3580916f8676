"""
``GM2MField``, and the map of the package.

To Django the field is a ``ManyToManyField`` to content types whose through table
has one more column, the key of the target. What a reader meets, in this order:

1.  *Declared*: ``GM2MField.__init__()`` checks its arguments (``declaration``) and
    builds the rel (``reverse_related.GM2MRel``).
2.  *Prepared*: Django calls ``contribute_to_class()`` for each concrete source. It
    makes the through model (``through.create_through_model()``) or waits for the
    custom one, and puts the accessor on the class (``descriptors``).
3.  *Published*: for each target model (``related_models``), at once or when an object
    of it is first linked, ``registry.relate()`` adds the two private fields of a
    relation (``relations``) to the through model. Django derives all else from them:
    the target's ``_meta``, the joins, and deletion by its collector (``deletion``).
    What earlier processes have linked is found by ``discovery``.
4.  *Used*: accessor (``descriptors``) → manager (``managers``, ``reverse_managers``)
    → rows (written by ``linking`` with ``inserts``, read by ``query`` and
    ``fetching``) → ``targets``. Rows come in ``link_order``, lists are combined by
    ``set_operations``. Where a parent's manager yields its children, ``subclasses``
    says which rows link one object.
    Conditions on targets are ``lookups``, their SQL is in ``comparisons``; they begin
    with ``link_rel``, and negated ones are in ``exclusion``. What a key is, is in
    ``keys`` and ``kinds``; many sources at once are ``prefetch``, with
    ``target_lists``. Fixtures have ``references`` for targets (``serialization``).
5.  *Chosen*: what the field is to forms is in ``model_forms``, their field in
    ``forms``, and the admin has a package of its own (``admin``). What a choice may
    remove is in ``offers``.
6.  *Migrated*: ``deconstruct()`` names what the database depends on. Historical
    models have the field with its forward manager, and no reverse relations. Tables of
    other origin become its own by ``operations`` (``indexes``, ``conversions``,
    ``generic_throughs``).
7.  *Examined*: what is wrong with the rows of a database is found by ``integrity``,
    ``spelling`` and ``key_columns``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import CASCADE, ManyToManyField, Model
from django.db.models.fields.related import RelatedField, lazy_related_operation
from django.db.models.query_utils import PathInfo
from django.db.models.signals import class_prepared
from django.utils.translation import gettext_lazy as _

from . import registry
from .checks import check_field
from .declaration import (
    NOT_GIVEN,
    REMOTE_MODEL,
    as_text,
    check_limit_choices_to,
    check_model,
    check_names,
    check_on_delete,
    check_options,
    check_through,
    check_to,
)
from .deletion import OnDelete
from .descriptors import GM2MDescriptor, PrefetchSlot, prefetch_slot
from .generics import Target_co, TypedField
from .link_rel import LinkRel
from .model_forms import ModelFormsMixin
from .related_managers import ManagerClasses
from .related_models import Awaited, RelatedModelsMixin
from .reverse_managers import ReverseManager
from .reverse_related import GM2MRel
from .serialization import create_facade
from .through import ThroughFields, create_through_model

PK_MAXLENGTH = 16


class GM2MField(RelatedModelsMixin, ModelFormsMixin, TypedField[Target_co]):
    """
    A many-to-many relation to objects of any models.

    In the example::

        class User(models.Model):
            preferred_videos = GM2MField()

    `related_models` are classes or names (``"app.Movie"``, ``"Movie"``, ``"self"``, a
    setting such as ``settings.AUTH_USER_MODEL``) of models that get their reverse
    relation when the classes are prepared; objects of others can be linked as well.

    The options of ``ManyToManyField`` are those of Django, apart from `symmetrical`,
    which there is not. `for_concrete_model` is that of ``GenericForeignKey``;
    `pk_maxlength` the length of the text column that keeps the keys of targets, and
    ``None`` for no limit; `on_delete`, or `on_delete_src` and `on_delete_tgt` for one
    side each, what becomes of the links when an object is deleted;
    `limit_choices_to` what forms offer, for all models or by model; `editable` whether
    they have the field, by default if it declares models.

    Raises ``TypeError`` or ``ValueError`` for wrong arguments.
    """

    #: Whether indexes of the through table begin with the type of the target.
    type_leads_indexes = False

    description = _("Generic many-to-many relationship")
    rel_class = GM2MRel
    remote_field: GM2MRel
    # Django's own, for type checkers.
    model: Any
    m2m_db_table: Any
    _check_related_name_is_valid: Any
    _check_ignored_options: Any
    _check_table_uniqueness: Any
    _get_m2m_db_table: Any

    def __init__(
        self,
        *related_models: type[Model] | str,
        related_name: str | None = None,
        related_query_name: str | None = None,
        through: type[Model] | str | None = None,
        through_fields: Sequence[str] | None = None,
        db_table: str | None = None,
        db_constraint: bool = True,
        for_concrete_model: bool = True,
        pk_maxlength: int | None = NOT_GIVEN,
        on_delete: OnDelete = CASCADE,
        on_delete_src: OnDelete | None = None,
        on_delete_tgt: OnDelete | None = None,
        limit_choices_to: Any = None,
        editable: bool | None = None,
        to: Any = None,
        **options: Any,
    ) -> None:
        related_models = as_text(related_models)
        related_name, related_query_name = as_text((related_name, related_query_name))
        through, through_fields, to = as_text((through, through_fields, to))
        db_table = as_text(db_table)
        check_options(options, GM2MField)
        check_to(to)
        for model in related_models:
            check_model(model, "related model")
        check_names(related_name=related_name, related_query_name=related_query_name)
        check_through(through, through_fields, db_table, db_constraint, pk_maxlength)
        for option, policy in (
            ("on_delete", on_delete),
            ("on_delete_src", on_delete_src or on_delete),
            ("on_delete_tgt", on_delete_tgt or on_delete),
        ):
            check_on_delete(policy, option)
        check_limit_choices_to(limit_choices_to)
        if through is None:
            # The existing library's migrations name those of the automatic through.
            through_fields = None
        super().__init__(
            REMOTE_MODEL,
            related_name=related_name,
            related_query_name=related_query_name,
            limit_choices_to=limit_choices_to,
            symmetrical=False,
            through=through,
            through_fields=through_fields,  # type: ignore[arg-type]
            db_constraint=db_constraint,
            db_table=db_table,
            **options,
        )
        self.related_models = related_models
        self.for_concrete_model = for_concrete_model
        self.pk_maxlength = PK_MAXLENGTH if pk_maxlength is NOT_GIVEN else pk_maxlength
        self.on_delete_src = on_delete_src or on_delete
        self.on_delete_tgt = on_delete_tgt or on_delete
        # Not the default that Django's constructor has set.
        self.is_editable = editable
        self.relations = {}
        self.target_classes = {}
        self.awaited = []

    def deconstruct(self) -> Any:
        """
        Name what the database depends on: not the related models, and neither what
        becomes of links nor what forms offer.
        """
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("limit_choices_to", None)
        kwargs.pop("editable", None)
        if self.is_editable is not None and not self.is_editable:
            kwargs["editable"] = False
        # Django asks for it: its autodetector compares the `to` of many-to-many fields.
        kwargs["to"] = REMOTE_MODEL.lower()
        if not self.for_concrete_model:
            kwargs["for_concrete_model"] = False
        if self.pk_maxlength != PK_MAXLENGTH:
            kwargs["pk_maxlength"] = self.pk_maxlength
        if "through" in kwargs and (names := self._all_through_fields()):
            kwargs["through_fields"] = names
        if hasattr(self.on_delete_src, "on_delete_sql"):
            kwargs["on_delete_src"] = self.on_delete_src
        return name, path, args, kwargs

    def _all_through_fields(self) -> list[str]:
        """
        Return the four names, by which a historical model knows its columns; those
        that were given where the through model is not there or not right.
        """
        if self.is_sound:
            return list(self.links.names)
        return list(self.remote_field.through_fields or ())

    def clone(self) -> GM2MField:
        clone: GM2MField = super().clone()
        clone.related_models = self.related_models
        clone.on_delete_src = self.on_delete_src
        clone.on_delete_tgt = self.on_delete_tgt
        clone.remote_field.limit_choices_to = self.remote_field.limit_choices_to
        clone.is_editable = self.is_editable
        return clone

    def check(self, **kwargs: Any) -> list[Any]:
        return [
            # Not ManyToManyField's own: they are about the two models of a relation.
            *super(RelatedField, self).check(**kwargs),
            *self._check_related_name_is_valid(),
            *self._check_ignored_options(**kwargs),
            *check_field(self, kwargs.get("databases")),
            *self._check_tables(**kwargs),
        ]

    def _check_tables(self, **kwargs: Any) -> Any:
        if isinstance(self.remote_field.through, str):
            return []
        return self._check_table_uniqueness(**kwargs)

    # Preparation of the source.

    def contribute_to_class(
        self, cls: Any, name: str, *args: Any, **kwargs: Any
    ) -> None:
        rel = self.remote_field
        # Abstract models hand copies to their children: they start anew.
        rel.model = REMOTE_MODEL
        self.relations, self.target_classes, self.awaited = {}, {}, []
        self.reverse_manager_classes = ManagerClasses(ReverseManager, "Related")
        # Not ManyToManyField's: it would make its own through and descriptors.
        if rel.related_query_name and not cls._meta.abstract:
            # Django fills in the other placeholders, which related_name has too.
            rel.related_query_name = rel.related_query_name.replace(
                "%(model_name)s", cls._meta.model_name
            )
        super(ManyToManyField, self).contribute_to_class(cls, name, *args, **kwargs)
        if not self.is_historical:
            # As of Django 6.1. Before, schema editors go by the column of historical
            # many-to-manys, as if there were one.
            self.column, self.concrete = None, False
        setattr(cls, self.name, GM2MDescriptor(self))
        setattr(cls, prefetch_slot(self.name), PrefetchSlot(self))
        self.m2m_db_table = partial(self._get_m2m_db_table, cls._meta)
        if cls._meta.abstract:
            return
        if rel.through:
            lazy_related_operation(self._through_prepared, cls, rel.through)
        elif not cls._meta.swapped:
            rel.through = create_through_model(self, cls)
        if not (self.is_historical or cls._meta.swapped):
            self.awaited = [
                Awaited(model, None, by_checks=True) for model in self.related_models
            ]
            class_prepared.connect(self._model_prepared)

    def do_related_class(self, other: type[Model], cls: type[Model]) -> None:
        # Django has resolved "contenttypes.ContentType", in whose class this field is
        # not to leave anything.
        self.remote_field.model = create_facade(self)
        for relation in self.relations.values():
            registry.show_on_facade(self, relation)

    def _through_prepared(self, source: type[Model], through: type[Model]) -> None:
        self.remote_field.through = through

    def _model_prepared(self, sender: type[Model], **kwargs: Any) -> None:
        registry.model_prepared(self, sender)
        self.await_models(sender)

    # What others ask about the field.

    @property
    def is_sound(self) -> bool:
        """Whether the through model is there and has what makes a link."""
        try:
            return self.links is not None
        except ImproperlyConfigured:
            return False

    @property
    def reverse_hidden(self) -> bool:
        """Whether targets are to have no accessor and no query name."""
        return (self.remote_field.related_name or "").endswith("+")

    @property
    def accessor_name(self) -> str:
        """The name of the accessor on targets."""
        return self.remote_field.related_name or f"{self.model._meta.model_name}_set"

    def related_query_name(self) -> str:
        name: str = (
            self.remote_field.related_query_name
            or self.remote_field.related_name
            or self.model._meta.model_name
        )
        return name

    @property
    def through(self) -> type[Model]:
        """The through model."""
        through: type[Model] = self.remote_field.through
        return through

    @cached_property
    def links(self) -> ThroughFields:
        """The fields of the through model that make a link."""
        return ThroughFields.resolve(self)

    # Lookups.

    @cached_property
    def link_rel(self) -> LinkRel:
        return LinkRel(self, self.links.source)

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        return self.link_rel.get_path_info(filtered_relation)

    @cached_property
    def path_infos(self) -> list[PathInfo]:
        return self.get_path_info()

    # What Django's schema editor and introspection ask of a ManyToManyField.

    def m2m_field_name(self) -> str:
        return self.links.source.name

    def m2m_reverse_field_name(self) -> str:
        return self.links.content_type.name

    def m2m_column_name(self) -> str:
        return self.links.source.column

    def m2m_reverse_name(self) -> str:
        # SQLite copies a renamed table with the columns of a many-to-many, which it
        # joins without quoting them: the only use of this method.
        return f'"{self.links.content_type.column}", "{self.links.key_field.column}"'

    def m2m_target_field_name(self) -> str:
        return self.links.source.target_field.name

    def m2m_reverse_target_field_name(self) -> str:
        return self.links.content_type.target_field.name

    def get_limit_choices_to(self) -> Any:
        # Asked by code that applies it to the facade, where there is nothing to limit,
        # and which a limit for each model would crash. See ``limits.limit_of()``.
        return {}
