"""
The fields of serializers for links.

``GM2MRelatedField``
    one object of any model, as the string ``app_label.model_name:pk``;
``GM2MManyRelatedField``
    the objects that a ``GM2MField`` links, read and judged together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
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

from ..choices import Claim, claim_of, identified, natives, offered, unique
from ..fields import GM2MField
from ..identifiers import identifier
from ..keys import Key
from ..linking import Other
from ..offers import Chooser, ChosenObjects, leave
from ..subclasses import answering
from ..targets import not_hidden
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

    def offers(self) -> Querysets:
        """Return the objects that may be chosen, by the model that identifies them."""
        return {
            self.linked_as(model): queryset
            for model, queryset in self.get_querysets().items()
        }

    def to_internal_value(self, data: Any) -> Model:
        (chosen,) = self.choose([data], {}, self.offers())
        return chosen

    def choose(
        self, values: Sequence[Any], linked: Mapping[str, Model], offers: Querysets
    ) -> list[Model]:
        """
        Return the objects that `values` identify, each once and in their order: any of
        `linked`, and what `offers` have. One query for each model and 10,000 values.

        Raises ``ValidationError`` for the first that is neither.
        """
        for value in values:
            claim = self.claim_of(value, offers)
            if value not in linked and claim.offer is None:
                labels = (model._meta.label_lower for model in offers)
                self.refuse("not_offered", value, models=", ".join(labels))
        others = [value for value in values if value not in linked]
        found = {**linked, **identified(offers, others, self.linked_as)}
        for value in values:
            if value not in found:
                self.refuse("does_not_exist", value)
            self.check_length(value, found[value])
        return unique(found[value] for value in values)

    def claim_of(self, value: Any, offers: Querysets) -> Claim:
        """Return what `value` claims to identify."""
        if not isinstance(value, str):
            # Of lists and objects, which may be deep, the type is enough.
            is_simple = value is None or isinstance(value, (bool, int, float))
            shown = repr(value) if is_simple else type(value).__name__
            return self.fail("incorrect_type", value=shown)  # type: ignore[no-any-return]
        try:
            return claim_of(value, offers.keys(), self.linked_as)
        except ValueError:
            return self.refuse("malformed", value)  # type: ignore[no-any-return]

    def check_length(self, value: str, obj: Model) -> None:
        """Refuse an object whose key the through model has no room for."""
        if gm2m := self.gm2m:
            try:
                gm2m.target_of(obj)
            except ValueError:
                self.refuse("too_long", value)

    def removable(self, offers: Querysets, others: Sequence[Other]) -> list[Other]:
        """
        Return those of `others`, which are linked but were not sent, that go: those of
        models on offer, whatever the limits; of querysets that were given for this
        field, only the objects that they have. What is gone goes. No queries, or two
        for each model of a given queryset.
        """
        by_model: dict[Any, list[Other]] = {}
        for other in others:
            offer = answering(other.model, offers) if other.model else None
            by_model.setdefault(offer, []).append(other)
        by_model.pop(None, None)
        if self.is_limited_by_field:
            return [other for found in by_model.values() for other in found]
        removable = []
        for model, found in by_model.items():
            keys = natives(offers[model], (str(other.values[1]) for other in found))
            shown = set(not_hidden(offers[model], keys))
            hidden = {Key(model._meta.pk).text(key) for key in keys if key not in shown}
            removable += [
                other for other in found if str(other.values[1]) not in hidden
            ]
        return removable

    @property
    def is_limited_by_field(self) -> bool:
        """Whether it offers what the ``GM2MField`` does, and nobody gave anything."""
        own = type(self).get_querysets is not GM2MRelatedField.get_querysets
        return self.querysets is None and not own

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


class GM2MManyRelatedField(ManyRelatedField):
    """
    The objects that a ``GM2MField`` links: what ``GM2MRelatedField(many=True)`` gives.

    It manages the links to the models that it offers. Others it shows and leaves as
    they are, and what is linked may be sent back, offered or not.
    """

    child_relation: GM2MRelatedField
    #: What was chosen when the data was validated.
    chosen: ChosenObjects | None = None

    def bind(self, field_name: str, parent: Any) -> None:
        super().bind(field_name, parent)
        self.child_relation.check()

    def to_internal_value(self, data: Any) -> list[Model]:
        if isinstance(data, (str, Mapping)) or not isinstance(data, Iterable):
            self.fail("not_a_list", input_type=type(data).__name__)
        child, values = self.child_relation, list(data)
        if not (values or self.allow_empty):
            self.fail("empty")
        linked, offers = child.linked(), child.offers()
        chosen, given = child.choose(values, linked, offers), set(values)
        kept = [
            obj
            for value, obj in linked.items()
            if value not in given
            and answering(child.linked_as(type(obj)), offers) is None
        ]
        removable = partial(child.removable, offers)
        self.chosen = ChosenObjects(unique([*chosen, *kept]), removable)
        serializer = self.parent
        if isinstance(instance := getattr(serializer, "instance", None), Model):
            chooser = Chooser(
                serializer, self.field_name, "_validated_data", self.source
            )
            leave(instance, chooser)
        return self.chosen

    def iter_options(self) -> Any:
        return self.child_relation.iter_options()
