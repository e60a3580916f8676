"""
Choosing objects of several models in forms.

``GM2MMultipleChoiceField`` is what a ``GM2MField`` gives a ``ModelForm``, and can be
put into any form. It knows models and querysets, nothing of links; ``ChosenObjects`` is
what it returns, and knows which links a choice replaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Model, QuerySet
from django.forms import ModelMultipleChoiceField, MultipleChoiceField
from django.forms.models import (
    ModelChoiceIteratorValue,
    apply_limit_choices_to_to_formfield,
)
from django.utils.choices import BaseChoiceIterator
from django.utils.text import capfirst

from .identifiers import identifier, split_identifier
from .keys import Key
from .limits import limit_of

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
        value = ModelChoiceIteratorValue(identifier(obj, model), obj)
        return value, self.field.label_from_instance(obj)


class ChosenObjects(list[Any]):
    """
    The objects that were chosen, in the order of the form's data: the cleaned value of
    a ``GM2MMultipleChoiceField``, which is `field`. A manager that sets them keeps the
    links that the field had nothing to say about, for one query more for each model of
    which links go.
    """

    def __init__(self, objs: Iterable[Model], field: GM2MMultipleChoiceField) -> None:
        super().__init__(objs)
        self.field = field

    def removable(self, others: Iterable[Other]) -> list[Other]:
        """Return those of `others`, which are linked but not chosen, that may go."""
        keys: dict[Any, set[str]] = {}
        for other in others:
            _content_type, key = other.values
            keys.setdefault(other.model, set()).add(str(key))
        found = {model: self.field.removable(model, keys[model]) for model in keys}
        return [other for other in others if other.pk in found[other.model]]


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

    # What is on offer.

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

    def identifier(self, obj: Model) -> str:
        """Return the value that stands for `obj`. No queries."""
        # Not type(): it may be a SimpleLazyObject.
        return identifier(obj, self.linked_as(obj.__class__))

    def removable(self, model: Any, keys: Iterable[str]) -> set[Any]:
        """
        Return the primary keys, of those whose texts are `keys`, of linked objects that
        a choice without them removes. Others stay linked: objects of a model, or not of
        the queryset, on offer. What is beyond ``limit_choices_to`` goes, as it does in
        a ``ModelMultipleChoiceField``. One query.
        """
        if model not in self.querysets:
            return set()
        natives = [native for native, _text in self.natives(model, keys)]
        among = self.get_queryset(model).filter(pk__in=natives)
        return set(among.values_list("pk", flat=True))

    def natives(
        self, model: type[Model], keys: Iterable[str]
    ) -> Iterator[tuple[Any, str]]:
        """Yield the keys of `model` with these texts, each with its text."""
        using = self.querysets[model].db
        return Key(model._meta.pk).natives(keys, connections[using])

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
            return ChosenObjects(value or (), self)
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
        by_model: dict[type[Model], list[str]] = {}
        for value in values:
            model, key = self.split(value)
            by_model.setdefault(model, []).append(key)
        found: dict[str, Model] = {}
        for model, keys in by_model.items():
            natives = dict(self.natives(model, keys))
            try:
                chosen = self.field_of(model).clean(list(natives))
            except ValidationError as error:
                params: Any = error.params
                value = f"{model._meta.label_lower}:{natives[params['value']]}"
                raise self.error("invalid_choice", value=value) from None
            found.update((identifier(obj, model), obj) for obj in chosen)
        return ChosenObjects((found[name] for name in dict.fromkeys(values)), self)

    def split(self, value: Any) -> tuple[type[Model], str]:
        """
        Return the model and the key in `value`, or raise ``ValidationError`` if it is
        malformed, its model is not on offer, or its key cannot be one of the model.
        """
        try:
            label, key = split_identifier(value)
            key.encode()
        except ValueError:
            raise self.error("invalid_pk_value", pk=value) from None
        for model in self.querysets:
            if model._meta.label_lower == label:
                if "\0" in key or not list(self.natives(model, [key])):
                    raise self.error("invalid_pk_value", pk=value)
                return model, key
        raise self.error("invalid_choice", value=value)

    def error(self, code: str, **params: Any) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params=params)

    def has_changed(self, initial: Any, data: Any) -> bool:
        if self.disabled:
            return False
        before = set(self.prepare_value(initial or ()))
        values = self.prepare_value(data) if isinstance(data, (list, tuple)) else data
        after = set(map(str, values or ()))
        if after - before:
            return True
        gone: dict[type[Model], list[str]] = {}
        for value in before - after:
            # What is not on offer stays, whatever the choice.
            with suppress(ValidationError):
                model, key = self.split(value)
                gone.setdefault(model, []).append(key)
        return any(self.removable(model, keys) for model, keys in gone.items())


def queryset_of(offer: Any) -> QuerySet[Any]:
    """Return the queryset that `offer` is or stands for; see ``Offer``."""
    if isinstance(offer, QuerySet):
        queryset: QuerySet[Any] = offer
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
