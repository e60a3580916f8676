"""
A related model whose manager yields objects of its subclasses: what is offered for it,
in forms, in the admin and by ``choose()``, and removed there.
"""

from types import ModuleType

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.contrib.auth.models import Permission
from django.contrib.auth.models import User as Account
from django.db.models import QuerySet
from django.test import RequestFactory
from django.urls import path, set_urlconf

from gm2m.admin import GM2MAdminMixin
from gm2m.admin.visibility import Visibility
from gm2m.choices import choose
from gm2m.forms import GM2MMultipleChoiceField
from gm2m.identifiers import identifier
from tests.app.models import Animal, Cat, Dog, Zoo

FIELD = Zoo._meta.get_field("animals")


@pytest.fixture
def rex(db):
    return Dog.objects.create(name="Rex")


@pytest.fixture
def tom(rex):
    return Cat.objects.create(name="Tom")


@pytest.fixture
def zoo(rex, tom):
    zoo = Zoo.objects.create(name="Tierpark")
    zoo.animals.add(rex, tom)
    return zoo


def form_class(models=None, **options):
    class Form(forms.ModelForm):
        if models:
            animals = GM2MMultipleChoiceField(models, required=False, **options)

        class Meta:
            model = Zoo
            fields = ["name", "animals"]

    return Form


def selected(form):
    return [
        str(label)
        for _group, options, _index in form["animals"].field.widget.optgroups(
            "animals", form["animals"].value()
        )
        for label in [option["label"] for option in options if option["selected"]]
    ]


def save(form, zoo, *values):
    posted = form({"name": "Z", "animals": values}, instance=zoo)
    assert posted.is_valid(), posted.errors
    posted.save()
    return [animal.name for animal in zoo.animals.all()]


def test_a_form_offers_shows_and_removes_them(zoo, rex, tom):
    form = form_class()
    assert selected(form(instance=zoo)) == ["Rex", "Tom"]
    assert f'value="{identifier(rex)}" selected' in str(form(instance=zoo)["animals"])
    assert save(form, zoo, identifier(rex)) == ["Rex"]
    assert selected(form(instance=zoo)) == ["Rex"]
    assert save(form, zoo) == []
    assert save(form, zoo, identifier(tom)) == ["Tom"]


def test_identifiers_of_the_parent_are_taken_as_well(zoo, rex, tom):
    as_animals = [f"app.animal:{obj.pk}" for obj in (rex, tom)]
    assert save(form_class(), zoo, *as_animals, identifier(rex)) == ["Rex", "Tom"]
    assert zoo.animals.through.objects.count() == 2
    (first,) = (
        form_class()({"animals": as_animals[:1]})
        .fields["animals"]
        .clean(as_animals[:1])
    )
    assert type(first) is Dog


def test_links_under_the_parent_are_shown_and_removed(zoo, rex):
    zoo.animals.set([QuerySet(Animal).get(pk=rex.pk)], clear=True)
    form = form_class()
    assert selected(form(instance=zoo)) == ["Rex"]
    assert not form(
        {"name": "Tierpark", "animals": [identifier(rex)]}, instance=zoo
    ).has_changed()
    assert save(form, zoo) == []


def test_a_class_must_be_that_of_the_object(zoo, rex):
    for value in (f"app.cat:{rex.pk}", f"app.movie:{rex.pk}", "app.dog:999"):
        form = form_class()({"name": "Z", "animals": [value]}, instance=zoo)
        (error,) = form.errors.as_data()["animals"]
        assert error.code == "invalid_choice"


def test_a_queryset_that_yields_no_subclasses(zoo, rex):
    form = form_class([QuerySet(Animal)])
    value = f"app.animal:{rex.pk}"
    assert selected(form(instance=zoo)) == ["Rex", "Tom"]
    assert f'value="{value}" selected' in str(form(instance=zoo)["animals"])
    assert not form(
        {"name": "Tierpark", "animals": form(instance=zoo)["animals"].value()},
        instance=zoo,
    ).has_changed()
    assert save(form, zoo, value) == ["Rex"]
    assert save(form, zoo) == []


def test_what_a_queryset_of_the_parent_does_not_have_stays(zoo, tom):
    form = form_class([Animal.objects.filter(name="Rex")])
    assert save(form, zoo) == ["Tom"]


def test_choosing(rex, tom):
    values = [f"app.animal:{tom.pk}", identifier(rex), identifier(tom)]
    assert choose(FIELD, values) == [tom, rex]
    for value in (f"app.cat:{rex.pk}", "app.unknown:1", "app.Dog:1"):
        with pytest.raises(ValueError, match="none of the objects on offer"):
            choose(FIELD, [value])


# The admin.


class AnimalAdmin(admin.ModelAdmin):
    search_fields = ["name"]

    def get_queryset(self, request):
        return super().get_queryset(request).exclude(name="Hidden")


class ZooAdmin(GM2MAdminMixin, admin.ModelAdmin):
    autocomplete_fields = ["animals"]
    list_display = ["name", "animals"]
    list_filter = ["animals", "animals__animal"]


@pytest.fixture
def zoo_admin():
    site = admin.AdminSite()
    all_sites.discard(site)  # System checks are not about it.
    site.register(Animal, AnimalAdmin)
    site.register(Zoo, ZooAdmin)
    urls = ModuleType("urls")
    urls.urlpatterns = [path("admin/", site.urls)]
    set_urlconf(urls)
    yield site.get_model_admin(Zoo)
    set_urlconf(None)


@pytest.fixture
def clerk(db):
    account = Account.objects.create_user("clerk", is_staff=True)
    names = ["view_animal", "view_zoo", "change_zoo"]
    account.user_permissions.set(Permission.objects.filter(codename__in=names))
    return account


def ask(account, **data):
    request = RequestFactory().get("/", data)
    request.user = account
    return request


def test_the_admin_of_the_parent_shows_them(zoo, zoo_admin, clerk, rex, tom):
    hidden = Dog.objects.create(name="Hidden")
    zoo.animals.add(hidden)
    visibility = Visibility(zoo_admin.admin_site, ask(clerk))
    (shown,) = visibility.shown([zoo], [FIELD])
    assert list(shown.animals.all()) == [rex, tom]
    assert list(zoo.animals.all()) == [rex, tom, hidden]
    clerk = Account.objects.get(pk=clerk.pk)
    clerk.user_permissions.clear()
    visibility = Visibility(zoo_admin.admin_site, ask(clerk))
    assert list(visibility.shown([zoo], [FIELD])[0].animals.all()) == []


def test_the_admin_searches_and_selects_them(zoo, zoo_admin, clerk, rex, tom):
    label = {"app_label": "app", "model_name": "zoo", "field_name": "animals"}
    request = ask(clerk, term="e", **label)
    answer = zoo_admin.gm2m_autocomplete_view(request)
    assert identifier(rex) in answer.content.decode()
    form = zoo_admin.get_form(request, zoo)(instance=zoo)
    html = str(form["animals"])
    assert all(f'value="{identifier(obj)}" selected' in html for obj in (rex, tom))
    form = zoo_admin.get_form(request, zoo)(
        {"name": "Z", "animals": [identifier(tom)]}, instance=zoo
    )
    form.save()
    assert list(zoo.animals.all()) == [tom]


def test_the_admin_lists_and_filters_by_them(zoo, zoo_admin, clerk, rex):
    empty = Zoo.objects.create(name="Empty")
    for chosen, found in {
        "animals__model=app.animal": [zoo],
        "animals__model=none": [empty],
        f"animals__animal__id__exact={rex.pk}": [zoo],
        "animals__animal__isnull=True": [empty],
    }.items():
        name, _equals, value = chosen.partition("=")
        changelist = zoo_admin.get_changelist_instance(ask(clerk, **{name: value}))
        assert list(changelist.result_list) == found
        models, _objects = changelist.filter_specs
        assert models.lookup_choices == [("app.animal", "Animals"), ("none", "Empty")]
    (column,) = [column for column in changelist.list_display if callable(column)]
    assert column(empty) == ""
