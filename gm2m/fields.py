"""
``GM2MField``, and the map of the package.

To Django the field is a ``ManyToManyField`` to content types whose through table
has one more column, the key of the target. What a reader meets, in this order:

1.  *Declared*: ``GM2MField.__init__()`` checks its arguments and builds the rel
    (``reverse_related.GM2MRel``).
2.  *Prepared*: Django calls ``contribute_to_class()`` for each concrete source. It
    makes the through model (``through.create_through_model()``) or waits for the
    custom one, and puts the accessor on the class (``descriptors``).
3.  *Published*: for each target model, at once or when an object of it is first
    linked, ``registry.relate()`` adds the two private fields of a relation
    (``relations``) to the through model. Django derives all else from them: the
    target's ``_meta``, the joins, and deletion by its collector (``deletion``).
4.  *Used*: accessor (``descriptors``) → manager (``managers``) → rows (``query``) →
    targets. Conditions on targets are ``lookups``; what a key is, in Python and in
    SQL, is in ``keys``; going on from targets of several models is ``prefetch``.
5.  *Chosen*: what the field is to forms is in ``model_forms``, their field in
    ``forms``, and the admin has a package of its own (``admin``).
6.  *Migrated*: ``deconstruct()`` names what the database depends on. Historical
    models have the field with its forward manager, and no reverse relations. Tables of
    other origin become its own by ``operations`` (``indexes``, ``conversions``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.state import StateApps
from django.db.models import CASCADE, ManyToManyField, Model, QuerySet
from django.db.models.fields.related import (
    RECURSIVE_RELATIONSHIP_CONSTANT,
    RelatedField,
    lazy_related_operation,
    resolve_relation,
)
from django.db.models.query_utils import PathInfo
from django.db.models.signals import class_prepared
from django.utils.translation import gettext_lazy as _

from . import registry
from .checks import check_field
from .declaration import (
    NOT_GIVEN,
    check_limit_choices_to,
    check_model,
    check_names,
    check_on_delete,
    check_through,
)
from .deletion import OnDelete
from .descriptors import GM2MDescriptor, PrefetchSlot, prefetch_slot
from .generics import Target_co, TypedField
from .keys import (
    Key,
    Target,
    check_length,
    check_target_model,
    content_type,
    target_class,
)
from .model_forms import ModelFormsMixin
from .references import Reference
from .relations import LinkRel, Relation
from .reverse_related import GM2MRel
from .serialization import create_facade
from .through import ThroughFields, create_through_model

#: What Django takes the field to lead to.
REMOTE_MODEL = "contenttypes.ContentType"
PK_MAXLENGTH = 16


class GM2MField(ModelFormsMixin, TypedField[Target_co]):
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
        # `to` is in our own migrations, for Django's autodetector, and says nothing.
        if "symmetrical" in options:
            raise TypeError(
                "GM2MField() has no option 'symmetrical': a generic relation, to "
                "'self' too, is never symmetrical."
            )
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
        self.relations: dict[type[Model], Relation] = {}
        #: What ``target_of()`` has found out about classes.
        self.target_classes: dict[type[Any], tuple[type[Model], Key]] = {}

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
        rel.model, self.relations, self.target_classes = REMOTE_MODEL, {}, {}
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
            class_prepared.connect(self._model_prepared)
            for model in self.related_models:
                lazy_related_operation(self._target_prepared, cls, model, rel.through)

    def do_related_class(self, other: type[Model], cls: type[Model]) -> None:
        # Django has resolved "contenttypes.ContentType", in whose class this field is
        # not to leave anything.
        self.remote_field.model = create_facade(self)
        for relation in self.relations.values():
            registry.show_on_facade(self, relation)

    def _through_prepared(self, source: type[Model], through: type[Model]) -> None:
        self.remote_field.through = through

    def _target_prepared(
        self, source: type[Model], model: type[Model], through: type[Model]
    ) -> None:
        try:
            self.check_target_model(model)
        except (ImproperlyConfigured, TypeError):
            return  # The checks say what is wrong.
        registry.relate(self, self.linked_as(model), declared=True)

    def _model_prepared(self, sender: type[Model], **kwargs: Any) -> None:
        registry.model_prepared(self, sender)

    # What others ask about the field.

    @property
    def is_historical(self) -> bool:
        """Whether the field is one of a migration's state, which knows no targets."""
        return isinstance(self.model._meta.apps, StateApps)

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

    def linked_as(self, model: Any) -> Any:
        """Return the model under whose content type objects of `model` are linked."""
        return model._meta.concrete_model if self.for_concrete_model else model

    def content_type_of(self, model: type[Model], using: str) -> ContentType:
        """Return the content type of `model` in the database `using`."""
        found: ContentType = content_type(model, using, self.for_concrete_model)
        return found

    def type_of(self, model: type[Model], using: str) -> Any:
        """Return what links to `model` have in their type column in `using`."""
        return self.content_type_of(model, using).pk

    def target_of(self, obj: Any, *, to_write: bool = True) -> Target:
        """
        Return `obj` as the through table knows it. Raise ``TypeError`` for what cannot
        be a target, ``ValueError`` for an object without a key or, if it is there
        `to_write` a link, with too long a one.
        """
        column = self.links.key
        # Not type(): it may be a SimpleLazyObject.
        known = self.target_classes.get(obj.__class__)
        if known is None:
            known = target_class(obj, column, self.for_concrete_model, self)
            self.target_classes[obj.__class__] = known
        (model, key), pk = known, obj.pk
        if pk is None:
            raise ValueError(
                f"{self} cannot link {obj!r}: it is not saved. Save it first."
            )
        if not column.is_text:
            return Target(model, pk, key.field.get_prep_value(pk))
        text = key.text(pk)
        if to_write:
            check_length(text, obj, column, self)
        return Target(model, pk, text)

    def target_of_reference(self, reference: Reference, using: str) -> Target:
        """Return the target of a reference that was read from a fixture."""
        apps = self.model._meta.apps
        model = apps.get_model(reference.app_label, reference.model_name)
        pk = Key(model._meta.pk).native(reference.key, connections[using])
        is_text = self.links.key.is_text
        return Target(model, pk, reference.key if is_text else pk)

    def check_target_model(self, model: Any) -> None:
        """Raise ``TypeError`` unless objects of `model` can be linked."""
        check_target_model(model, self.links.key, self)

    def target_model(self, model: Any) -> Any:
        """Return the target model that a user has given as a class or by its name."""
        if model == RECURSIVE_RELATIONSHIP_CONSTANT:
            model = self.model
        if isinstance(model, str):
            app_label, _dot, name = model.rpartition(".")
            apps = self.model._meta.apps
            model = apps.get_model(app_label or self.model._meta.app_label, name)
        self.check_target_model(model)
        self.relate(model)
        return self.linked_as(model)

    def querysets_by_model(
        self, querysets: Iterable[QuerySet[Any]]
    ) -> dict[type[Model], QuerySet[Any]]:
        """Return the querysets of a prefetch by target model."""
        by_model: dict[type[Model], QuerySet[Any]] = {}
        for queryset in querysets:
            self.check_target_model(queryset.model)
            model = self.linked_as(queryset.model)
            if model in by_model:
                raise ValueError(
                    f"{self}: only one queryset is allowed for each model, and there "
                    f"are two for {model._meta.label}."
                )
            by_model[model] = queryset
        return by_model

    # Relations.

    def relate(self, model: type[Model]) -> None:
        """See to it that `model`, of which a link was made or read, knows the field."""
        if not self.is_historical:
            registry.relate(self, self.linked_as(model), declared=False)

    def add_relation(
        self, model: type[Model] | str, on_delete: OnDelete | None = None
    ) -> None:
        """Declare a related model; see ``GM2MDescriptor.add_relation()``."""
        check_model(model, "related model")
        if on_delete is not None:
            check_on_delete(on_delete, "on_delete")
        apps = self.model._meta.apps
        if apps.models_ready:
            target = self.target_model(model)
            registry.relate(self, target, declared=True, on_delete=on_delete)
            return

        def relate(source: Any, target: type[Model], through: Any) -> None:
            self.check_target_model(target)
            target = self.linked_as(target)
            registry.relate(self, target, declared=True, on_delete=on_delete)

        lazy_related_operation(relate, self.model, model, self.remote_field.through)

    def get_related_models(self, include_auto: bool = False) -> list[type[Model]]:
        """Return the related models; see ``GM2MDescriptor.get_related_models()``."""
        return [
            model
            for model, relation in self.relations.items()
            if relation.declared or include_auto
        ]

    def declared_model(self, name: Any) -> Any:
        """Return the installed model that was declared, ``None`` if there is none."""
        apps = self.model._meta.apps
        model = resolve_relation(self.model, name)
        if isinstance(model, str):
            try:
                return apps.get_model(model)
            except (LookupError, ValueError):
                return None
        opts: Any = model._meta
        return model if model in apps.all_models[opts.app_label].values() else None

    def lookup_of(self, model: type[Model]) -> str:
        """Return the name of a target model in lookups on the through model."""
        self.relate(model)
        return self.relations[self.linked_as(model)].key.name

    def restrict(self, links: Any, queryset: Any) -> Any:
        """Return the mixed queryset `links` for the targets in `queryset` alone."""
        if self.is_historical:
            return links.filter(Model=queryset.model)
        name = self.lookup_of(queryset.model)
        if queryset._has_filters():
            return links.filter(**{f"{name}__in": queryset})
        return links.filter(**{f"{name}__isnull": False})

    # Lookups.

    @cached_property
    def link_rel(self) -> LinkRel:
        return LinkRel(self, self.links.source)

    def get_path_info(self, filtered_relation: Any = None) -> list[PathInfo]:
        through = self.remote_field.through._meta
        return [
            PathInfo(
                from_opts=self.model._meta,
                to_opts=through,
                target_fields=(through.pk,),
                join_field=self.link_rel,  # type: ignore[arg-type]
                m2m=True,
                direct=False,
                filtered_relation=filtered_relation,
            )
        ]

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
