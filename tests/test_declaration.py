"""Declaring the field: its options, its related models and what Django makes of it."""

import ast
import copy
import os
import pickle
import subprocess
import sys
from inspect import signature

import django
import pytest
from django.apps import apps as installed
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.core.management import call_command
from django.db import models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.models import Q
from django.forms import modelform_factory
from django.urls import path

import gm2m.fields
from gm2m import GM2MField
from tests.app.models import (
    Club,
    Concert,
    Critic,
    Documentary,
    Friend,
    Hidden,
    Movie,
    Opera,
    Person,
    Playlist,
    Poster,
    Premiere,
    TaggedImage,
    TaggedPage,
    User,
    UserProxy,
    Vault,
    Video,
)
from tests.project import MAKE_TABLES

library = admin.AdminSite(name="library")
library.register(User)
library.register(Movie)
urlpatterns = [path("library/", library.urls)]


def field_of(model, name="things"):
    return model._meta.get_field(name)


def related(model, name="things"):
    return getattr(model, name).get_related_models()


def deconstructed(field):
    """What the autodetector compares."""
    return MigrationAutodetector(ProjectState(), ProjectState()).deep_deconstruct(field)


# Where the field is found.


def test_field_is_importable_by_its_short_name_and_as_migrations_name_it():
    assert GM2MField is gm2m.fields.GM2MField
    assert GM2MField.__module__ == "gm2m.fields"


def test_package_has_no_other_attributes_than_it_says():
    with pytest.raises(AttributeError, match="GM2MFeild"):
        _ = gm2m.GM2MFeild


# Related models.


def test_related_models_by_class_and_by_name():
    # Other tests may have added more.
    assert set(related(User, "preferred_videos")) >= {
        Movie,
        Documentary,
        Opera,
        Concert,
        Premiere,
        Poster,
    }


def test_related_model_self_and_swappable_setting():
    assert set(related(Friend, "friends")) == {
        Friend,
        installed.get_model("auth.User"),
    }


def test_related_model_that_is_declared_later(registry):
    class Source(models.Model):
        things = GM2MField("Later", "app.Latest")

    assert related(Source) == []

    class Later(models.Model):
        pass

    class Latest(models.Model):
        pass

    assert set(related(Source)) == {Later, Latest}
    assert Later.source_set.field is field_of(Source)


def test_name_without_app_is_of_the_app_of_the_concrete_source(registry):
    """The abstract parent may live in another app than its children."""

    class Abstract(models.Model):
        things = GM2MField("Thing")

        class Meta:
            abstract = True
            app_label = "contenttypes"

    class Thing(models.Model):
        pass

    class Source(Abstract):
        class Meta:
            app_label = "app"

    assert related(Source) == [Thing]


def test_same_related_model_named_twice_is_one_relation(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, "app.Target", "Target", Target)

    assert related(Source) == [Target]
    names = [field.name for field in Target._meta.get_fields()]
    assert names.count("source") == 1


def test_related_model_that_is_a_proxy_stands_for_its_concrete_model(registry):
    class Target(models.Model):
        pass

    class TargetProxy(Target):
        class Meta:
            proxy = True

    class Source(models.Model):
        things = GM2MField(TargetProxy)

    assert related(Source) == [Target]
    assert Target.source_set is TargetProxy.source_set


def test_related_proxy_is_a_model_of_its_own_if_the_field_says_so(registry):
    class Target(models.Model):
        pass

    class TargetProxy(Target):
        class Meta:
            proxy = True

    class Source(models.Model):
        things = GM2MField(TargetProxy, for_concrete_model=False)

    assert related(Source) == [TargetProxy]
    assert hasattr(TargetProxy, "source_set")


def test_swapped_related_model_is_passed_over(registry, settings):
    settings.TEST_THING_MODEL = "app.Replacement"

    class Thing(models.Model):
        class Meta:
            swappable = "TEST_THING_MODEL"

    class Replacement(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Thing, settings.TEST_THING_MODEL)

    assert related(Source) == [Replacement]


def test_no_related_models(registry):
    class Source(models.Model):
        things = GM2MField()

    assert related(Source) == []
    assert Source.things.get_related_models(include_auto=True) == []


# Names of the reverse side.


def test_default_accessor_and_query_name():
    assert Movie.user_set.field is field_of(User, "preferred_videos")
    assert Movie._meta.get_field("user").related_model is User
    assert Movie._meta.get_field("user").get_accessor_name() == "user_set"


def test_related_name_and_related_query_name():
    assert Video.clubs.field is field_of(Club, "library")
    assert Video._meta.get_field("club").get_accessor_name() == "clubs"
    assert not hasattr(Video, "club_set")
    assert not hasattr(Video, "club")


def test_related_name_alone_is_also_the_query_name(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, related_name="holders")

    assert Target._meta.get_field("holders").get_accessor_name() == "holders"
    with pytest.raises(FieldDoesNotExist):
        Target._meta.get_field("source")


def test_related_query_name_alone_leaves_the_accessor_as_it_is(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, related_query_name="holder")

    assert Target._meta.get_field("holder").get_accessor_name() == "source_set"
    assert hasattr(Target, "source_set")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("%(class)s_things", "source_things"),
        ("%(model_name)s_things", "source_things"),
        ("%(app_label)s_things", "app_things"),
        ("%(app_label)s_%(class)s_%(model_name)s", "app_source_source"),
    ],
)
def test_placeholders_in_the_names_of_the_reverse_side(registry, option, expected):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, related_name=option)

    class SourceOfQueries(models.Model):
        things = GM2MField(
            Target, related_name="+others", related_query_name=option + "_q"
        )

    assert hasattr(Target, expected)
    assert Target._meta.get_field(expected).related_model is Source
    assert field_of(SourceOfQueries).related_query_name() == f"{expected}_q".replace(
        "source", "sourceofqueries"
    )


def test_abstract_parent_gives_each_child_a_field_of_its_own():
    page, image = field_of(TaggedPage), field_of(TaggedImage)
    assert page is not image
    assert page.model is TaggedPage
    assert image.model is TaggedImage
    assert TaggedPage.things.through is not TaggedImage.things.through
    assert TaggedPage.things.through._meta.db_table == "app_taggedpage_things"
    assert TaggedImage.things.through._meta.db_table == "app_taggedimage_things"
    assert Video.app_taggedpage_things.field is page
    assert Video.app_taggedimage_things.field is image
    assert related(TaggedPage) == related(TaggedImage) == [Video]
    assert page.relations is not image.relations


def test_abstract_model_leaves_nothing_pending():
    pending = {key: list(value) for key, value in installed._pending_operations.items()}

    class Abstract(models.Model):
        things = GM2MField("missing.Model", through="missing.Through")

        class Meta:
            abstract = True
            app_label = "app"

    assert pending == {
        key: list(value) for key, value in installed._pending_operations.items()
    }


def test_related_model_self_of_an_abstract_parent_is_each_child(registry):
    class Abstract(models.Model):
        things = GM2MField("self", related_name="%(class)s_holders")

        class Meta:
            abstract = True

    class First(Abstract):
        pass

    class Second(Abstract):
        pass

    assert related(First) == [First]
    assert related(Second) == [Second]
    assert hasattr(First, "first_holders")
    assert not hasattr(First, "second_holders")


def test_default_related_name_of_the_source(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target)

        class Meta:
            default_related_name = "holders"

    class Named(models.Model):
        things = GM2MField(Target, related_name="named")

        class Meta:
            default_related_name = "unused"

    assert Target.holders.field is field_of(Source)
    assert Target._meta.get_field("holders").related_model is Source
    assert Target.named.field is field_of(Named)
    assert not hasattr(Target, "unused")


def test_default_related_name_with_placeholders_of_an_abstract_parent(registry):
    class Target(models.Model):
        pass

    class Abstract(models.Model):
        things = GM2MField(Target)

        class Meta:
            abstract = True
            default_related_name = "%(app_label)s_%(model_name)ss"

    class Source(Abstract):
        pass

    assert Target.app_sources.field is field_of(Source)


@pytest.mark.parametrize("name", ["+", "hidden+", "%(class)s+"])
def test_hidden_relation_has_neither_accessor_nor_query_name(registry, name):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, related_name=name)

    assert not [attribute for attribute in dir(Target) if "+" in attribute]
    assert not hasattr(Target, "source_set")
    assert [field.name for field in Target._meta.get_fields()] == ["id"]
    with pytest.raises(FieldError):
        Target._default_manager.filter(source__id=1)
    with pytest.raises(FieldError):
        Target._default_manager.filter(**{name: 1})


def test_several_hidden_fields_on_one_target_do_not_disturb_each_other(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        first = GM2MField(Target, related_name="+")
        second = GM2MField(Target, related_name="+")

    class Other(models.Model):
        first = GM2MField(Target, related_name="+")

    rels = [rel for rel in Target._meta.get_fields(include_hidden=True) if rel.hidden]
    throughs = {Source.first.through, Source.second.through, Other.first.through}
    assert throughs <= {rel.related_model for rel in rels}
    assert len({rel.name for rel in rels}) == len(rels)


def test_two_fields_of_one_source_on_the_same_target(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        liked = GM2MField(Target, related_name="liked_by")
        hated = GM2MField(Target, related_name="hated_by", related_query_name="hater")

    assert Target.liked_by.field is field_of(Source, "liked")
    assert Target.hated_by.field is field_of(Source, "hated")
    assert {f.name for f in Target._meta.get_fields()} == {"id", "liked_by", "hater"}
    assert Source.liked.through is not Source.hated.through


def test_two_sources_on_the_same_target(registry):
    class Target(models.Model):
        pass

    class First(models.Model):
        things = GM2MField(Target)

    class Second(models.Model):
        things = GM2MField(Target)

    assert Target.first_set.field is field_of(First)
    assert Target.second_set.field is field_of(Second)


def test_a_field_beside_a_many_to_many_and_a_foreign_key_to_the_same_target(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        generic = GM2MField(Target, related_name="generics")
        plain = models.ManyToManyField(Target, related_name="plains")
        key = models.ForeignKey(Target, models.CASCADE, related_name="keys")

    assert {f.name for f in Target._meta.get_fields()} == {
        "id",
        "generics",
        "plains",
        "keys",
    }
    assert [f.name for f in Source._meta.many_to_many] == ["generic", "plain"]


def test_names_are_those_of_a_many_to_many_field(registry):
    """Beside the options of the two fields, nothing differs on a target."""

    class Target(models.Model):
        pass

    class Other(models.Model):
        pass

    class Source(models.Model):
        generic = GM2MField(Target)
        plain = models.ManyToManyField(Other)

    ours, theirs = Target._meta.get_field("source"), Other._meta.get_field("source")
    for attribute in (
        "auto_created",
        "concrete",
        "editable",
        "hidden",
        "is_relation",
        "many_to_many",
        "many_to_one",
        "multiple",
        "name",
        "null",
        "one_to_many",
        "one_to_one",
        "related_model",
    ):
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    assert ours.get_accessor_name() == theirs.get_accessor_name()
    assert ours.model is Target
    assert ours.field is field_of(Source, "generic")
    assert ours.remote_field is ours.field


# Sources of every kind.


def test_proxy_of_a_source_has_the_field_of_its_model():
    assert UserProxy.preferred_videos.field is User.preferred_videos.field
    assert UserProxy.preferred_videos.through is User.preferred_videos.through
    assert UserProxy._meta.get_field("preferred_videos").model is User
    assert not hasattr(Movie, "userproxy_set")


def test_multi_table_child_of_a_source_has_the_field_of_its_parent():
    field = Critic._meta.get_field("preferred_videos")
    assert field is User._meta.get_field("preferred_videos")
    assert field in Critic._meta.many_to_many
    assert field not in Critic._meta.local_many_to_many
    assert not hasattr(Movie, "critic_set")


def test_multi_table_child_with_a_field_of_its_own(registry):
    class Target(models.Model):
        pass

    class Parent(models.Model):
        things = GM2MField(Target)

    class Child(Parent):
        others = GM2MField(Target)

    assert [f.name for f in Child._meta.many_to_many] == ["things", "others"]
    assert Child.others.through._meta.db_table == "app_child_others"
    assert Child.others.through._meta.get_field("gm2m_src").related_model is Child
    assert Target.parent_set.field is field_of(Parent)
    assert Target.child_set.field is field_of(Child, "others")


def test_proxy_declared_before_the_related_model(registry):
    class Source(models.Model):
        things = GM2MField("Target")

    class SourceProxy(Source):
        class Meta:
            proxy = True

    class Target(models.Model):
        pass

    assert related(SourceProxy) == [Target]
    assert Target.source_set.field.model is Source


def test_swapped_source_makes_no_reverse_relation(registry, settings):
    settings.TEST_SOURCE_MODEL = "app.Other"

    class Target(models.Model):
        pass

    class Other(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target)

        class Meta:
            swappable = "TEST_SOURCE_MODEL"

    assert Source._meta.swapped == "app.Other"
    assert not hasattr(Target, "source_set")
    assert [f.name for f in Target._meta.get_fields()] == ["id"]
    assert [
        model
        for model in registry.get_models(include_auto_created=True)
        if model._meta.auto_created is Source
    ] == []


def test_swappable_source_that_is_not_swapped(registry, settings):
    settings.TEST_SOURCE_MODEL = "app.Source"

    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target)

        class Meta:
            swappable = "TEST_SOURCE_MODEL"

    assert Target.source_set.field is field_of(Source)


def test_unmanaged_source(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target)

        class Meta:
            managed = False

    assert Target.source_set.field is field_of(Source)
    assert Source.things.through._meta.managed is False


def test_source_without_a_key_of_its_own_name(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        code = models.CharField(max_length=8, primary_key=True)
        things = GM2MField(Target)

    key = Source.things.through._meta.get_field("gm2m_src")
    assert key.target_field is Source._meta.pk
    assert field_of(Source).m2m_target_field_name() == "code"


# Wrong arguments.


class AbstractThing(models.Model):
    class Meta:
        abstract = True
        app_label = "app"


def nothing():
    """A callable that is no model."""


@pytest.mark.parametrize(
    ("related_model", "shown"),
    [
        (AbstractThing, "AbstractThing"),
        (models.Model, "Model"),
        (object, "object"),
        (int, "int"),
        (3, "3"),
        (None, "None"),
        (b"app Movie", "app Movie"),
        ([Movie], "Movie"),
        ((Movie, Documentary), "Documentary"),
        (nothing, "nothing"),
        (models, "models"),
        ("", "''"),
        ("app.", "'app.'"),
        (".Movie", "'.Movie'"),
        ("a.b.Movie", "'a.b.Movie'"),
        ("app Movie", "'app Movie'"),
        ("app.Mo-vie", "'app.Mo-vie'"),
    ],
)
def test_what_is_no_model_is_refused(related_model, shown):
    with pytest.raises((TypeError, ValueError)) as error:
        GM2MField(Movie, related_model)
    assert "GM2MField" in str(error.value)
    assert shown in str(error.value)


def test_instance_of_a_model_is_no_model():
    with pytest.raises(TypeError, match="GM2MField"):
        GM2MField(Movie(title="Alien"))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"related_name": 3}, "related_name"),
        ({"related_name": [b"name"]}, "related_name"),
        ({"related_query_name": 3}, "related_query_name"),
        ({"through": 3}, "through"),
        ({"through": object}, "through"),
        ({"through": models.Model}, "through"),
        ({"through": AbstractThing}, "through"),
        ({"through": ""}, "through"),
        ({"through": "a.b.C"}, "through"),
        ({"through": "PlaylistItem", "db_table": "items"}, "db_table"),
        ({"through": "PlaylistItem", "pk_maxlength": 16}, "pk_maxlength"),
        ({"through": "PlaylistItem", "pk_maxlength": None}, "pk_maxlength"),
        ({"through": "PlaylistItem", "db_constraint": False}, "db_constraint"),
        ({"through": "PlaylistItem", "through_fields": "playlist"}, "through_fields"),
        ({"through": "PlaylistItem", "through_fields": 3}, "through_fields"),
        ({"through": "PlaylistItem", "through_fields": [1, 2]}, "through_fields"),
        (
            {"through": "PlaylistItem", "through_fields": list("abcde")},
            "through_fields",
        ),
        ({"through_fields": ["playlist", "item"]}, "through_fields"),
        ({"through_fields": 3}, "through_fields"),
        ({"through_fields": "gm2m_src"}, "through_fields"),
        ({"pk_maxlength": "16"}, "pk_maxlength"),
        ({"pk_maxlength": 1.5}, "pk_maxlength"),
        ({"pk_maxlength": True}, "pk_maxlength"),
        ({"pk_maxlength": 0}, "pk_maxlength"),
        ({"pk_maxlength": -1}, "pk_maxlength"),
        ({"on_delete": "CASCADE"}, "on_delete"),
        ({"on_delete": None}, "on_delete"),
        ({"on_delete": models.SET_NULL}, "on_delete"),
        ({"on_delete": models.SET_DEFAULT}, "on_delete"),
        ({"on_delete": models.SET(3)}, "on_delete"),
        ({"on_delete_src": 3}, "on_delete_src"),
        ({"on_delete_src": models.SET_NULL}, "on_delete_src"),
        ({"on_delete_tgt": "PROTECT"}, "on_delete_tgt"),
        ({"on_delete_tgt": models.SET_NULL}, "on_delete_tgt"),
        ({"limit_choices_to": 3}, "limit_choices_to"),
        ({"limit_choices_to": "title"}, "limit_choices_to"),
        ({"limit_choices_to": [Q(title="x")]}, "limit_choices_to"),
        ({"limit_choices_to": {Movie: "x"}}, "limit_choices_to"),
        ({"limit_choices_to": {int: {}}}, "limit_choices_to"),
        ({"limit_choices_to": {3: {}}}, "limit_choices_to"),
        ({"limit_choices_to": {Movie: {}, "title": {}}}, "limit_choices_to"),
        ({"symmetrical": True}, "symmetrical"),
        ({"symmetrical": False}, "symmetrical"),
        ({"symmetrical": None}, "symmetrical"),
        ({"to": "auth.User"}, r"by position: GM2MField('auth.User')"),
        ({"to": "app.Movie"}, r"by position: GM2MField('app.Movie')"),
        ({"to": "self"}, "to='self'"),
        ({"to": Movie}, "to=<class"),
        ({"to": ContentType}, "to=<class"),
        ({"to": ["contenttypes.contenttype"]}, "to=["),
        ({"to": ""}, "to=''"),
        ({"related_nmae": "name"}, "'related_nmae'. Did you mean 'related_name'?"),
        ({"on_delete_target": 1}, "'on_delete_target'. Did you mean 'on_delete_tgt'?"),
        ({"on_delete_source": 1}, "'on_delete_source'. Did you mean 'on_delete_src'?"),
        ({"pk_max_length": 36}, "'pk_max_length'. Did you mean 'pk_maxlength'?"),
        ({"trough": "Link"}, "'trough'. Did you mean 'through'?"),
        ({"helptext": "x"}, "'helptext'. Did you mean 'help_text'?"),
        ({"Blank": True}, "'Blank'. Did you mean 'blank'?"),
        ({"rel": None}, "option 'rel'"),
        ({"options": {}}, "option 'options'"),
        ({"kwargs": {}}, "option 'kwargs'"),
        ({"related_models": ["app.Movie"]}, "option 'related_models'"),
        ({"zzzzzz": 1}, "GM2MField() has no option 'zzzzzz'."),
    ],
)
def test_wrong_option_is_refused(options, named):
    with pytest.raises((TypeError, ValueError)) as error:
        GM2MField(Movie, **options)
    assert named in str(error.value)
    assert "GM2MField" in str(error.value)


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Django 6.1 has DB_CASCADE")
@pytest.mark.parametrize("option", ["on_delete", "on_delete_tgt"])
@pytest.mark.parametrize("policy", ["DB_CASCADE", "DB_SET_NULL", "DB_SET_DEFAULT"])
def test_database_cannot_cascade_from_targets(option, policy):
    with pytest.raises(ValueError, match=rf"GM2MField.*{option}"):
        GM2MField(Movie, **{option: getattr(models, policy)})


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Django 6.1 has DB_CASCADE")
def test_database_can_cascade_from_the_source_but_not_set_null():
    assert GM2MField(on_delete_src=models.DB_CASCADE).on_delete_src is models.DB_CASCADE
    for policy in (models.DB_SET_NULL, models.DB_SET_DEFAULT):
        with pytest.raises(ValueError, match=r"GM2MField.*on_delete_src"):
            GM2MField(on_delete_src=policy)


def test_symmetrical_is_no_option_with_self_either():
    with pytest.raises(TypeError, match="symmetrical"):
        GM2MField("self", symmetrical=True)


def test_a_wrong_argument_leaves_no_model_behind(registry):
    with pytest.raises(TypeError):

        class Source(models.Model):
            things = GM2MField(3)

    with pytest.raises(LookupError):
        registry.get_model("app.Source")


@pytest.mark.parametrize(
    "options",
    [
        {"related_name": None, "related_query_name": None},
        {"through": None, "through_fields": None},
        {"db_table": None},
        {"on_delete_src": None, "on_delete_tgt": None},
        {"limit_choices_to": None},
        {"limit_choices_to": {}},
        {"limit_choices_to": {"title": "x"}},
        {"limit_choices_to": Q(title="x")},
        {"limit_choices_to": nothing},
        {"limit_choices_to": {Movie: Q(title="x"), "app.Opera": {"title": "x"}}},
        {"pk_maxlength": None},
        {"pk_maxlength": 1},
        {"to": "contenttypes.contenttype"},
        {"to": "contenttypes.ContentType"},
        {"to": "CONTENTTYPES.CONTENTTYPE"},
        {"to": None},
    ],
)
def test_accepted_options_that_look_odd(options):
    assert isinstance(GM2MField(Movie, **options), GM2MField)


def test_options_are_those_of_a_many_to_many_field():
    """Whichever Django has, and whatever they do there."""
    defaults = {
        name: parameter.default
        for base in (models.ManyToManyField, models.Field)
        for name, parameter in signature(base.__init__).parameters.items()
        if parameter.default is not parameter.empty and name not in ("rel", "to")
    }
    assert "symmetrical" in defaults
    del defaults["symmetrical"]
    for name, default in defaults.items():
        assert isinstance(GM2MField(**{name: default}), GM2MField), name


@pytest.mark.parametrize(
    "options",
    [
        {"null": True},
        {"choices": [("a", "b")]},
        {"choices": 3},
        {"validators": [print]},
        {"db_comment": "x"},
        {"null": False, "choices": {}},
    ],
)
def test_options_without_effect_are_told_as_those_of_a_many_to_many(registry, options):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, **options)

    class Plain(models.Model):
        things = models.ManyToManyField(Target, **options)

    def told(model):
        messages = field_of(model).check(from_model=model)
        return [(message.id, message.msg, message.hint) for message in messages]

    def deconstructed(model):
        _, _, _, kwargs = field_of(model).deconstruct()
        return {option: kwargs.get(option) for option in options}

    assert told(Source) == told(Plain)
    assert deconstructed(Source) == deconstructed(Plain)
    assert field_of(Source).null == field_of(Plain).null
    assert field_of(Source).choices == field_of(Plain).choices


def test_names_of_models_that_are_identifiers_in_another_script_are_names():
    assert GM2MField("app.Événement").related_models == ("app.Événement",)


# Options as Django's.


def test_verbose_name_is_the_munged_name_by_default():
    assert field_of(User, "preferred_videos").verbose_name == "preferred videos"
    field = GM2MField(verbose_name="what they like")
    field.set_attributes_from_name("things")
    assert field.verbose_name == "what they like"


def test_options_of_every_field(registry):
    class Source(models.Model):
        things = GM2MField(
            verbose_name="the things",
            help_text="Choose some.",
            blank=True,
            serialize=False,
            error_messages={"required": "At least one."},
        )

    field = field_of(Source)
    assert field.verbose_name == "the things"
    assert field.help_text == "Choose some."
    assert field.blank is True
    assert field.serialize is False
    assert field.error_messages["required"] == "At least one."


def test_on_delete_is_for_both_sides_unless_a_side_has_its_own():
    field = GM2MField(on_delete=models.PROTECT)
    assert (field.on_delete_src, field.on_delete_tgt) == (
        models.PROTECT,
        models.PROTECT,
    )
    field = GM2MField(on_delete=models.PROTECT, on_delete_tgt=models.RESTRICT)
    assert (field.on_delete_src, field.on_delete_tgt) == (
        models.PROTECT,
        models.RESTRICT,
    )
    field = GM2MField(on_delete_src=models.DO_NOTHING)
    assert (field.on_delete_src, field.on_delete_tgt) == (
        models.DO_NOTHING,
        models.CASCADE,
    )


# What Django sees.


def test_flags_of_the_field():
    field = field_of(User, "preferred_videos")
    assert field.many_to_many is True
    assert field.is_relation is True
    assert field.one_to_many is False
    assert field.many_to_one is False
    assert field.one_to_one is False
    assert field.auto_created is False
    assert field.hidden is False
    assert isinstance(field, models.ManyToManyField)


def test_field_has_no_column():
    field = field_of(User, "preferred_videos")
    assert field.column is None
    assert field.concrete is False
    assert field not in User._meta.fields
    assert field not in User._meta.concrete_fields
    assert field not in User._meta.private_fields
    assert field.attname == "preferred_videos"


def test_source_lists_the_field_among_its_many_to_many_fields():
    assert [f.name for f in User._meta.many_to_many] == ["preferred_videos"]
    assert "preferred_videos" in {f.name for f in User._meta.get_fields()}
    assert [f.name for f in User._meta.local_many_to_many] == ["preferred_videos"]


def test_source_gets_no_other_visible_field(registry):
    class Source(models.Model):
        things = GM2MField()

    assert [field.name for field in Source._meta.get_fields()] == ["id", "things"]


CONTENT_TYPES = """
import django
django.setup()
import tests.app.models
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldError
print([name for name in vars(ContentType) if not name.startswith("__")])
print([field.name for field in ContentType._meta.get_fields()])
try:
    ContentType.objects.filter(user__name="x")
except FieldError as error:
    print([type(error).__name__])
"""


def test_content_types_are_left_alone():
    """
    To Django the field leads to content types; they are not to know of it. They may
    be targets, though, and in another test they were: so this has its own process.
    """
    told = subprocess.run(
        [sys.executable, "-c", CONTENT_TYPES],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    attributes, fields, error = map(ast.literal_eval, told.stdout.splitlines())
    assert not [name for name in attributes if "gm2m" in name or "preferred" in name]
    assert {"id", "app_label", "model", "permission", "logentry"} <= set(fields)
    for name in ("user", "users", "club", "things", "hidden", "contenttype"):
        assert name not in fields
    assert error == ["FieldError"]


def test_related_objects_of_django_are_not_shadowed_on_content_types():
    permission = ContentType._meta.get_field("permission")
    assert permission.related_model is installed.get_model("auth.Permission")


def test_strings_of_field_and_rel():
    field = field_of(User, "preferred_videos")
    assert str(field) == "app.User.preferred_videos"
    assert repr(field) == "<gm2m.fields.GM2MField: preferred_videos>"
    assert field.description
    assert "app" in repr(Movie._meta.get_field("user"))


def test_descriptor_on_the_class():
    descriptor = User.preferred_videos
    field = field_of(User, "preferred_videos")
    assert descriptor.field is field
    assert descriptor.rel is field.remote_field
    assert descriptor.through is field.remote_field.through
    assert descriptor.through is User.preferred_videos.through


def test_field_pickles_by_reference():
    field = field_of(User, "preferred_videos")
    assert pickle.loads(pickle.dumps(field)) is field


def test_copies_of_a_field_are_equal_and_keep_the_model():
    field = field_of(User, "preferred_videos")
    twin = copy.deepcopy(field)
    assert twin == field
    assert hash(twin) == hash(field)
    assert twin.model is User
    assert copy.copy(field) == field


def test_fields_are_ordered_by_declaration(registry):
    class Source(models.Model):
        last_by_name = GM2MField(related_name="a")
        first_by_name = models.ManyToManyField("self")
        between = GM2MField(related_name="b")

    assert [f.name for f in Source._meta.many_to_many] == [
        "last_by_name",
        "first_by_name",
        "between",
    ]


def test_each_source_has_a_remote_model_that_shows_nothing_of_the_project():
    """Filters and serializers of others ask for the related model and its manager."""
    remote = field_of(User, "preferred_videos").related_model
    assert issubclass(remote, models.Model)
    assert remote._meta.label_lower == "contenttypes.contenttype"
    assert remote not in installed.get_models(include_auto_created=True)
    assert installed.get_model("contenttypes.ContentType") is ContentType


@pytest.mark.django_db
def test_remote_model_has_no_objects(django_assert_num_queries):
    remote = field_of(User, "preferred_videos").related_model
    with django_assert_num_queries(0):
        assert list(remote._default_manager.all()) == []
        assert remote._default_manager.count() == 0


@pytest.mark.django_db
def test_value_from_object():
    field = field_of(User, "preferred_videos")
    assert field.value_from_object(User()) == []
    user = User.objects.create(name="Jack")
    movie = Movie.objects.create(title="Alien")
    user.preferred_videos.add(movie)
    assert field.value_from_object(user) == [movie]


# Deconstruction.


def test_deconstruction_names_what_the_database_depends_on():
    name, path, args, kwargs = GM2MField(Movie, "app.Opera").deconstruct()
    assert name is None
    assert path == "gm2m.fields.GM2MField"
    assert list(args) == []
    assert kwargs == {"to": "contenttypes.contenttype"}


@pytest.mark.parametrize(
    "options",
    [
        {"related_name": "holders"},
        {"related_query_name": "holder"},
        {"db_table": "holdings"},
        {"db_constraint": False},
        {"for_concrete_model": False},
        {"pk_maxlength": 36},
        {"pk_maxlength": None},
        {"through": "app.PlaylistItem"},
        {"through": "app.ShelfPlace", "through_fields": ["shelf", "video"]},
        {"verbose_name": "the things"},
        {"help_text": "Choose some."},
        {"blank": True},
        {"serialize": False},
        {"editable": False},
    ],
)
def test_option_survives_deconstruction(options):
    field = GM2MField(**options)
    _, _, args, kwargs = field.deconstruct()
    assert kwargs == {"to": "contenttypes.contenttype", **options}
    twin = GM2MField(*args, **kwargs)
    assert deconstructed(twin) == deconstructed(field)
    assert deconstructed(twin) != deconstructed(GM2MField())


@pytest.mark.parametrize(
    "options",
    [
        {"limit_choices_to": {"title": "x"}},
        {"limit_choices_to": nothing},
        {"on_delete": models.PROTECT},
        {"on_delete_src": models.DO_NOTHING},
        {"on_delete_tgt": models.RESTRICT},
        {"pk_maxlength": 16},
        {"db_constraint": True},
        {"for_concrete_model": True},
        {"editable": True},
    ],
)
def test_option_that_the_database_does_not_know_is_not_deconstructed(options):
    field = GM2MField(Movie, **options)
    assert deconstructed(field) == deconstructed(GM2MField())


@pytest.mark.skipif(django.VERSION < (6, 1), reason="Django 6.1 has DB_CASCADE")
def test_policy_of_the_database_is_deconstructed():
    field = GM2MField(on_delete_src=models.DB_CASCADE)
    _, _, _, kwargs = field.deconstruct()
    assert kwargs["on_delete_src"] is models.DB_CASCADE
    assert field.clone().on_delete_src is models.DB_CASCADE
    text = MigrationWriter.serialize(field)[0]
    assert "on_delete_src=django.db.models.deletion.DB_CASCADE" in text


def test_custom_through_is_deconstructed_with_its_four_fields():
    _, _, _, kwargs = field_of(Playlist, "items").deconstruct()
    assert kwargs["through"].lower() == "app.playlistitem"
    assert list(kwargs["through_fields"]) == [
        "playlist",
        "item",
        "content_type",
        "object_id",
    ]
    _, _, _, kwargs = field_of(Vault, "works").deconstruct()
    assert list(kwargs["through_fields"]) == ["vault", "work", "work_type", "work_id"]


def test_field_of_a_prepared_source_deconstructs_like_one_that_is_not():
    twin = GM2MField(pk_maxlength=36)
    assert deconstructed(field_of(User, "preferred_videos")) == deconstructed(twin)


def test_hidden_relation_is_deconstructed():
    assert deconstructed(field_of(Hidden)) == deconstructed(GM2MField(related_name="+"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pk_maxlength": 36},
        {"related_name": "%(class)s_holders"},
    ],
)
def test_form_of_the_existing_library_compares_equal(options):
    theirs = GM2MField(
        "app.Movie",
        "auth.User",
        through_fields=["gm2m_src", "gm2m_tgt", "gm2m_ct", "gm2m_pk"],
        **options,
    )
    assert deconstructed(theirs) == deconstructed(GM2MField(Movie, **options))
    assert deconstructed(theirs) == deconstructed(GM2MField(**options))


def test_form_of_the_existing_library_on_any_later_django():
    theirs = GM2MField(
        "app.Movie",
        through_fields=("gm2m_src", "gm2m_tgt", "gm2m_ct", "gm2m_pk"),
        to=None,
    )
    assert deconstructed(theirs) == deconstructed(GM2MField())


def test_written_form_can_be_read_again():
    field = GM2MField(Movie, pk_maxlength=36, related_name="holders")
    text, imports = MigrationWriter.serialize(field)
    assert imports == {"import gm2m.fields"}
    twin = eval(text, {"gm2m": gm2m})
    assert deconstructed(twin) == deconstructed(field)
    assert "Movie" not in text
    assert "gm2m_" not in text


@pytest.mark.parametrize(
    ("attribute", "options"),
    [
        ("related_models", {}),
        ("on_delete_src", {"on_delete_src": models.PROTECT}),
        ("on_delete_tgt", {"on_delete_tgt": models.RESTRICT}),
        ("pk_maxlength", {"pk_maxlength": 36}),
        ("for_concrete_model", {"for_concrete_model": False}),
        ("db_table", {"db_table": "holdings"}),
    ],
)
def test_clone_keeps(attribute, options):
    field = GM2MField(Movie, "app.Opera", **options)
    clone = field.clone()
    assert clone is not field
    assert getattr(clone, attribute) == getattr(field, attribute)
    assert clone.related_models == (Movie, "app.Opera")


def test_clone_keeps_what_forms_offer():
    choices = {Movie: Q(title="x")}
    clone = GM2MField(Movie, limit_choices_to=choices).clone()
    assert clone.remote_field.limit_choices_to == choices


def test_clone_of_a_prepared_field_serves_another_model(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target)

    clone = field_of(Source).clone()

    class Other(models.Model):
        things = clone

    assert related(Other) == related(Source) == [Target]
    assert Target.source_set.field is field_of(Source)
    assert Target.other_set.field is clone


def test_adding_a_relation_is_not_deconstructed(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField()

    before = deconstructed(field_of(Source))
    Source.things.add_relation(Target)
    assert deconstructed(field_of(Source)) == before


# Forms and the admin.


@pytest.mark.django_db
def test_form_without_the_field_leaves_links_alone():
    user = User.objects.create(name="Jack")
    movie = Movie.objects.create(title="Alien")
    user.preferred_videos.add(movie)
    form_class = modelform_factory(User, fields=["name"])
    form = form_class({"name": "Jill"}, instance=user)
    assert form.is_valid(), form.errors
    form.save()
    user.refresh_from_db()
    assert user.name == "Jill"
    assert list(user.preferred_videos.all()) == [movie]


@pytest.mark.django_db
def test_stock_model_form_makes_a_source():
    movie = Movie.objects.create(title="Alien")
    data = {"name": "Jill", "preferred_videos": [f"app.movie:{movie.pk}"]}
    form = modelform_factory(User, exclude=[])(data)
    unsaved = form.save(commit=False)
    unsaved.save()
    form.save_m2m()
    assert list(unsaved.preferred_videos.all()) == [movie]


@pytest.mark.django_db
def test_stock_model_form_of_a_target_has_no_reverse_fields():
    form_class = modelform_factory(Movie, fields="__all__")
    assert set(form_class.base_fields) == {"title", "year", "director"}
    director = Person.objects.create(name="Ridley")
    form = form_class({"title": "Alien", "year": "1979", "director": director.pk})
    assert form.is_valid(), form.errors
    assert form.save().pk


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_admin_adds_and_changes_a_source(admin_client):
    movie = Movie.objects.create(title="Alien")
    value = f"app.movie:{movie.pk}"
    page = admin_client.get("/library/app/user/add/")
    assert page.status_code == 200
    assert value in page.content.decode()
    assert b"gm2m" not in page.content
    data = {"name": "Jack", "preferred_videos": [value]}
    answer = admin_client.post("/library/app/user/add/", data)
    assert answer.status_code == 302
    user = User.objects.get(name="Jack")
    assert list(user.preferred_videos.all()) == [movie]
    url = f"/library/app/user/{user.pk}/change/"
    assert f'value="{value}" selected' in admin_client.get(url).content.decode()
    answer = admin_client.post(url, {**data, "name": "Jill"})
    assert answer.status_code == 302
    user.refresh_from_db()
    assert user.name == "Jill"
    assert list(user.preferred_videos.all()) == [movie]
    assert admin_client.get("/library/app/user/").status_code == 200
    assert admin_client.get("/library/app/user/?name=Jill").status_code in (200, 302)


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_admin_adds_and_changes_a_target(admin_client):
    director = Person.objects.create(name="Ridley")
    data = {"title": "Alien", "year": "1979", "director": director.pk}
    answer = admin_client.post("/library/app/movie/add/", data)
    assert answer.status_code == 302
    movie = Movie.objects.get(title="Alien")
    url = f"/library/app/movie/{movie.pk}/change/"
    page = admin_client.get(url)
    assert page.status_code == 200
    assert b"user_set" not in page.content
    assert admin_client.get("/library/app/movie/").status_code == 200
    answer = admin_client.post(url, {**data, "title": "Aliens"})
    assert answer.status_code == 302
    assert Movie.objects.filter(title="Aliens").exists()


@pytest.mark.django_db
def test_admin_documentation_of_relations_is_walked_without_an_error():
    """What admindocs and inspecting packages ask of every field."""
    for model in installed.get_models(include_auto_created=True):
        for field in model._meta.get_fields(include_hidden=True):
            assert isinstance(field.name, str)
            if field.is_relation:
                _ = field.related_model, field.remote_field
            if field.auto_created and not field.concrete:
                # Django has none for its own symmetrical relations.
                assert field.get_accessor_name() or field.symmetrical


# The project around.


@pytest.mark.django_db(databases=["default", "other"])
def test_check_is_clean(capsys):
    call_command("check", fail_level="INFO")
    assert "no issues" in capsys.readouterr().out


@pytest.mark.parametrize(
    "apps",
    [
        ["gm2m", "django.contrib.contenttypes", "library"],
        ["gm2m", "library", "django.contrib.contenttypes"],
        ["library", "django.contrib.contenttypes", "gm2m"],
        ["gm2m", "django.contrib.auth", "library", "django.contrib.contenttypes"],
        # And neither does its absence.
        ["django.contrib.contenttypes", "library"],
        ["library", "django.contrib.contenttypes"],
    ],
    ids=" ".join,
)
def test_place_in_installed_apps_does_not_matter(project, apps):
    project.settings(apps)
    project.models("""
import gm2m

class Source(models.Model):
    things = gm2m.GM2MField("Movie")

class Movie(models.Model):
    pass
""")
    said = project.run(f"""{MAKE_TABLES}
source, movie = Source.objects.create(), Movie.objects.create()
source.things.add(movie)
assert list(source.things.all()) == [movie]
assert list(movie.source_set.all()) == [source]
assert Movie.objects.get(source=source) == movie
movie.delete()
assert not source.things.exists()
print("works")
""")
    assert said == "works\n"


def test_importing_the_package_needs_no_settings():
    code = "import gm2m; assert gm2m.__all__ == ['GM2MField']; import gm2m.apps"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert result.returncode == 0
