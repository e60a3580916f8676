"""The form field of the admin, and its widget that searches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin.widgets import (
    AutocompleteMixin,
    AutocompleteSelect,
    AutocompleteSelectMultiple,
    FilteredSelectMultiple,
)
from django.db.models import Model, Q
from django.forms import HiddenInput, Select
from django.forms.models import BaseModelForm
from django.urls import reverse
from django.utils.text import capfirst

from ..forms import GM2MMultipleChoiceField, GroupedChoices
from ..keys import Key, pk_as
from ..offers import ChosenObjects
from ..subclasses import answering


class AdminChoices(GroupedChoices):
    """The choices of a field, with full labels where groups are not shown."""

    def choice(self, obj: Model, model: type[Model]) -> tuple[Any, str]:
        value, label = super().choice(obj, model)
        field: Any = self.field
        if isinstance(field.widget, FilteredSelectMultiple):
            label = field.full_label(obj)
        return value, label


class AdminChoiceField(GM2MMultipleChoiceField):
    """
    A choice among what the user may see, beyond the limits if it is linked already.

    Its querysets are what may be seen. What may not stays linked, and if there is any,
    the field is never empty.
    """

    iterator: type[GroupedChoices] = AdminChoices
    #: The keys of what is linked to the form's object, by model.
    linked_keys: dict[Any, list[Any]]

    def __init__(self, *args: Any, **options: Any) -> None:
        self.linked_keys = {}
        super().__init__(*args, **options)

    def get_bound_field(self, form: Any, field_name: str) -> Any:
        # Every form has a copy of the field.
        if isinstance(form, BaseModelForm) and not form.instance._state.adding:
            initial = form.initial.get(field_name)
            linked = [initial] if isinstance(initial, Model) else initial or ()
            self.remember(obj for obj in linked if isinstance(obj, Model))
        return super().get_bound_field(form, field_name)

    def remember(self, linked: Iterable[Model]) -> None:
        """Take `linked` for what is linked to the form's object."""
        self.linked_keys = {}
        for obj in linked:
            own = self.linked_as(obj.__class__)
            model = answering(own, self.querysets) or own
            self.linked_keys.setdefault(model, []).append(pk_as(obj, model))

    def get_limit_choices_to(self, model: type[Model]) -> Any:
        limit = super().get_limit_choices_to(model)
        keys = self.linked_keys.get(model)
        if not (limit and keys):
            return limit
        return (limit if isinstance(limit, Q) else Q(**limit)) | Q(pk__in=keys)

    def clean(self, value: Any) -> ChosenObjects:
        if self.required and not value and self.keeps_something():
            return self.choice_of(())
        return super().clean(value)

    def keeps_something(self) -> bool:
        """Return whether something is linked that the user may not see."""
        for model, keys in self.linked_keys.items():
            texts = set(map(Key(model._meta.pk).text, keys))
            if self.removable(model, texts) != texts:
                return True
        return False

    def full_label(self, obj: Model) -> str:
        """Return the label of an object where nothing else tells its model."""
        label = self.label_from_instance(obj)
        return f"{capfirst(obj._meta.verbose_name)}: {label}"

    def among(self, values: Iterable[Any]) -> Iterator[tuple[str, Model]]:
        """
        Yield those of `values` that are on offer, with their objects: one query for
        each model among them.
        """
        texts = dict.fromkeys(map(str, values))
        values = [text for text in texts if isinstance(self.as_split(text), tuple)]
        found = self.found(values)
        for value in values:
            if value in found:
                yield value, found[value]


class ChoicesAndNone(GroupedChoices):
    """The choices of a field, after the choice of none."""

    def __iter__(self) -> Iterator[Any]:
        yield "", "---------"
        yield from super().__iter__()


class AdminTargetField(AdminChoiceField):
    """A choice of one object, in the same way."""

    widget = Select
    hidden_widget = HiddenInput
    iterator = ChoicesAndNone

    def clean(self, value: Any) -> Any:
        found = super().clean([value] if value else [])
        return found[0] if found else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = str(self.prepare_value(initial) or "")
        return not self.disabled and before != str(data or "")


class SearchMixin(AutocompleteMixin):
    """
    Django's widget that searches, for objects of several models.

    `url` is the name of the view to ask.
    """

    # A ChoiceWidget's own, for type checkers.
    choices: Any
    create_option: Any

    def __init__(self, field: Any, admin_site: Any, url: str, **options: Any) -> None:
        self.url = url
        super().__init__(field, admin_site, **options)

    def get_url(self) -> str:
        return reverse(self.url)

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        """Return what is selected: the rest is searched for."""
        field = self.choices.field
        selected = [
            self.create_option(name, text, field.full_label(obj), True, index)
            for index, (text, obj) in enumerate(field.among(value))
        ]
        return [(None, selected, 0)]


class SearchSelectMultiple(SearchMixin, AutocompleteSelectMultiple):
    """Search for any number of objects."""

    def build_attrs(self, *args: Any, **kwargs: Any) -> Any:
        attrs = super().build_attrs(*args, **kwargs)
        # Room for labels that begin with the name of a model.
        attrs.setdefault("data-width", "min(45em, 100%)")
        return attrs


class SearchSelect(SearchMixin, AutocompleteSelect):
    """Search for one object."""
