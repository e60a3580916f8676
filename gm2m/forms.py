"""
Choosing objects of several models in forms.

``GM2MMultipleChoiceField`` is what a ``GM2MField`` gives a ``ModelForm``, and can be
put into any form. It knows models and querysets, and of links which of them a choice
may remove (``offers``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import ModelMultipleChoiceField, MultipleChoiceField
from django.forms.models import (
    BaseModelForm,
    ModelChoiceIteratorValue,
    apply_limit_choices_to_to_formfield,
)
from django.utils.choices import BaseChoiceIterator
from django.utils.text import capfirst

from .choices import claim_of, identified, natives, unique
from .identifiers import identifier
from .keys import Key
from .limits import limit_of
from .offers import Chooser, ChosenObjects, leave
from .subclasses import answering, is_plain
from .targets import keys_among

if TYPE_CHECKING:
    from .linking import Other

#: A model, its name, or a queryset: the objects of one model that are on offer.
Offer = type[Model] | str | QuerySet[Any]


class GroupedChoices(BaseChoiceIterator):
    """The choices of a field, in one group for each model: one query for each."""

    def __init__(self, field: GM2MMultipleChoiceField) -> None:
        self.field = field

    def __iter__(self) -> Iterator[Any]:
        for model in self.field.querysets:
            single: Any = self.field.field_of(model)
            choices = [
                self.choice(value.instance, model) for value, _ in single.choices
            ]
            if choices:
                yield self.field.label_from_model(model), choices

    def choice(self, obj: Model, model: type[Model]) -> tuple[Any, str]:
        """Return the value and the label of one object."""
        value = ModelChoiceIteratorValue(self.field.identifier(obj, model), obj)
        return value, self.field.label_from_instance(obj)


class GM2MMultipleChoiceField(MultipleChoiceField):
    """
    A choice of objects of several models.

    In the example::

        class PreferencesForm(forms.Form):
            videos = GM2MMultipleChoiceField([Movie, "app.Documentary"])

    `models` are models, names (``"app.Movie"``) or querysets, one for each model whose
    objects are on offer; a model stands for its default manager. `limit_choices_to` is
    what Django's option takes, for all models, or a mapping from models to it.
    `for_concrete_model` is that of the ``GM2MField``: whether proxies count as their
    concrete model. The other options are those of ``MultipleChoiceField``.

    Values are strings, ``app_label.model_name:pk``. The cleaned value is a list of
    objects, ``ChosenObjects``, without doubles. Cleaning costs one query for each
    model among the values, rendering one for each model on offer.

    Raises ``TypeError`` for what is no model or has keys that cannot be linked,
    ``ValueError`` for a model that is named twice, ``LookupError`` for a name that is
    not installed.
    """

    iterator = GroupedChoices
    default_error_messages = dict(ModelMultipleChoiceField.default_error_messages)
    #: What was chosen when the field was cleaned.
    chosen: ChosenObjects | None = None

    def __init__(
        self,
        models: Iterable[Offer],
        *,
        limit_choices_to: Any = None,
        for_concrete_model: bool = True,
        **options: Any,
    ) -> None:
        self.limit_choices_to = limit_choices_to
        self.for_concrete_model = for_concrete_model
        self.querysets: dict[type[Model], QuerySet[Any]] = {}
        for queryset in map(queryset_of, models):
            model = self.linked_as(queryset.model)
            if model in self.querysets:
                raise ValueError(
                    f"{type(self).__name__}(): {model._meta.label} is named twice."
                )
            self.querysets[model] = queryset
        super().__init__(choices=self.iterator(self), **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        result: Any = super().__deepcopy__(memo)
        # Each form looks for itself what there is.
        result.querysets = {model: qs.all() for model, qs in self.querysets.items()}
        result.choices = result.iterator(result)
        return result

    def get_bound_field(self, form: Any, field_name: str) -> Any:
        if isinstance(form, BaseModelForm):
            chooser = Chooser(form, field_name, "cleaned_data", field_name)
            leave(form.instance, chooser)
        return super().get_bound_field(form, field_name)

    # What is on offer.

    @property
    def queryset(self) -> QuerySet[Any]:
        raise AttributeError(
            f"{type(self).__name__} has no queryset, but one for each model: see its "
            f"querysets, a dict of {self.labels()}."
        )

    @queryset.setter
    def queryset(self, queryset: QuerySet[Any]) -> None:
        """Offer `queryset`, of the one model on offer."""
        given = queryset_of(queryset)
        model = self.linked_as(given.model)
        if list(self.querysets) != [model]:
            raise TypeError(
                f"{type(self).__name__} offers {self.labels()}, so that its queryset "
                f"cannot be one of {model._meta.label}: set querysets[{model.__name__}]"
                " of the field, or name all in models."
            )
        self.querysets = {model: given}

    def labels(self) -> str:
        """Return the names of the models on offer."""
        return ", ".join(model._meta.label for model in self.querysets)

    def get_queryset(self, model: type[Model]) -> QuerySet[Any]:
        """Return the objects of `model` on offer, before ``limit_choices_to``."""
        return self.querysets[model].all()

    def get_limit_choices_to(self, model: type[Model]) -> Any:
        """Return the limit for `model`: a ``dict``, a ``Q`` object, or ``None``."""
        return limit_of(self.limit_choices_to, model, self.linked_as)

    def field_of(self, model: type[Model]) -> ModelMultipleChoiceField[Any]:
        """Return the field that offers, and validates, objects of `model` alone."""
        field: ModelMultipleChoiceField[Any] = ModelMultipleChoiceField(
            self.get_queryset(model),
            limit_choices_to=self.get_limit_choices_to(model),
            required=False,
        )
        apply_limit_choices_to_to_formfield(field)
        return field

    def linked_as(self, model: Any) -> Any:
        """Return the model as one of which objects of `model` are chosen."""
        return model._meta.concrete_model if self.for_concrete_model else model

    def identifier(self, obj: Model, within: Any = None) -> str:
        """
        Return the value that stands for `obj`, one of those `within` the queryset of
        this model on offer. No queries, but see ``subclasses.yields_subclasses()``.
        """
        # Not type(): it may be a SimpleLazyObject.
        own = self.linked_as(obj.__class__)
        offer = answering(own, self.querysets)
        if offer is None:
            return identifier(obj, within or own)
        # A queryset of the parent may be one that yields no objects of its children.
        is_own = offer is own or not is_plain(self.querysets[offer])
        return identifier(obj, own if is_own else offer)

    def removable(self, model: Any, keys: Iterable[str]) -> set[str]:
        """
        Return those of the `keys`, which are texts, whose objects a choice without them
        removes. Others stay linked: objects of a model, or not of the queryset, on
        offer. What is beyond ``limit_choices_to`` goes, as it does in a
        ``ModelMultipleChoiceField``. One query.
        """
        offer = answering(model, self.querysets) if model else None
        if offer is None:
            return set()
        queryset = self.get_queryset(offer)
        found = keys_among(queryset, natives(queryset, keys))
        return set(map(Key(offer._meta.pk).text, found))

    def removable_links(self, others: Sequence[Other]) -> list[Other]:
        """Return those of `others`, which are linked but not chosen, that may go."""
        keys: dict[Any, set[str]] = {}
        for other in others:
            _content_type, key = other.values
            keys.setdefault(other.model, set()).add(str(key))
        found = {model: self.removable(model, keys[model]) for model in keys}
        return [other for other in others if str(other.values[1]) in found[other.model]]

    def label_from_instance(self, obj: Model) -> str:
        """Return the label of a choice; to be overridden."""
        return str(obj)

    def label_from_model(self, model: type[Model]) -> str:
        """Return the label of a group of choices; to be overridden."""
        return str(capfirst(model._meta.verbose_name_plural))

    # Values.

    def prepare_value(self, value: Any) -> Any:
        """Return the values for objects; what is no object stays as it is."""
        if isinstance(value, Model):
            return self.identifier(value)
        if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
            return [
                self.identifier(item) if isinstance(item, Model) else item
                for item in value
            ]
        return value

    def to_python(self, value: Any) -> ChosenObjects:
        return self.objects_of(self.prepare_value(value) or [])

    def clean(self, value: Any) -> ChosenObjects:
        """Return the objects that `value` stands for; else ``ValidationError``."""
        prepared = self.prepare_value(value)
        if self.required and not prepared:
            raise self.error("required")
        if self.disabled and all(isinstance(item, Model) for item in value or ()):
            # What is linked already need not be on offer.
            return self.choice_of(value or ())
        objects = self.objects_of(prepared or [])
        self.run_validators(prepared)
        return objects

    def objects_of(self, values: Any) -> ChosenObjects:
        """
        Return the objects that `values` stand for, or raise ``ValidationError``: one
        query for each model among them.
        """
        if not isinstance(values, (list, tuple)):
            raise self.error("invalid_list")
        found = self.found(values)
        for value in values:
            if value not in found:
                raise self.error("invalid_choice", value=value)
        return self.choice_of(unique(found[value] for value in values))

    def choice_of(self, objs: Iterable[Model]) -> ChosenObjects:
        """Return `objs` as those that were chosen, of what the field offers."""
        self.chosen = ChosenObjects(objs, self.removable_links)
        return self.chosen

    def found(self, values: Sequence[Any]) -> dict[Any, Model]:
        """
        Return the objects on offer that `values` stand for, by value. Raise
        ``ValidationError`` for what cannot be on offer: see ``split()``. One query for
        each model among them.
        """
        models = {self.split(value)[0] for value in values}
        querysets: Any = {model: self.field_of(model).queryset for model in models}
        return identified(querysets, values, self.linked_as)

    def split(self, value: Any) -> tuple[type[Model], str]:
        """
        Return the model on offer and the key in `value`, or raise ``ValidationError``
        if it is malformed, its model is not on offer, or its key cannot be one of it.
        """
        try:
            claim = claim_of(value, self.querysets.keys(), self.linked_as)
            claim.key.encode()
        except ValueError:
            raise self.error("invalid_pk_value", pk=value) from None
        if claim.offer is None:
            raise self.error("invalid_choice", value=value)
        if not natives(self.querysets[claim.offer], [claim.key]):
            raise self.error("invalid_pk_value", pk=value)
        return claim.offer, claim.key

    def error(self, code: str, **params: Any) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params=params)

    def has_changed(self, initial: Any, data: Any) -> bool:
        if self.disabled:
            return False
        before = set(map(self.as_split, self.prepare_value(initial or ())))
        values = self.prepare_value(data) if isinstance(data, (list, tuple)) else data
        after = {self.as_split(str(value)) for value in values or ()}
        if after - before:
            return True
        gone: dict[type[Model], list[str]] = {}
        for value in before - after:
            # What is not on offer stays, whatever the choice.
            if isinstance(value, tuple):
                model, key = value
                gone.setdefault(model, []).append(key)
        return any(self.removable(model, keys) for model, keys in gone.items())

    def as_split(self, value: Any) -> Any:
        """Return what ``split()`` makes of `value`; what it refuses as it is."""
        try:
            return self.split(value)
        except ValidationError:
            return value


def queryset_of(offer: Any) -> QuerySet[Any]:
    """Return the queryset that `offer` is or stands for; see ``Offer``."""
    if isinstance(offer, QuerySet):
        queryset: QuerySet[Any] = offer
        if queryset.query.is_sliced:
            raise TypeError(
                f"A slice of {queryset.model._meta.label} cannot be offered: what is "
                "chosen is looked up in the queryset. Filter it instead."
            )
    else:
        model = apps.get_model(offer) if isinstance(offer, str) else offer
        if not hasattr(model, "_default_manager"):
            raise TypeError(
                f"{offer!r} is neither a model, the name of one, nor a queryset."
            )
        queryset = model._default_manager.all()
    if Key(queryset.model._meta.pk).kind is None:
        raise TypeError(
            f"Objects of {queryset.model._meta.label} cannot be chosen: keys may be "
            "integers, UUIDs, text or dates."
        )
    return queryset
