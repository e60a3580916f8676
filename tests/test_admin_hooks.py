"""
What of Django's admin and forms the field relies on that Django does not document.

If one of these fails on a new version of Django, look at what it names in ``gm2m``
before anything else: it has to find its place again.
"""

import inspect
import re
from pathlib import Path

import django
from django.contrib import admin
from django.contrib.admin import checks, helpers, options, widgets
from django.contrib.admin.views import autocomplete, main
from django.forms import BaseModelForm, models
from django.utils.choices import BaseChoiceIterator

ADMIN = Path(admin.__file__).parent


def parameters(function):
    return list(inspect.signature(function).parameters)


def source(function):
    return inspect.getsource(function)


def test_forms_limit_choices_by_this_function():
    """``forms.GM2MMultipleChoiceField.field_of()``"""
    assert parameters(models.apply_limit_choices_to_to_formfield) == ["formfield"]


def test_choices_are_an_iterator_that_is_left_alone():
    """``forms.GroupedChoices``"""
    from django.utils.choices import normalize_choices

    class Choices(BaseChoiceIterator):
        def __iter__(self):
            yield from ()

    choices = Choices()
    assert normalize_choices(choices) is choices
    assert parameters(models.ModelChoiceIteratorValue) == ["value", "instance"]


def test_a_field_is_asked_for_a_form_field_with_these_options():
    """``model_forms.ModelFormsMixin.formfield()`` knows a plain form by having none"""
    body = source(models.fields_for_model)
    assert "formfield = f.formfield(**kwargs)" in body
    assert 'getattr(f, "editable", False)' in body


def test_forms_save_by_this_method():
    """``model_forms.ModelFormsMixin.save_form_data()``"""
    assert "f.save_form_data(self.instance, cleaned_data[f.name])" in source(
        BaseModelForm._save_m2m
    )


def test_form_fields_are_bound_before_they_are_cleaned():
    """``admin.choices.AdminChoiceField.get_bound_field()`` sees the form first"""
    from django.forms import BaseForm

    assert "_bound_items()" in source(BaseForm._clean_fields)
    assert "get_bound_field(self, name)" in source(BaseForm.__getitem__)


def test_autocomplete_view():
    """``admin.views.GM2MAutocompleteJsonView``"""
    view = autocomplete.AutocompleteJsonView
    assert view.paginate_by == 20
    assert view.admin_site is None
    assert parameters(view.serialize_result) == ["self", "obj", "to_field_name"]
    assert "self.model_admin.get_paginator(self.request" in source(view.get_paginator)


def test_autocomplete_widget():
    """``admin.choices.SearchMixin``"""
    mixin = widgets.AutocompleteMixin
    assert parameters(mixin.__init__)[:4] == ["self", "field", "admin_site", "attrs"]
    assert parameters(mixin.optgroups) == ["self", "name", "value", "attr"]
    attributes = source(mixin.build_attrs)
    for used in (
        "self.get_url()",
        "self.field.model._meta.app_label",
        "self.field.model._meta.model_name",
        "self.field.name",
    ):
        assert used in attributes


def test_javascript_of_the_widget():
    """What the view is asked for, and what select2 makes of its answer."""
    script = (ADMIN / "static/admin/js/autocomplete.js").read_text()
    asked = set(re.findall(r"(\w+): (?:params|element)\.", script))
    assert asked == {"term", "page", "app_label", "model_name", "field_name"}
    select2 = (ADMIN / "static/admin/js/vendor/select2/select2.full.js").read_text()
    assert "children" in select2
    assert "pagination" in select2


def test_checks_go_by_these_methods():
    """``admin.checks.GM2MChecks``"""
    for name in (
        "_check_autocomplete_fields_item",
        "_check_raw_id_fields_item",
    ):
        method = getattr(checks.BaseModelAdminChecks, name)
        assert parameters(method) == ["self", "obj", "field_name", "label"]
    for name in ("_check_list_display_item", "_check_list_editable_item"):
        method = getattr(checks.ModelAdminChecks, name)
        assert len(parameters(method)) == 4
    body = source(options.BaseModelAdmin.check)
    assert "self.checks_class().check(self" in body


def test_readonly_fields_show_what_the_manager_gives():
    """``admin.options.GM2MAdminMixin.gm2m_hide()`` fills the cache it reads"""
    body = source(helpers.AdminReadonlyField.contents)
    assert "ManyToManyRel" in body
    assert "value.all()" in body


def test_lists_fetch_their_rows_here():
    """``admin.lists.LinkedChangeList``"""
    body = source(main.ChangeList.get_results)
    assert "self.result_list = result_list" in body
    assert parameters(main.ChangeList.get_results) == ["self", "request"]


def test_lists_take_classes_and_callables():
    """``admin.lists``: filters are classes, columns are callables."""
    assert "callable(list_filter)" in source(main.ChangeList.get_filters)
    from django.contrib.admin.utils import label_for_field, lookup_field

    assert "callable(name)" in source(lookup_field)
    assert "short_description" in source(label_for_field)


def test_form_of_an_inline():
    """``admin.inlines.LinkForm``"""
    for name in ("_post_clean", "_get_validation_exclusions", "_update_errors"):
        assert hasattr(BaseModelForm, name)
    validates = hasattr(BaseModelForm, "validate_constraints")
    assert validates == (django.VERSION >= (6, 0))
    body = source(models.BaseModelFormSet.validate_unique)
    assert "form._get_validation_exclusions()" in body
    assert "form.cleaned_data[field]" in body
    assert "get_unique_error_message(unique_check)" in body


def test_permissions_of_an_inline_of_an_automatic_through():
    """``admin.inlines.GM2MThroughInlineMixin._has_any_perms_for_target_model()``"""
    method = options.InlineModelAdmin._has_any_perms_for_target_model
    assert parameters(method) == ["self", "request", "perms"]
    for name in ("add", "change", "delete", "view"):
        body = source(getattr(options.InlineModelAdmin, f"has_{name}_permission"))
        assert "_has_any_perms_for_target_model" in body


def test_message_of_multiple_choices_is_translated_by_django():
    """``admin.options.HOLD_DOWN``"""
    from gm2m.admin.options import HOLD_DOWN

    body = source(options.BaseModelAdmin.formfield_for_manytomany)
    assert HOLD_DOWN in body


def test_what_is_read_only_is_shown_from_the_instance_of_the_form():
    """``admin.options.GM2MAdminMixin.gm2m_show()``"""
    assert "self.form.instance" in source(helpers.AdminReadonlyField.contents)
    body = source(options.ModelAdmin._changeform_view)
    assert '"adminform": admin_form' in body
    assert "inline_formset.media" in body.partition("self.save_model(")[2]
    assert "self.formset.media" in source(helpers.InlineAdminFormSet.media.fget)
