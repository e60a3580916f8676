"""The model of the table between: the automatic one, and one's own."""

import copy
import pickle
import uuid

import pytest
from django.apps import apps as installed
from django.contrib import admin
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db import IntegrityError, connection, models, router, transaction
from django.forms import model_to_dict, modelform_factory
from django.test.utils import CaptureQueriesContext
from django.urls import path

from gm2m import GM2MField
from tests.app.models import (
    Concert,
    Documentary,
    Festival,
    Film,
    Friend,
    GalaScreening,
    Hidden,
    Movie,
    Opera,
    Person,
    Playlist,
    PlaylistItem,
    Screening,
    ScreeningProxy,
    Shelf,
    ShelfPlace,
    TaggedPage,
    User,
    Vault,
    VaultEntry,
    Video,
)

UserVideo = User.preferred_videos.through

# Django 6.1 deprecates it, and projects have it still.
select_related_of_all = pytest.mark.filterwarnings(
    "ignore:Calling select_related\\(\\) with no arguments is deprecated"
)


class ScreeningAdmin(admin.ModelAdmin):
    list_display = ["id", "festival", "seats"]
    list_filter = ["seats"]


# Not in the class: Django 6.1 deprecates it there, and projects have it still.
ScreeningAdmin.list_select_related = True

library = admin.AdminSite(name="library")
library.register([Screening, ScreeningProxy, GalaScreening], ScreeningAdmin)
urlpatterns = [path("library/", library.urls)]


@pytest.fixture
def tables(registry, transactional_db):
    """Make the tables of models of a test, and drop them after it."""
    made = []

    def create(*some):
        for model in some:
            with connection.schema_editor() as editor:
                editor.create_model(model)
            made.append(model)

    yield create
    for model in reversed(made):
        with connection.schema_editor() as editor:
            editor.delete_model(model)


def constraints(model):
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return found.values()


# The automatic through model: names and columns.


def test_names_of_the_automatic_through():
    assert UserVideo.__name__ == "User_preferred_videos"
    assert UserVideo.__qualname__ == "User.preferred_videos.through"
    assert UserVideo.__module__ == User.__module__
    assert UserVideo._meta.label == "app.User_preferred_videos"
    assert UserVideo._meta.auto_created is User
    assert UserVideo._meta.db_table == "app_user_preferred_videos"
    assert str(UserVideo._meta.verbose_name) == "user-preferred_videos relationship"
    assert installed.get_model("app.User_preferred_videos") is UserVideo
    assert UserVideo not in installed.get_models()
    assert UserVideo in installed.get_models(include_auto_created=True)


def test_fields_of_the_automatic_through():
    assert {f.name: f.column for f in UserVideo._meta.fields} == {
        "id": "id",
        "gm2m_src": "gm2m_src_id",
        "gm2m_ct": "gm2m_ct_id",
        "gm2m_pk": "gm2m_pk",
    }
    source, content_type, key = (
        UserVideo._meta.get_field(name) for name in ("gm2m_src", "gm2m_ct", "gm2m_pk")
    )
    assert source.related_model is User
    assert content_type.related_model is ContentType
    assert isinstance(key, models.CharField)
    assert key.max_length == 36
    assert [f.null for f in (source, content_type, key)] == [False] * 3
    generic = UserVideo._meta.get_field("gm2m_tgt")
    assert isinstance(generic, GenericForeignKey)
    assert (generic.ct_field, generic.fk_field) == ("gm2m_ct", "gm2m_pk")
    assert generic.for_concrete_model is True


def test_automatic_through_leaves_no_accessors_at_its_ends():
    for model in (User, ContentType):
        assert not [name for name in dir(model) if "user_preferred" in name]
        assert not [
            field.name
            for field in model._meta.get_fields()
            if field.related_model is UserVideo
        ]


def test_automatic_through_pickles_by_reference():
    assert pickle.loads(pickle.dumps(UserVideo)) is UserVideo
    assert pickle.loads(pickle.dumps(TaggedPage.things.through)) is (
        TaggedPage.things.through
    )


@pytest.mark.django_db
def test_row_of_the_automatic_through_pickles():
    user, movie = User.objects.create(), Movie.objects.create(title="Alien")
    user.preferred_videos.add(movie)
    row = UserVideo.objects.get()
    twin = pickle.loads(pickle.dumps(row))
    assert twin == row
    assert twin.gm2m_tgt == movie


def test_automatic_through_passes_its_own_checks():
    for model in (UserVideo, Friend.friends.through, Hidden.things.through):
        assert model.check() == []


def test_through_of_a_source_with_a_key_of_another_kind(registry):
    class Source(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        things = GM2MField()

    class Child(Source):
        others = GM2MField(related_name="others")

    source = Source.things.through._meta.get_field("gm2m_src")
    assert source.target_field is Source._meta.pk
    child = Child.others.through._meta.get_field("gm2m_src")
    assert child.related_model is Child
    assert child.db_type(connection) == source.db_type(connection)


def test_through_follows_for_concrete_model(registry):
    class Source(models.Model):
        things = GM2MField(for_concrete_model=False)

    assert Source.things.through._meta.get_field("gm2m_tgt").for_concrete_model is False


def test_automatic_through_is_managed_as_its_source(registry):
    class Source(models.Model):
        things = GM2MField()

    class Unmanaged(models.Model):
        things = GM2MField()

        class Meta:
            managed = False

    assert Source.things.through._meta.managed is True
    assert Unmanaged.things.through._meta.managed is False


def test_automatic_through_is_in_the_tablespace_of_its_source(registry):
    class Source(models.Model):
        things = GM2MField()
        others = GM2MField(related_name="others", db_tablespace="fast")

        class Meta:
            db_tablespace = "slow"

    assert Source.things.through._meta.db_tablespace == "slow"
    for name in ("gm2m_src", "gm2m_ct"):
        field = Source.others.through._meta.get_field(name)
        assert field.db_tablespace == "fast"


def test_swapped_source_has_no_automatic_through(registry, settings):
    settings.TEST_SOURCE_MODEL = "app.Other"

    class Source(models.Model):
        things = GM2MField()

        class Meta:
            swappable = "TEST_SOURCE_MODEL"

    assert Source.things.through is None
    assert not registry.get_app_config("app").models.get("source_things")


class OnOther:
    """Sources, and so what belongs to them, are kept in the other database."""

    def db_for_read(self, model, **hints):
        return "other" if model in (User, UserVideo) else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, model_name=None, model=None, **hints):
        return db == "other" if model in (User, UserVideo) else None


def test_router_is_asked_about_the_automatic_through(settings):
    settings.DATABASE_ROUTERS = [OnOther()]
    assert router.db_for_write(UserVideo) == "other"
    assert router.allow_migrate_model("other", UserVideo)
    assert not router.allow_migrate_model("default", UserVideo)


# The automatic through model: the table.


def test_unique_and_index_are_declared():
    assert UserVideo._meta.unique_together == (("gm2m_src", "gm2m_ct", "gm2m_pk"),)
    (index,) = UserVideo._meta.indexes
    assert index.fields == ["gm2m_pk", "gm2m_ct", "gm2m_src"]
    assert not UserVideo._meta.get_field("gm2m_src").db_index
    assert UserVideo._meta.get_field("gm2m_ct").db_index


@pytest.mark.django_db
def test_table_has_one_covering_index_for_each_direction():
    found = list(constraints(UserVideo))
    assert [
        constraint["columns"]
        for constraint in found
        if constraint["unique"] and not constraint["primary_key"]
    ] == [["gm2m_src_id", "gm2m_ct_id", "gm2m_pk"]]
    indexes = sorted(
        constraint["columns"]
        for constraint in found
        if constraint["index"] and not constraint["unique"]
    )
    assert indexes.count(["gm2m_pk", "gm2m_ct_id", "gm2m_src_id"]) == 1
    assert indexes.count(["gm2m_ct_id"]) == 1
    assert ["gm2m_src_id"] not in indexes
    # PostgreSQL has another index on text, for LIKE; ours would not need one.
    assert len(indexes) == 2


@pytest.mark.django_db
def test_table_has_both_foreign_keys():
    keys = {
        (*constraint["columns"], *constraint["foreign_key"])
        for constraint in constraints(UserVideo)
        if constraint["foreign_key"]
    }
    assert keys == {
        ("gm2m_src_id", "app_user", "id"),
        ("gm2m_ct_id", "django_content_type", "id"),
    }


@pytest.mark.django_db
def test_database_refuses_the_same_link_twice():
    user, movie = User.objects.create(), Movie.objects.create(title="Alien")
    UserVideo.objects.create(gm2m_src=user, gm2m_tgt=movie)
    with pytest.raises(IntegrityError), transaction.atomic():
        UserVideo.objects.create(gm2m_src=user, gm2m_tgt=movie)
    # The same key of another model, the same target of another source.
    UserVideo.objects.create(gm2m_src=User.objects.create(), gm2m_tgt=movie)
    UserVideo.objects.create(
        gm2m_src=user,
        gm2m_ct=ContentType.objects.get_for_model(Documentary),
        gm2m_pk=str(movie.pk),
    )
    assert UserVideo.objects.count() == 3


def test_db_table(registry):
    class Source(models.Model):
        things = GM2MField(db_table="holdings")

    assert Source.things.through._meta.db_table == "holdings"
    field = Source._meta.get_field("things")
    assert field.m2m_db_table() == "holdings"


def test_db_table_of_a_source_with_a_table_of_its_own(registry):
    class Source(models.Model):
        things = GM2MField()

        class Meta:
            db_table = '"sources"'

    class Twin(models.Model):
        things = models.ManyToManyField("self")

        class Meta:
            db_table = '"sources"'

    assert Source.things.through._meta.db_table == Twin.things.through._meta.db_table


def test_long_table_names_are_truncated_as_those_of_a_many_to_many(registry):
    class Source(models.Model):
        things_that_are_good_to_have_around_and_to_look_at_in_winter = GM2MField()

        class Meta:
            db_table = "sources_of_all_the_things_that_one_could_ever_think_of"

    class Twin(models.Model):
        things_that_are_good_to_have_around_and_to_look_at_in_winter = (
            models.ManyToManyField("self")
        )

        class Meta:
            db_table = "sources_of_all_the_things_that_one_could_ever_think_of"

    (ours,), (theirs,) = Source._meta.many_to_many, Twin._meta.many_to_many
    name = ours.remote_field.through._meta.db_table
    assert name == theirs.remote_field.through._meta.db_table
    assert ours.m2m_db_table() == name
    limit = connection.ops.max_name_length()
    # SQLite knows no limit.
    assert limit is None or len(name) <= limit


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 16), ({"pk_maxlength": 36}, 36), ({"pk_maxlength": 1}, 1)],
)
def test_length_of_the_key_column(registry, options, expected):
    class Source(models.Model):
        things = GM2MField(**options)

    key = Source.things.through._meta.get_field("gm2m_pk")
    assert isinstance(key, models.CharField)
    assert key.max_length == expected


def test_key_column_without_a_limit_where_the_database_can_index_it(tables):
    class Target(models.Model):
        code = models.CharField(max_length=200, primary_key=True)

    class Source(models.Model):
        things = GM2MField(Target, pk_maxlength=None)

    through = Source.things.through
    assert isinstance(through._meta.get_field("gm2m_pk"), models.TextField)
    if connection.vendor == "mysql":
        # A text column without a length cannot be indexed there.
        errors = Source._meta.get_field("things").check(databases=["default"])
        assert [error.id for error in errors] == ["gm2m.E207"]
        return
    tables(Target, Source)
    long = Target.objects.create(code="x" * 200)
    source = Source.objects.create()
    source.things.add(long, Target.objects.create(code="y"))
    source.things.add(long)
    assert [target.code[0] for target in source.things.all()] == ["x", "y"]
    assert list(Target.objects.filter(source=source, code=long.code)) == [long]
    assert [
        constraint["columns"]
        for constraint in constraints(through)
        if constraint["unique"] and not constraint["primary_key"]
    ] == [["gm2m_src_id", "gm2m_ct_id", "gm2m_pk"]]


def test_without_database_constraints(tables):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, db_constraint=False)

    tables(Target, Source)
    through = Source.things.through
    assert [c for c in constraints(through) if c["foreign_key"]] == []
    # What the constraints would have refused.
    through.objects.create(gm2m_src_id=12345, gm2m_ct_id=54321, gm2m_pk="1")
    source, target = Source.objects.create(), Target.objects.create()
    source.things.add(target)
    assert list(source.things.all()) == [target]
    # Django's collector cascades without them.
    target.delete()
    source.delete()
    assert through.objects.count() == 1


def test_both_foreign_keys_are_constrained_by_default(registry):
    class Source(models.Model):
        things = GM2MField()
        free = GM2MField(db_constraint=False, related_name="free")

    for name in ("gm2m_src", "gm2m_ct"):
        assert Source.things.through._meta.get_field(name).db_constraint is True
        assert Source.free.through._meta.get_field(name).db_constraint is False


def test_source_policy_is_that_of_the_foreign_key(registry):
    class Source(models.Model):
        things = GM2MField(on_delete_src=models.PROTECT)

    fields = Source.things.through._meta
    assert fields.get_field("gm2m_src").remote_field.on_delete is models.PROTECT
    assert fields.get_field("gm2m_ct").remote_field.on_delete is models.CASCADE


# The automatic through model: rows.


@pytest.fixture
def works(db):
    return (
        Movie.objects.create(title="Alien"),
        Opera.objects.create(title="Orfeo"),
        Concert.objects.create(code="prom", title="Prom"),
        Documentary.objects.create(title="Shoah"),
    )


def test_links_keep_the_order_in_which_they_were_added(works):
    alien, orfeo, prom, shoah = works
    user = User.objects.create()
    user.preferred_videos.add(shoah, alien)
    user.preferred_videos.add(prom)
    user.preferred_videos.add(orfeo, shoah)
    assert list(user.preferred_videos.all()) == [shoah, alien, prom, orfeo]
    user.preferred_videos.remove(shoah)
    user.preferred_videos.add(shoah)
    assert list(user.preferred_videos.all()) == [alien, prom, orfeo, shoah]
    assert list(user.preferred_videos.order_by("-pk")) == [shoah, orfeo, prom, alien]


def test_rows_can_be_made_and_read_by_hand(works):
    alien, orfeo, prom, _ = works
    user = User.objects.create()
    row = UserVideo.objects.create(gm2m_src=user, gm2m_tgt=alien)
    UserVideo.objects.bulk_create(
        UserVideo(gm2m_src=user, gm2m_tgt=work) for work in (orfeo, prom)
    )
    assert list(user.preferred_videos.all()) == [alien, orfeo, prom]
    assert UserVideo.objects.get(pk=row.pk).gm2m_tgt == alien
    assert [
        (row.gm2m_src_id, row.gm2m_tgt)
        for row in UserVideo.objects.prefetch_related("gm2m_tgt").order_by("pk")
    ] == [(user.pk, alien), (user.pk, orfeo), (user.pk, prom)]
    rows = UserVideo.objects.filter(gm2m_src=user)
    keys = rows.order_by("pk").values_list("gm2m_pk", flat=True)
    assert list(keys) == [str(alien.pk), str(orfeo.pk), "prom"]


def test_deleting_a_row_deletes_neither_end(works):
    alien, *_ = works
    user = User.objects.create()
    user.preferred_videos.add(alien)
    assert UserVideo.objects.get().delete() == (1, {"app.User_preferred_videos": 1})
    alien.refresh_from_db()
    user.refresh_from_db()
    assert list(user.preferred_videos.all()) == []


def test_automatic_through_takes_no_target_by_its_model_name():
    with pytest.raises(TypeError) as error:
        UserVideo(movie=Movie())
    assert str(error.value) == (
        "User_preferred_videos() got unexpected keyword arguments: 'movie'"
    )


def test_through_defaults_have_no_place_in_the_automatic_through(works):
    """Apart from its own columns, which Django does not refuse either."""
    user = User.objects.create()
    with pytest.raises((TypeError, FieldError), match="note"):
        user.preferred_videos.add(works[0], through_defaults={"note": "x"})
    assert not user.preferred_videos.exists()


# Custom throughs: how their fields are found.


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (Playlist.items.field, ("playlist", "item", "content_type", "object_id")),
        (Shelf.videos.field, ("shelf", "video", "video_type", "video_id")),
        (Festival.screenings.field, ("festival", "work", "work_type", "work_key")),
        (Vault.works.field, ("vault", "work", "work_type", "work_id")),
    ],
    ids=["none", "two", "three", "four"],
)
def test_fields_of_a_custom_through_are_found(field, names):
    source, _, content_type, key = names
    assert field.m2m_field_name() == source
    assert field.m2m_reverse_field_name() == content_type
    assert field.m2m_column_name() == f"{source}_id"
    _, _, _, kwargs = field.deconstruct()
    assert tuple(kwargs["through_fields"]) == names
    assert field.remote_field.through._meta.get_field(key).column == key


def test_custom_through_by_class_by_name_and_by_label(registry):
    class Link(models.Model):
        first = models.ForeignKey("First", models.CASCADE)
        second = models.ForeignKey("Second", models.CASCADE)
        third = models.ForeignKey("Third", models.CASCADE)
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.TextField()
        target = GenericForeignKey()

    class First(models.Model):
        things = GM2MField(through=Link)

    class Second(models.Model):
        things = GM2MField(through="Link")

    class Third(models.Model):
        things = GM2MField(through="app.Link")

    for model in (First, Second, Third):
        assert model.things.through is Link
        field = model._meta.get_field("things")
        assert field.m2m_field_name() == model._meta.model_name


def test_custom_through_declared_after_the_source_and_its_targets(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, through="Link")

    assert Source.things.get_related_models() == []

    class Link(models.Model):
        source = models.ForeignKey(Source, models.CASCADE)
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.IntegerField()
        target = GenericForeignKey()

    assert Source.things.through is Link
    assert Source.things.get_related_models() == [Target]
    assert Target.source_set.through is Link


def test_fields_of_a_through_may_come_from_its_parents(registry):
    class Generic(models.Model):
        content_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
        object_id = models.IntegerField()
        target = GenericForeignKey()

        class Meta:
            abstract = True

    class Base(models.Model):
        source = models.ForeignKey("Source", models.CASCADE)

    class Link(Generic, Base):
        note = models.TextField()

    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, through=Link)

    field = Source._meta.get_field("things")
    assert field.m2m_field_name() == "source"
    assert Source.things.get_related_models() == [Target]


def test_source_key_may_lead_to_a_parent_or_be_a_proxys(registry):
    """A child of the source, or a proxy of it, can use the through of its parent."""

    class Source(models.Model):
        things = GM2MField(through="Link")

    class SourceProxy(Source):
        class Meta:
            proxy = True

    class Link(models.Model):
        source = models.ForeignKey(SourceProxy, models.CASCADE)
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.IntegerField()
        target = GenericForeignKey()

    assert Source._meta.get_field("things").m2m_field_name() == "source"


def test_abstract_parent_with_a_custom_through(registry):
    class Abstract(models.Model):
        things = GM2MField(through="Link")

        class Meta:
            abstract = True

    class Source(Abstract):
        pass

    class Link(models.Model):
        source = models.ForeignKey(Source, models.CASCADE)
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.IntegerField()
        target = GenericForeignKey()

    assert Source.things.through is Link


def misdeclared(through_attributes, **options):
    """Declare a source with a related model and a through that does not suit it."""

    class Target(models.Model):
        pass

    class Other(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, through="Link", **options)

    attributes = {
        "__module__": __name__,
        "other": models.ForeignKey(Other, models.CASCADE),
        "note": models.TextField(),
        **through_attributes(Source),
    }
    type("Link", (models.Model,), attributes)
    return Source, Target


def source_key(source, name="source"):
    return {name: models.ForeignKey(source, models.CASCADE, related_name="+")}


def generic_key(name="target"):
    return {
        f"{name}_type": models.ForeignKey(
            ContentType, models.CASCADE, related_name="+"
        ),
        f"{name}_id": models.IntegerField(),
        name: GenericForeignKey(f"{name}_type", f"{name}_id"),
    }


MISDECLARED = {
    "no source key": (lambda s: generic_key(), {}),
    "two source keys": (
        lambda s: {**source_key(s), **source_key(s, "editor"), **generic_key()},
        {},
    ),
    "no generic key": (lambda s: source_key(s), {}),
    "two generic keys": (
        lambda s: {**source_key(s), **generic_key(), **generic_key("cover")},
        {},
    ),
    "one name": (
        lambda s: {**source_key(s), **generic_key()},
        {"through_fields": ["source"]},
    ),
    "no such source key": (
        lambda s: {**source_key(s), **generic_key()},
        {"through_fields": ["sauce", "target"]},
    ),
    "no such generic key": (
        lambda s: {**source_key(s), **generic_key()},
        {"through_fields": ["source", "tarte"]},
    ),
    "no such content type": (
        lambda s: {**source_key(s), **generic_key()},
        {"through_fields": ["source", "target", "type", "target_id"]},
    ),
    "no such key": (
        lambda s: {**source_key(s), **generic_key()},
        {"through_fields": ["source", "target", "target_type", "key"]},
    ),
    "key to another model": (
        lambda s: {**source_key(s), **generic_key()},
        {"through_fields": ["other", "target"]},
    ),
    "source key that is no key": (
        lambda s: {**source_key(s), **generic_key()},
        {"through_fields": ["note", "target"]},
    ),
    "generic key that is none": (
        lambda s: {**source_key(s), **generic_key()},
        {"through_fields": ["source", "other"]},
    ),
}


def saved(model):
    """Return an object that seems to be in the database."""
    obj = model(pk=1)
    obj._state.adding = False
    return obj


# With one name alone the rest can still be found; only the checks refuse that.
@pytest.mark.parametrize("case", [case for case in MISDECLARED if case != "one name"])
def test_misdeclared_through_is_told_on_use(registry, case):
    """Not when the class is made: the checks would never come to say what is wrong."""
    attributes, options = MISDECLARED[case]
    source, target = misdeclared(attributes, **options)
    with pytest.raises(ImproperlyConfigured, match=r"app\.Source\.things"):
        saved(source).things.add(saved(target))
    with pytest.raises(ImproperlyConfigured, match=r"app\.Source\.things"):
        saved(source).things.all()
    with pytest.raises(ImproperlyConfigured, match=r"app\.Source\.things"):
        source._default_manager.filter(things__isnull=True)


@pytest.mark.parametrize("case", MISDECLARED)
def test_misdeclared_through_is_told_by_the_checks(registry, case):
    attributes, options = MISDECLARED[case]
    source, _ = misdeclared(attributes, **options)
    errors = source._meta.get_field("things").check(from_model=source)
    assert len(errors) == 1
    assert errors[0].id.startswith("gm2m.E1")
    assert errors[0].is_serious()


@pytest.mark.parametrize("through", ["Missing", "missing.Missing"])
def test_through_that_is_not_installed(registry, through):
    class Source(models.Model):
        things = GM2MField("Target", through=through)

    class Target(models.Model):
        pass

    field = Source._meta.get_field("things")
    with pytest.raises(ImproperlyConfigured, match=r"app\.Source\.things.*Missing"):
        saved(Source).things.add(saved(Target))
    with pytest.raises(ImproperlyConfigured, match=r"app\.Source\.things.*Missing"):
        saved(Source).things.all()
    assert [error.id for error in field.check(from_model=Source)] == ["gm2m.E101"]


# Custom throughs: writing.


def test_through_without_options(works):
    alien, orfeo, *_ = works
    playlist = Playlist.objects.create()
    playlist.items.add(alien, orfeo)
    playlist.items.add(orfeo, alien)
    assert PlaylistItem.objects.count() == 2
    assert set(playlist.items.all()) == {alien, orfeo}
    assert list(orfeo.playlists.all()) == [playlist]
    playlist.items.remove(alien)
    assert list(playlist.items.all()) == [orfeo]
    playlist.items.clear()
    assert not PlaylistItem.objects.exists()


def test_through_with_an_integer_key_column(works):
    alien, orfeo, prom, shoah = works
    shelf, other = Shelf.objects.create(), Shelf.objects.create()
    shelf.videos.add(shoah, alien)
    other.videos.add(alien)
    assert [row.video_id for row in ShelfPlace.objects.filter(shelf=shelf)] == [
        shoah.pk,
        alien.pk,
    ]
    assert list(shelf.videos.all()) == [shoah, alien]
    assert set(alien.shelves.all()) == {shelf, other}
    assert list(Shelf.objects.filter(videos=shoah)) == [shelf]
    for work in (orfeo, prom):
        with pytest.raises(TypeError, match=type(work).__name__):
            shelf.videos.add(work)


def test_second_key_to_the_source_is_no_link(works):
    alien, *_ = works
    shelf, former = Shelf.objects.create(), Shelf.objects.create()
    shelf.videos.add(alien, through_defaults={"former_shelf": former})
    assert list(former.videos.all()) == []
    assert list(alien.shelves.all()) == [shelf]
    assert list(former.former_places.all()) == list(shelf.places.all())


def test_second_generic_key_is_no_link(works):
    alien, _, _, shoah = works
    shelf = Shelf.objects.create()
    shelf.videos.add(
        alien,
        through_defaults={
            "sleeve_type": ContentType.objects.get_for_model(shoah),
            "sleeve_id": shoah.pk,
        },
    )
    assert list(shelf.videos.all()) == [alien]
    assert list(shoah.shelves.all()) == []
    assert shelf.places.get().sleeve == shoah


def test_what_is_there_is_left_alone_without_a_unique_constraint(works):
    alien, _, _, shoah = works
    shelf = Shelf.objects.create()
    shelf.videos.add(alien)
    shelf.videos.add(alien, alien, shoah)
    assert shelf.places.count() == 2


def test_through_with_a_uuid_key_column(works):
    alien, orfeo, *_ = works
    vault = Vault.objects.create()
    vault.works.add(orfeo)
    vault.works.add(orfeo)
    entry = VaultEntry.objects.get()
    assert entry.work_id == orfeo.pk
    assert entry.work == orfeo
    assert list(vault.works.all()) == [orfeo]
    assert list(orfeo.vaults.all()) == [vault]
    assert list(Vault.objects.filter(works=orfeo)) == [vault]
    assert list(Vault.objects.filter(works__opera__title="Orfeo")) == [vault]
    assert list(Opera.objects.filter(vaults=vault)) == [orfeo]
    with pytest.raises(TypeError, match="Movie"):
        vault.works.add(alien)
    vault.works.remove(orfeo)
    assert not VaultEntry.objects.exists()


def test_source_key_to_another_column(db):
    """The rows hold the names of festivals, not their keys."""
    cannes, venice = (Festival.objects.create(name=n) for n in ("Cannes", "Venice"))
    psycho, vertigo = (Film.objects.create(title=t) for t in ("Psycho", "Vertigo"))
    cannes.screenings.add(psycho, vertigo, through_defaults={"seats": 9})
    venice.screenings.set([vertigo], through_defaults={"seats": 9})
    names = Screening.objects.values_list("festival_id", flat=True)
    assert set(names) == {"Cannes", "Venice"}
    assert set(cannes.screenings.all()) == {psycho, vertigo}
    assert set(vertigo.festivals.all()) == {cannes, venice}
    assert list(Film.objects.filter(festival=venice)) == [vertigo]
    assert list(Festival.objects.filter(screenings=psycho)) == [cannes]
    vertigo.festivals.remove(cannes)
    assert list(cannes.screenings.all()) == [psycho]
    (film,) = Film.objects.filter(pk=psycho.pk).prefetch_related("festivals")
    assert list(film.festivals.all()) == [cannes]
    (festival,) = Festival.objects.filter(pk=venice.pk).prefetch_related("screenings")
    assert list(festival.screenings.all()) == [vertigo]


def test_links_are_in_the_order_of_the_through(works):
    alien, orfeo, _, shoah = works
    playlist = Playlist.objects.create()
    for position, work in ((3, alien), (1, orfeo), (2, shoah)):
        playlist.items.add(work, through_defaults={"position": position})
    videos = [orfeo, Video.objects.get(pk=shoah.pk), Video.objects.get(pk=alien.pk)]
    assert [work.pk for work in playlist.items.all()] == [work.pk for work in videos]
    backwards = [work.pk for work in playlist.items.reverse()]
    assert backwards == [work.pk for work in reversed(videos)]
    by_note = playlist.items.order_by("-position")
    assert [work.pk for work in by_note] == backwards


@pytest.mark.django_db
def test_through_defaults_in_add_and_set(works):
    alien, orfeo, _, shoah = works
    playlist = Playlist.objects.create()
    playlist.items.add(alien, through_defaults={"note": "old", "position": 7})
    # What is there stays as it is.
    playlist.items.add(alien, orfeo, through_defaults={"note": "new"})
    kept = {item.object_id: item.pk for item in PlaylistItem.objects.all()}
    playlist.items.set([alien, shoah], through_defaults={"note": "set"})
    assert set(PlaylistItem.objects.values_list("object_id", "note", "position")) == {
        (str(alien.pk), "old", 7),
        (str(shoah.pk), "set", 0),
    }
    assert PlaylistItem.objects.get(note="old").pk == kept[str(alien.pk)]
    playlist.items.set([alien], clear=True, through_defaults={"note": "clear"})
    assert PlaylistItem.objects.get().note == "clear"


def test_through_defaults_in_the_making_of_targets(works):
    playlist = Playlist.objects.create()
    made = playlist.items.create(Opera, title="Ring", through_defaults={"note": "a"})
    assert PlaylistItem.objects.get().note == "a"
    found, created = playlist.items.get_or_create(
        Opera, title="Ring", through_defaults={"note": "b"}
    )
    assert (found, created) == (made, False)
    assert PlaylistItem.objects.get().note == "a"
    other, created = playlist.items.get_or_create(
        "app.Opera", title="Norma", through_defaults={"note": "c"}
    )
    assert created is True
    third, created = playlist.items.update_or_create(
        Opera,
        title="Salome",
        defaults={"title": "Elektra"},
        through_defaults={"note": "d"},
    )
    assert (third.title, created) == ("Elektra", True)
    notes = dict(PlaylistItem.objects.values_list("object_id", "note"))
    assert notes == {str(made.pk): "a", str(other.pk): "c", str(third.pk): "d"}


def test_through_defaults_from_the_other_side(works):
    _, orfeo, *_ = works
    first = orfeo.playlists.create(name="x", through_defaults={"note": "a"})
    second = Playlist.objects.create()
    orfeo.playlists.add(first, second, through_defaults={"note": "b"})
    orfeo.playlists.set([first, second, Playlist.objects.create()], through_defaults={})
    notes = dict(PlaylistItem.objects.values_list("playlist_id", "note"))
    assert notes[first.pk] == "a"
    assert notes[second.pk] == "b"
    assert sorted(notes.values()) == ["", "a", "b"]


def test_callables_in_through_defaults_are_called_once_for_all_rows(works):
    alien, orfeo, *_ = works
    calls = []

    def note():
        calls.append(1)
        return f"call {len(calls)}"

    playlist = Playlist.objects.create()
    playlist.items.add(alien, orfeo, through_defaults={"note": note})
    assert set(PlaylistItem.objects.values_list("note", flat=True)) == {"call 1"}
    assert calls == [1]


def test_objects_in_through_defaults(works):
    person = Person.objects.create(name="Jack")
    film = Film.objects.create(title="Psycho")
    festival = Festival.objects.create(name="Cannes")
    festival.screenings.add(film, through_defaults={"seats": 3, "host": person})
    assert Screening.objects.get().host == person


@pytest.mark.parametrize("defaults", [{"nonsense": 1}, {"video": 1}, {"movie": 1}])
def test_unknown_names_in_through_defaults(works, defaults):
    playlist = Playlist.objects.create()
    with pytest.raises((TypeError, FieldError), match=next(iter(defaults))):
        playlist.items.add(works[0], through_defaults=defaults)
    assert not PlaylistItem.objects.exists()


def test_database_errors_of_a_custom_through_surface(db):
    festival = Festival.objects.create(name="Cannes")
    film = Film.objects.create(title="Psycho")
    with pytest.raises(IntegrityError), transaction.atomic():
        festival.screenings.add(film)
    with pytest.raises(IntegrityError), transaction.atomic():
        film.festivals.add(festival)
    with pytest.raises(IntegrityError), transaction.atomic():
        festival.screenings.create(Film, title="Vertigo")
    assert not Screening.objects.exists()
    assert Film.objects.count() == 1


def test_adding_needs_no_defaults_for_what_is_there(db):
    festival = Festival.objects.create(name="Cannes")
    film = Film.objects.create(title="Psycho")
    festival.screenings.add(film, through_defaults={"seats": 3})
    festival.screenings.add(film)
    festival.screenings.set([film])
    assert Screening.objects.get().seats == 3


def test_columns_of_the_through_can_be_conditions(works):
    alien, orfeo, *_ = works
    playlist = Playlist.objects.create()
    playlist.items.add(alien, through_defaults={"note": "a"})
    playlist.items.add(orfeo, through_defaults={"note": "b"})
    assert list(playlist.items.filter(note="b")) == [orfeo]
    assert list(playlist.items.exclude(note="a")) == [orfeo]
    assert list(Playlist.objects.filter(items__note="a")) == [playlist]
    assert not Playlist.objects.filter(items__note="c").exists()


def test_keys_of_several_models_in_one_text_column_are_told_apart(works):
    alien, *_ = works
    twin = Concert.objects.create(code=str(alien.pk))
    user = User.objects.create()
    user.preferred_videos.add(twin)
    assert list(user.preferred_videos.all()) == [twin]
    assert list(alien.user_set.all()) == []
    assert not Movie.objects.filter(user=user).exists()


# A custom through behaves as without the library.


@pytest.fixture
def plain(registry):
    """The model ``Screening``, on the same table, of which no field knows."""

    class Festival(models.Model):
        name = models.CharField(max_length=100, unique=True)

    class Person(models.Model):
        name = models.CharField(max_length=100)

    class Film(models.Model):
        title = models.CharField(max_length=255)

    class Screening(models.Model):
        festival = models.ForeignKey(Festival, models.CASCADE, to_field="name")
        work_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
        work_key = models.CharField(max_length=40)
        work = GenericForeignKey("work_type", "work_key")
        host = models.ForeignKey(Person, models.SET_NULL, null=True, blank=True)
        seats = models.PositiveIntegerField()

        class Meta:
            ordering = ["-seats", "pk"]

    class ScreeningProxy(Screening):
        class Meta:
            proxy = True

    class GalaScreening(Screening):
        dress_code = models.CharField(max_length=100, default="black tie")

    return {
        model._meta.object_name: model
        for model in (Screening, ScreeningProxy, GalaScreening)
    }


@pytest.fixture(params=[Screening, ScreeningProxy, GalaScreening], ids=str)
def pair(request, plain):
    """A through, its proxy and its child, each with its twin of no library."""
    ours = request.param
    return ours, plain[ours._meta.object_name]


def names(fields):
    return [field.name for field in fields]


def test_fields_of_a_custom_through_are_its_own(pair):
    ours, theirs = pair
    for listing in ("fields", "concrete_fields", "local_fields", "many_to_many"):
        assert names(getattr(ours._meta, listing)) == names(
            getattr(theirs._meta, listing)
        )
    reverse = [rel.name for rel in ours._meta.related_objects]
    assert reverse == [rel.name for rel in theirs._meta.related_objects]


@pytest.mark.parametrize(
    "options",
    [
        {"film": 1},
        {"nonsense": 1},
        {"festivals": 1},
        {"screenings": 1},
        {"seats": 3, "film": None},
    ],
    ids=str,
)
def test_constructor_takes_what_it_took_before(pair, options):
    ours, theirs = pair
    with pytest.raises(TypeError) as expected:
        theirs(**options)
    with pytest.raises(TypeError) as error:
        ours(**options)
    assert str(error.value) == str(expected.value)


def test_constructor_takes_the_generic_key(db):
    film = Film.objects.create(title="Psycho")
    row = Screening(festival_id="Cannes", work=film, seats=3)
    assert row.work_key == film.pk
    assert row.work is film
    assert Screening().work is None


@select_related_of_all
def test_queries_are_the_same(pair, db):
    ours, theirs = pair
    for queryset in (
        lambda model: model.objects.all(),
        lambda model: model.objects.select_related(),
        lambda model: model.objects.select_related("festival", "host"),
        lambda model: model.objects.defer("seats"),
        lambda model: model.objects.only("festival__name", "seats"),
        lambda model: model.objects.values(),
        lambda model: model.objects.filter(host__name="x").order_by("festival__name"),
    ):
        assert str(queryset(ours).query) == str(queryset(theirs).query)


@pytest.mark.parametrize("name", ["film", "nonsense", "work"])
def test_select_related_offers_no_names_of_ours(pair, db, name):
    ours, theirs = pair
    with pytest.raises(FieldError) as expected:
        str(theirs.objects.select_related(name).query)
    with pytest.raises(FieldError) as error:
        str(ours.objects.select_related(name).query)
    assert str(error.value) == str(expected.value)


@pytest.fixture
def screening(db):
    Person.objects.create(name="Nobody")
    return GalaScreening.objects.create(
        festival=Festival.objects.create(name="Cannes"),
        work=Film.objects.create(title="Psycho"),
        host=Person.objects.create(name="Jack"),
        seats=3,
    )


def test_full_clean(pair, db):
    ours, theirs = pair
    errors = []
    for model in (ours, theirs):
        with pytest.raises(ValidationError) as error:
            model().full_clean()
        errors.append(error.value.message_dict)
    assert errors[0] == errors[1]


def test_full_clean_of_a_good_row(screening):
    for model in (Screening, ScreeningProxy, GalaScreening):
        row = model.objects.get(pk=screening.pk)
        row.full_clean()
        row.validate_unique()
        row.validate_constraints()


@select_related_of_all
def test_select_related_of_a_row(screening, django_assert_num_queries):
    for model in (Screening, ScreeningProxy, GalaScreening):
        with django_assert_num_queries(1):
            row = model.objects.select_related("host", "festival").get()
            assert (row.host.name, row.festival.name) == ("Jack", "Cannes")
        with django_assert_num_queries(1):
            assert model.objects.select_related().get().festival.name == "Cannes"


def test_rows_can_be_saved_copied_and_reloaded(screening):
    for model in (Screening, ScreeningProxy, GalaScreening):
        row = model.objects.get()
        row.seats += 1
        row.save()
        row.refresh_from_db()
        assert copy.deepcopy(row) == row
        assert pickle.loads(pickle.dumps(row)).seats == row.seats
        partial = model.objects.only("seats").get()
        deferred = partial.get_deferred_fields()
        assert "film" not in deferred
        assert deferred == {
            field.attname
            for field in model._meta.concrete_fields
            if field.attname in deferred
        }
        partial.refresh_from_db(fields=["host"])
        assert partial.work == row.work == Film.objects.get()
    assert Screening.objects.get().seats == 6


def test_forms_of_rows_are_the_same(pair):
    ours, theirs = pair
    expected = list(modelform_factory(theirs, fields="__all__").base_fields)
    form_class = modelform_factory(ours, fields="__all__")
    assert list(form_class.base_fields) == expected
    assert list(model_to_dict(ours())) == list(model_to_dict(theirs()))


def test_form_of_a_row(screening):
    row = Screening.objects.get()
    form_class = modelform_factory(Screening, fields="__all__")
    form = form_class({**model_to_dict(row), "seats": 8}, instance=row)
    assert form.is_valid(), form.errors
    form.save()
    assert Screening.objects.get().seats == 8


def test_rows_are_serialized_as_before(pair, screening):
    ours, theirs = pair
    assert serializers.serialize("json", ours.objects.all()) == serializers.serialize(
        "json", theirs.objects.all()
    )


def test_rows_of_proxies_and_children_are_links(screening):
    festival, film = Festival.objects.get(), Film.objects.get()
    assert list(festival.screenings.all()) == [film]
    assert list(film.festivals.all()) == [festival]
    festival.screenings.clear()
    assert not GalaScreening.objects.exists()


@pytest.mark.parametrize("end", [Festival, Film])
def test_deleting_an_end_deletes_rows_of_children_too(screening, end):
    end.objects.get().delete()
    assert not Screening.objects.exists()
    assert not GalaScreening.objects.exists()


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("model", [Screening, ScreeningProxy, GalaScreening], ids=str)
def test_admin_of_a_custom_through(admin_client, screening, model):
    url = f"/library/app/{model._meta.model_name}"
    page = admin_client.get(f"{url}/")
    assert page.status_code == 200
    assert b"Festival object" in page.content
    assert admin_client.get(f"{url}/?seats=3").status_code == 200
    assert admin_client.get(f"{url}/{screening.pk}/change/").status_code == 200
    assert admin_client.get(f"{url}/{screening.pk}/delete/").status_code == 200
    data = {**model_to_dict(screening), "seats": 12}
    answer = admin_client.post(f"{url}/{screening.pk}/change/", data)
    assert answer.status_code == 302
    assert Screening.objects.get().seats == 12
    answer = admin_client.post(f"{url}/add/", data)
    assert answer.status_code == 302
    assert Screening.objects.count() == 2


@pytest.mark.urls(__name__)
def test_admin_list_of_a_custom_through_joins_what_it_shows(admin_client, screening):
    def number_of_queries():
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get("/library/app/screening/").status_code == 200
        return len(queries)

    before = number_of_queries()
    for number in range(5):
        festival = Festival.objects.create(name=str(number))
        festival.screenings.add(screening.work, through_defaults={"seats": number})
    assert number_of_queries() == before


def test_unmanaged_through(registry, db):
    """A model for a table that somebody else has made."""

    class Film(models.Model):
        title = models.CharField(max_length=255)

        class Meta:
            managed = False

    class Festival(models.Model):
        name = models.CharField(max_length=100, unique=True)
        shown = GM2MField(Film, through="Screening", related_name="festivals")

        class Meta:
            managed = False

    class Screening(models.Model):
        festival = models.ForeignKey(Festival, models.CASCADE, to_field="name")
        work_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
        work_key = models.CharField(max_length=40)
        work = GenericForeignKey("work_type", "work_key")
        seats = models.PositiveIntegerField()

        class Meta:
            managed = False

    festival = Festival._default_manager.create(name="Cannes")
    film = Film._default_manager.create(title="Psycho")
    festival.shown.add(film, through_defaults={"seats": 3})
    assert list(festival.shown.all()) == [film]
    assert list(film.festivals.all()) == [festival]
    assert Screening._meta.managed is False
    assert names(Screening._meta.fields) == [
        "id",
        "festival",
        "work_type",
        "work_key",
        "seats",
    ]
    film.delete()
    assert not Screening._default_manager.exists()
