"""
Restricting what is offered in the ways that a ``ManyToManyField`` has for it, and what
those see who may only view links.
"""

import re
from types import ModuleType

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.contrib.auth.models import User as Account
from django.urls import path, set_urlconf

from gm2m.admin import GM2MAdminMixin, GM2MThroughInlineMixin
from gm2m.forms import GM2MMultipleChoiceField
from gm2m.identifiers import identifier
from tests.app.models import (
    Club,
    Movie,
    Opera,
    Playlist,
    PlaylistItem,
    User,
    Video,
)

pytestmark = pytest.mark.django_db

SEVERAL = User._meta.get_field("preferred_videos")
ONE = Club._meta.get_field("library")


@pytest.fixture
def alien():
    return Video.objects.create(title="Alien")


@pytest.fixture
def jaws():
    return Video.objects.create(title="Jaws")


@pytest.fixture
def request_(rf, admin_user):
    request = rf.get("/")
    request.user = admin_user
    return request


def admin_of(model, **options):
    """Return an admin of `model`, on a site of its own to which the URLs lead."""
    site = admin.AdminSite()
    all_sites.discard(site)  # System checks are not about it.
    for target in (Video, Movie, Opera):
        site.register(target, search_fields=["title"])
    site.register(model, type("Admin", (GM2MAdminMixin, admin.ModelAdmin), options))
    urls = ModuleType("urls")
    urls.urlpatterns = [path("admin/", site.urls)]
    set_urlconf(urls)
    return site.get_model_admin(model)


@pytest.fixture(autouse=True)
def urls():
    yield
    set_urlconf(None)


def offered(field):
    return [label for _group, choices in field.choices for _value, label in choices]


# The queryset of a form field.


def club_form(**attributes):
    meta = type("Meta", (), {"model": Club, "fields": ["library"]})
    return type("Form", (forms.ModelForm,), {"Meta": meta, **attributes})


def test_the_queryset_of_a_field_with_one_model(alien, jaws):
    def init(self, *args, **kwargs):
        super(form_class, self).__init__(*args, **kwargs)
        self.fields["library"].queryset = Video.objects.filter(title="Jaws")

    form_class = club_form(__init__=init)
    assert offered(form_class().fields["library"]) == ["Jaws"]
    club = Club.objects.create()
    club.library.add(alien)
    form_class({"library": [identifier(jaws)]}, instance=club).save()
    assert list(club.library.all()) == [alien, jaws]
    assert not form_class({"library": [identifier(alien)]}, instance=club).is_valid()


def test_the_queryset_of_a_field_with_several_models():
    field = SEVERAL.formfield()
    message = re.escape("set querysets[Movie] of the field, or name all in models")
    with pytest.raises(TypeError, match=message):
        field.queryset = Movie.objects.all()
    field.querysets[Movie] = Movie.objects.none()
    assert offered(field) == []


def test_reading_the_queryset_names_those_that_there_are():
    field = ONE.formfield()
    with pytest.raises(AttributeError, match=r"a dict of app\.Video"):
        field.queryset  # noqa: B018
    # As Django asks before it limits choices in its own way.
    assert not hasattr(field, "queryset")


def test_the_queryset_that_a_form_field_is_asked_for(alien, jaws):
    field = ONE.formfield(queryset=Video.objects.filter(title="Jaws"))
    assert offered(field) == ["Jaws"]
    message = re.escape("Give formfield() models instead")
    with pytest.raises(TypeError, match=message):
        SEVERAL.formfield(queryset=Movie.objects.all())
    with pytest.raises(TypeError, match=message):
        ONE.formfield(queryset=Opera.objects.all())


def test_a_slice_is_not_offered():
    with pytest.raises(TypeError, match=r"A slice of app\.Movie cannot be offered"):
        GM2MMultipleChoiceField([Movie.objects.all()[:5]])


# The hook of admins.


def test_the_hook_for_many_to_many_fields(request_, alien, jaws):
    def formfield_for_manytomany(self, db_field, request, **kwargs):
        kwargs["queryset"] = Video.objects.filter(title="Jaws")
        hook = super(type(self), self).formfield_for_manytomany
        return hook(db_field, request, **kwargs)

    club_admin = admin_of(Club, formfield_for_manytomany=formfield_for_manytomany)
    form_class = club_admin.get_form(request_)
    assert offered(form_class.base_fields["library"]) == ["Jaws"]
    user_admin = admin_of(User, formfield_for_manytomany=formfield_for_manytomany)
    with pytest.raises(TypeError, match="Give formfield"):
        user_admin.get_form(request_)


def test_other_fields_have_the_hook_of_django(request_):
    account_admin = admin_of(Account)
    form_class = account_admin.get_form(request_)
    assert type(form_class.base_fields["groups"]) is forms.ModelMultipleChoiceField


# Who may only view links.


class ItemInline(GM2MThroughInlineMixin, admin.TabularInline):
    model = PlaylistItem
    extra = 0

    def has_change_permission(self, request, obj=None):
        return False


def test_links_that_may_only_be_viewed_show_their_targets(request_, alien):
    playlist = Playlist.objects.create(name="Evening")
    playlist.items.add(alien, through_defaults={"position": 1})
    playlist_admin = admin_of(Playlist, inlines=[ItemInline])
    answer = playlist_admin.change_view(request_, str(playlist.pk))
    html = answer.render().content.decode()
    assert "<p>Alien</p>" in html
    assert not re.search("gm2m target", html, re.IGNORECASE)
    assert "<p>None</p>" not in html


def test_a_link_whose_target_is_gone_shows_nothing(alien):
    column = ItemInline(Playlist, admin.AdminSite()).gm2m_target
    playlist = Playlist.objects.create(name="Evening")
    playlist.items.add(alien, through_defaults={"position": 1})
    Video.objects.filter(pk=alien.pk)._raw_delete("default")
    assert column(PlaylistItem.objects.get()) == ""
    assert column.short_description == "Items"
