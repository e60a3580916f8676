"""
The fields of serializers for links.

``GM2MRelatedField``
    one object of any model, as the string ``app_label.model_name:pk``;
``GM2MManyRelatedField``
    the objects that a ``GM2MField`` links, read and judged together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from rest_framework.fields import iter_options
from rest_framework.relations import (
    MANY_RELATION_KWARGS,
    ManyRelatedField,
    RelatedField,
)

from ..choices import fetched, offered
from ..fields import GM2MField
from ..identifiers import identifier, split_identifier
from ..linking import Other
from .arguments import given_models, given_serializers

Querysets = dict[type[Model], QuerySet[Any]]


class NestedData(dict[str, Any]):
    """
    An object as its serializer shows it. As text it is the identifier, by which the
    forms of the browsable API know what is selected.
    """

    def __init__(self, data: Mapping[str, Any], value: str) -> None:
        super().__init__(data)
        self.identifier = value

    def __str__(self) -> str:
        return self.identifier


class GM2MRelatedField(RelatedField):
    """
    An object of any of several models, as ``"app_label.model_name:pk"``.

    In the example::

        class UserSerializer(ModelSerializer):
            preferred_videos = GM2MRelatedField(many=True)

    `serializers` maps models to serializers (or other fields), which show their
    objects; those of other models stay strings. What is written are strings in any
    case.

    `models` are those whose objects may be written: models or their names
    (``"app.Movie"``), for all that the default manager shows, querysets or managers,
    one for each model. By default they are the declared models of the ``GM2MField``,
    within its ``limit_choices_to``.

    All else is as for DRF's related fields: `many`, `read_only`, `allow_empty`,
    `html_cutoff` and so on. Without `many` it serves a ``GenericForeignKey``.

    Raises ``TypeError`` for wrong arguments, ``LookupError`` for a name that is not
    installed; when the serializer is used, ``ImproperlyConfigured`` if there is nothing
    that could be written.
    """

    default_error_messages = {
        "incorrect_type": _(
            "Incorrect type: expected a string such as 'library.movie:1', received "
            "{value}."
        ),
        "malformed": _(
            "{value} does not identify an object: send 'app_label.model_name:pk', "
            "such as 'library.movie:1'."
        ),
        "not_offered": _(
            "{value} is of no model that can be chosen here. Choose from: {models}."
        ),
        "does_not_exist": _(
            "{value} cannot be chosen: it does not exist, or is not offered here. "
            "Choose another object."
        ),
        "too_long": _(
            "{value} cannot be linked: its key is too long for this field. Choose "
            "another object."
        ),
    }

    def __init__(
        self,
        serializers: Mapping[type[Model], Any] | None = None,
        *,
        models: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("queryset") is not None:
            raise TypeError(
                "GM2MRelatedField() has objects of several models: instead of queryset "
                "give it models, a list of models or of querysets."
            )
        if models is not None and kwargs.get("read_only"):
            raise TypeError(
                "GM2MRelatedField(): models are what can be written, and read_only is "
                "set."
            )
        self.serializers = given_serializers(serializers or {})
        self.querysets = None if models is None else given_models(models)
        super().__init__(**kwargs)

    @classmethod
    def many_init(cls, *args: Any, **kwargs: Any) -> GM2MManyRelatedField:
        options = {key: kwargs[key] for key in MANY_RELATION_KWARGS if key in kwargs}
        return GM2MManyRelatedField(child_relation=cls(*args, **kwargs), **options)

    def bind(self, field_name: str, parent: Any) -> None:
        super().bind(field_name, parent)
        for serializer in self.serializers.values():
            serializer.bind(field_name="", parent=self)
        if self.outer is self:
            self.check()

    def check(self) -> None:
        """Raise an error if the field is not fit for its place in a serializer."""
        name = f"{type(self.outer.parent).__name__}.{self.outer.field_name}"
        gm2m = self.gm2m
        if gm2m and self.outer is self:
            raise TypeError(f"{name}: {gm2m} links many objects. Set many=True.")
        if gm2m:
            for model in self.querysets or ():
                gm2m.check_target_model(model)
        own = type(self).get_querysets is not GM2MRelatedField.get_querysets
        if not (self.read_only or own or self.get_querysets()):
            raise ImproperlyConfigured(
                f"{name}: there are no objects that could be chosen. Give the field "
                "models, declare them in the GM2MField, or set read_only=True."
            )

    # Where it is.

    @property
    def outer(self) -> Any:
        """The field that is in the serializer: this one, or what makes it many."""
        return self.parent if isinstance(self.parent, ManyRelatedField) else self

    @property
    def gm2m(self) -> Any:
        """The model's field, if the serializer is of a model and it is a GM2MField."""
        model = getattr(getattr(self.outer.parent, "Meta", None), "model", None)
        try:
            field = model._meta.get_field(self.outer.source) if model else None
        except FieldDoesNotExist:
            return None
        return field if isinstance(field, GM2MField) else None

    def linked(self) -> dict[str, Model]:
        """
        Return what the object that is being changed is linked to, by identifier.

        It is read anew: the view may have prefetched less. 1 query, and 1 for each
        content type.
        """
        gm2m, instance = self.gm2m, getattr(self.outer.parent, "instance", None)
        if gm2m is None or not isinstance(instance, gm2m.model):
            return {}
        targets = getattr(instance, gm2m.name)._base_queryset()
        return {self.identifier(target): target for target in targets}

    def linked_as(self, model: type[Model]) -> Any:
        """Return the model by which objects of `model` are identified."""
        return self.gm2m.linked_as(model) if self.gm2m else model._meta.concrete_model

    # Reading.

    def identifier(self, value: Model) -> str:
        """Return the string for `value`."""
        return identifier(value, self.linked_as(type(value)))

    def to_representation(self, value: Model) -> Any:
        for model in type(value).__mro__:
            if serializer := self.serializers.get(model):
                data = serializer.to_representation(value)
                if isinstance(data, Mapping):
                    return NestedData(data, self.identifier(value))
                return data
        return self.identifier(value)

    # Writing.

    def get_queryset(self) -> None:
        """Return nothing: there are several, see ``get_querysets()``."""

    def get_querysets(self) -> Querysets:
        """
        Return the objects that may be chosen, as a queryset for each model. Override
        it for what depends on the request, in ``self.context["request"]``.
        """
        if self.querysets is not None:
            return {model: given.all() for model, given in self.querysets.items()}
        gm2m = self.gm2m
        return offered(gm2m) if gm2m else {}

    def by_label(self) -> dict[str, QuerySet[Any]]:
        """Return the objects that may be chosen, by what identifiers begin with."""
        return {
            self.linked_as(model)._meta.label_lower: queryset
            for model, queryset in self.get_querysets().items()
        }

    def to_internal_value(self, data: Any) -> Model:
        (chosen,) = self.choose([data], {})
        return chosen

    def choose(self, values: Sequence[Any], linked: Mapping[str, Model]) -> list[Model]:
        """
        Return the objects that `values` identify, each once and in their order: any of
        `linked`, and what is offered. One query for each model and 10,000 values.

        Raises ``ValidationError`` for the first that is neither.
        """
        querysets = self.by_label()
        keys: dict[str, list[str]] = {}
        for value in values:
            label, text = self.split(value)
            if value in linked:
                continue
            if label not in querysets:
                self.refuse("not_offered", value, models=", ".join(querysets))
            keys.setdefault(label, []).append(text)
        found = dict(linked)
        for label, texts in keys.items():
            for obj in fetched(querysets[label], texts):
                found[self.identifier(obj)] = obj
        chosen = {}
        for value in values:
            if value not in found:
                self.refuse("does_not_exist", value)
            chosen[value] = found[value]
        self.check_lengths(chosen)
        return list(chosen.values())

    def split(self, value: Any) -> tuple[str, str]:
        """Return the label and the text of the key in `value`."""
        if not isinstance(value, str):
            # Of lists and objects, which may be deep, the type is enough.
            is_simple = value is None or isinstance(value, (bool, int, float))
            shown = repr(value) if is_simple else type(value).__name__
            return self.fail("incorrect_type", value=shown)  # type: ignore[no-any-return]
        try:
            return split_identifier(value)
        except ValueError:
            return self.refuse("malformed", value)  # type: ignore[no-any-return]

    def check_lengths(self, chosen: Mapping[str, Model]) -> None:
        """Refuse objects whose keys the through model has no room for."""
        if gm2m := self.gm2m:
            for value, obj in chosen.items():
                try:
                    gm2m.target_of(obj)
                except ValueError:
                    self.refuse("too_long", value)

    def refuse(self, key: str, value: str, **kwargs: str) -> Any:
        """Raise the error called `key`, with `value` quoted so that it can be shown."""
        return self.fail(key, value=repr(value), **kwargs)

    # The forms of the browsable API.

    def grouped(self, cutoff: int | None = None) -> tuple[dict[str, Any], bool]:
        """
        Return the choices as texts by identifier, in groups by the name of the model;
        and whether there are more. What is linked comes first, and is always among
        them; of all else, no more than `cutoff` and an equal share for each model.
        """
        groups: dict[str, dict[str, str]] = {}

        def add(obj: Model, value: str) -> None:
            name = capfirst(str(obj._meta.verbose_name_plural))
            groups.setdefault(name, {})[value] = self.display_value(obj)

        for value, obj in self.linked().items():
            add(obj, value)
        left, is_cut = cutoff, False
        querysets = self.get_querysets().values()
        for number, queryset in enumerate(querysets):
            objects: Any = queryset
            if left is not None:
                share = -(-left // (len(querysets) - number))
                objects = list(queryset[: share + 1])
                is_cut = is_cut or len(objects) > share
                objects = objects[:share]
                left -= len(objects)
            for obj in objects:
                add(obj, self.identifier(obj))
        return groups, is_cut

    def get_choices(self, cutoff: int | None = None) -> dict[str, str]:
        groups, _is_cut = self.grouped(cutoff)
        return {
            value: text for group in groups.values() for value, text in group.items()
        }

    def iter_options(self) -> Any:
        groups, is_cut = self.grouped(self.html_cutoff)
        size = sum(map(len, groups.values()))
        text = self.html_cutoff_text
        return iter_options(groups, cutoff=size if is_cut else None, cutoff_text=text)


class GivenObjects(list[Model]):
    """
    The validated value of a ``GM2MManyRelatedField``: a manager that sets these objects
    removes links to models with these `labels` alone.
    """

    def __init__(self, objs: Iterable[Model], labels: Iterable[str]) -> None:
        super().__init__(objs)
        self.labels = frozenset(labels)

    def removable(self, others: Iterable[Other]) -> list[Other]:
        """Return those of `others`, which are linked but not given, that may go."""
        return [
            other
            for other in others
            if other.model and other.model._meta.label_lower in self.labels
        ]


class GM2MManyRelatedField(ManyRelatedField):
    """
    The objects that a ``GM2MField`` links: what ``GM2MRelatedField(many=True)`` gives.

    It manages the links to the models that it offers. Others it shows and leaves as
    they are, and what is linked may be sent back, offered or not.
    """

    child_relation: GM2MRelatedField

    def bind(self, field_name: str, parent: Any) -> None:
        super().bind(field_name, parent)
        self.child_relation.check()

    def to_internal_value(self, data: Any) -> list[Model]:
        if isinstance(data, (str, Mapping)) or not isinstance(data, Iterable):
            self.fail("not_a_list", input_type=type(data).__name__)
        child, values = self.child_relation, list(data)
        if not (values or self.allow_empty):
            self.fail("empty")
        linked = child.linked()
        chosen = child.choose(values, linked)
        labels, given = child.by_label(), set(values)
        kept = [
            obj
            for value, obj in linked.items()
            if value not in given and split_identifier(value)[0] not in labels
        ]
        return GivenObjects([*chosen, *kept], labels)

    def iter_options(self) -> Any:
        return self.child_relation.iter_options()
