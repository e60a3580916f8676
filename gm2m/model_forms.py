"""
What a ``GM2MField`` is to a ``ModelForm``: whether it is there, its form field, its
initial value, and what saving does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import FieldError, ValidationError
from django.db.models import ManyToManyField, Model, QuerySet
from django.utils.translation import gettext_lazy as _

from .forms import GM2MMultipleChoiceField, Offer, queryset_of
from .identifiers import split_identifier


class ModelFormsMixin:
    """The part of ``GM2MField`` that forms use."""

    # The field's own, for type checkers.
    name: str
    attname: str
    links: Any
    related_models: tuple[type[Model] | str, ...]
    for_concrete_model: bool
    get_related_models: Callable[[], list[type[Model]]]
    declared_model: Callable[[Any], Any]
    linked_as: Callable[[Any], Any]
    check_target_model: Callable[[Any], None]
    #: What the option ``editable`` says; ``None`` if it was left out.
    is_editable: bool | None

    @property
    def editable(self) -> bool:
        """Whether forms have the field: by default, if there is something to offer."""
        if self.is_editable is None:
            return bool(self.related_models or self.get_related_models())
        return self.is_editable

    @editable.setter
    def editable(self, value: bool) -> None:
        self.is_editable = value

    def models_on_offer(self) -> list[type[Model]]:
        """Return the models that forms offer: the declared ones, in their order."""
        named = map(self.declared_model, self.related_models)
        models = (self.linked_as(model) for model in named if model is not None)
        declared = self.get_related_models()
        return [m for m in dict.fromkeys([*models, *declared]) if m in declared]

    def formfield(
        self,
        *,
        using: str | None = None,
        models: Iterable[Offer] | None = None,
        queryset: QuerySet[Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """
        Return a ``GM2MMultipleChoiceField`` for objects of `models`, by default the
        declared ones. See there for what they may be. `queryset` is for a field with
        one related model, as for a ``ManyToManyField``; ``TypeError`` if it has more.

        A field that declares none has no form field, and gives ``None``; ``FieldError``
        if it is asked for one explicitly, by an option or by ``editable=True``.
        """
        if queryset is not None:
            models = [self.only_queryset(queryset)]
        if models is None and not (models := self.models_on_offer()):
            if not (self.is_editable or kwargs):
                return None
            raise FieldError(
                f"{self} declares no models, so a form would have nothing to offer. "
                f"Declare them in GM2MField(), or name them: formfield(models=[…]), or "
                f"{self.name} = GM2MMultipleChoiceField([…]) in the form."
            )
        offers = [self._offer(offer, using) for offer in models]
        options = {
            "form_class": GM2MMultipleChoiceField,
            "models": offers,
            "for_concrete_model": self.for_concrete_model,
            **kwargs,
            "validators": [self.check_values, *kwargs.get("validators", ())],
        }
        # Not ManyToManyField's: it is for a queryset of one model.
        return super(ManyToManyField, self).formfield(**options)  # type: ignore[misc]

    def check_values(self, values: Iterable[str]) -> None:
        """Raise ``ValidationError`` for a value whose key is too long to be linked."""
        limit = self.links.key.field.max_length
        for value in values:
            _label, key = split_identifier(value)
            if limit is not None and len(key) > limit:
                raise ValidationError(
                    _(
                        "%(value)s cannot be linked: its key is longer than %(limit)d "
                        "characters."
                    ),
                    code="too_long",
                    params={"value": value, "limit": limit},
                )

    def only_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return `queryset` if it is of the only related model."""
        offered = self.models_on_offer()
        if offered == [self.linked_as(queryset.model)]:
            return queryset
        labels = ", ".join(model._meta.label for model in offered) or "no model"
        raise TypeError(
            f"{self} offers {labels}, so that queryset cannot be one of "
            f"{queryset.model._meta.label}. Give formfield() models instead: a list of "
            "models or querysets, one for each model."
        )

    def _offer(self, offer: Offer, using: str | None) -> QuerySet[Any]:
        queryset = queryset_of(offer)
        self.check_target_model(queryset.model)
        if isinstance(offer, QuerySet):
            return queryset
        return queryset.using(using)

    def value_from_object(self, obj: Any) -> list[Model]:
        """Return the linked objects, none if `obj` cannot have links yet."""
        return list(getattr(obj, self.attname).all()) if self._has_key(obj) else []

    def save_form_data(self, instance: Any, data: Any) -> None:
        """
        Link the objects that were chosen. Links to objects of models that the form did
        not offer stay; a plain list of objects replaces all.
        """
        if not data and not self._has_key(instance):
            return
        getattr(instance, self.attname).set(data)

    def _has_key(self, obj: Any) -> bool:
        values = self.links.source.get_foreign_related_value(obj)
        return obj._is_pk_set() and None not in values
