"""
Lookups by one model take what those by a foreign key take: keys from wherever they are.
"""

import datetime
import uuid
from types import SimpleNamespace

import pytest
from django.db import NotSupportedError, connection
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from .app.models import (
    Concert,
    Critic,
    Documentary,
    Movie,
    Opera,
    Person,
    Playlist,
    Poster,
    Premiere,
    Shelf,
    User,
    Vault,
    Video,
)
from .lithub.models import Account, Company, Edge, Page, Repo, Style

Link = User.preferred_videos.through
#: By model, the key of what Ann has, and of what nobody has.
KEYS = {
    Movie: (1, 2),
    Opera: (uuid.UUID(int=1), uuid.UUID(int=2)),
    Concert: ("1", "2"),
    Premiere: (datetime.date(2021, 2, 3), datetime.date(2022, 2, 3)),
}
MODELS = [*KEYS, Poster]


@pytest.fixture
def library(db):
    """Ann has the first object of each model, Ben the second, Cid none."""
    lang, verdi = (Person.objects.create(name=name) for name in ("Lang", "Verdi"))
    objects = {
        model: [
            model.objects.create(pk=key, title="ab"[i]) for i, key in enumerate(keys)
        ]
        for model, keys in KEYS.items()
    }
    objects[Poster] = [
        Poster.objects.create(opera=opera, title=opera.title)
        for opera in objects[Opera]
    ]
    ann, ben, cid = (User.objects.create(name=name) for name in ("Ann", "Ben", "Cid"))
    for model in MODELS:
        ann.preferred_videos.add(objects[model][0])
        ben.preferred_videos.add(objects[model][1])
    for model, name in ((Movie, "director"), (Opera, "composer")):
        model.objects.filter(title="a").update(**{name: lang})
        model.objects.filter(title="b").update(**{name: verdi})
    return SimpleNamespace(ann=ann, ben=ben, cid=cid, objects=objects, lang=lang)


def of(model):
    return model._meta.model_name


def names(queryset):
    return sorted(set(queryset.values_list("name", flat=True)))


def by(model, keys, **conditions):
    """Return the names of users by the keys of `model`."""
    lookup = f"preferred_videos__{of(model)}__in"
    return names(User.objects.filter(**{lookup: keys}, **conditions))


@pytest.mark.parametrize("model", MODELS)
class TestKinds:
    def subqueries(self, library, model):
        """Return querysets, of several models, of the key of the first object."""
        name = f"preferred_videos__{of(model)}"
        firsts = model.objects.filter(title="a")
        return {
            "objects": firsts,
            "keys": firsts.values("pk"),
            "of another model": User.objects.filter(name="Ann").values(name),
            "of its through": Link.objects.filter(gm2m_src__name="Ann").values(
                of(model)
            ),
            "of a mixed list": library.ann.preferred_videos.values(of(model)),
            "of instances": library.ann.preferred_videos.instances_of(model),
            "annotated": User.objects.filter(name="Ann").values(key=F(name)),
            "as another name": model.objects.annotate(key=F("pk"))
            .filter(title="a")
            .values("key"),
            "aggregated": model.objects.filter(title="a")
            .values("title")
            .annotate(key=Max("title"))
            .values("pk"),
            "distinct": User.objects.filter(name="Ann").values(name).distinct(),
            "ordered": User.objects.filter(name="Ann").order_by(name).values(name),
            "united": firsts.values("pk").union(
                model.objects.filter(title="z").values("pk")
            ),
            "objects united": firsts.union(model.objects.filter(title="z")),
            "as text": Link.objects.filter(
                **{f"{of(model)}__isnull": False, "gm2m_src__name": "Ann"}
            ).values("gm2m_pk"),
        }

    def test_filter(self, library, model):
        for label, subquery in self.subqueries(library, model).items():
            assert by(model, subquery) == ["Ann"], label
            if subquery.query.has_select_fields and label != "united":
                assert by(model, Subquery(subquery)) == ["Ann"], label

    def test_exclude(self, library, model):
        lookup = f"preferred_videos__{of(model)}__in"
        for label, subquery in self.subqueries(library, model).items():
            found = User.objects.exclude(**{lookup: subquery})
            assert names(found) == ["Ben", "Cid"], label

    def test_delete_keeps_what_is_excluded(self, library, model):
        lookup = f"preferred_videos__{of(model)}__in"
        keys = User.objects.filter(name="Ann").values(f"preferred_videos__{of(model)}")
        User.objects.exclude(**{lookup: keys}).delete()
        assert names(User.objects.all()) == ["Ann"]
        assert Link.objects.count() == len(MODELS)

    def test_on_links_and_mixed_lists(self, library, model):
        first = library.objects[model][0]
        lookup = {f"{of(model)}__in": None}
        for label, subquery in self.subqueries(library, model).items():
            lookup[f"{of(model)}__in"] = subquery
            (row,) = Link.objects.filter(**lookup)
            assert row.gm2m_tgt == first, label
            assert list(library.ann.preferred_videos.filter(**lookup)) == [first], label
            assert list(library.ben.preferred_videos.filter(**lookup)) == [], label
            rest = library.ann.preferred_videos.exclude(**lookup)
            assert first not in rest, label
            assert rest.count() == len(MODELS) - 1, label

    def test_conditional_aggregates(self, library, model):
        keys = User.objects.filter(name="Ann").values(f"preferred_videos__{of(model)}")
        condition = Q(**{f"preferred_videos__{of(model)}__in": keys})
        counted = User.objects.annotate(
            n=Count("preferred_videos", filter=condition),
            m=Sum(Case(When(condition, then=1), default=0)),
        )
        assert {user.name: (user.n, user.m) for user in counted} == {
            "Ann": (1, 1),
            "Ben": (0, 0),
            "Cid": (0, 0),
        }

    def test_from_the_target(self, library, model):
        users = User.objects.filter(name="Ann")
        for subquery in (
            users,
            users.values("pk"),
            Person.objects.filter(name="Lang").values("movie__user"),
            Opera.objects.filter(title="a").values("user"),
            Concert.objects.values("title").annotate(m=Min("user")).values("m")[:1]
            if connection.vendor != "mysql"
            else Concert.objects.filter(title="a")
            .values("title")
            .annotate(m=Min("user"))
            .values("m"),
            RawSQL("SELECT id FROM app_user WHERE name = %s", ["Ann"]),
        ):
            found = model.objects.filter(user__in=subquery)
            assert list(found) == [library.objects[model][0]]

    def test_one_key(self, library, model):
        lookup = f"preferred_videos__{of(model)}"
        linked = User.objects.filter(name="Ann", **{f"{lookup}__isnull": False})
        one = linked.values(lookup)[:1]
        for value in (one, Subquery(one), model.objects.filter(title="a")[:1]):
            assert names(User.objects.filter(**{lookup: value})) == ["Ann"]

    def test_values_worked_out_by_the_database(self, library, model):
        first, second = (obj.pk for obj in library.objects[model])
        name = f"preferred_videos__{of(model)}"
        field = model._meta.pk
        column = field.column
        table = model._meta.db_table
        raw = RawSQL(
            f"SELECT {column} FROM {table} WHERE {column} = %s",
            [field.get_db_prep_value(first, connection)],
        )
        assert by(model, raw) == ["Ann"]
        assert names(User.objects.exclude(**{f"{name}__in": raw})) == ["Ben", "Cid"]
        value = Value(first, output_field=getattr(field, "target_field", field))
        assert by(model, [value]) == ["Ann"]
        assert by(model, [value, second, None]) == ["Ann", "Ben"]
        assert by(model, [value, library.objects[model][1]]) == ["Ann", "Ben"]
        assert by(model, [F(name)]) == ["Ann", "Ben"]
        either = User.objects.values(key=Coalesce(F(name), value))
        assert by(model, either) == ["Ann", "Ben"]

    def test_outer_references(self, library, model):
        name = f"preferred_videos__{of(model)}"
        users = User.objects.filter(name="Ann")
        for condition in (
            {name: OuterRef("pk")},
            {f"{name}__in": [OuterRef("pk")]},
            {f"{name}__in": model.objects.filter(pk=OuterRef(OuterRef("pk")))},
            {
                f"{name}__in": User.objects.filter(
                    pk=OuterRef("pk"), **{name: OuterRef(OuterRef("pk"))}
                ).values(name)
            },
        ):
            found = model.objects.filter(Exists(users.filter(**condition)))
            assert list(found) == [library.objects[model][0]], condition


def test_keys_of_columns_and_relations_of_other_models(library):
    lang = Person.objects.filter(name="Lang")
    assert by(Movie, lang.values("movie")) == ["Ann"]
    assert by(Opera, lang.values("opera")) == ["Ann"]
    assert by(Opera, Poster.objects.filter(title="b").values("opera")) == ["Ben"]
    assert by(Movie, Opera.objects.filter(title="a").values("composer__movie")) == [
        "Ann"
    ]
    # Nulls among the keys.
    assert by(Movie, Person.objects.values("movie")) == ["Ann", "Ben"]
    assert names(
        User.objects.exclude(preferred_videos__movie__in=lang.values("movie"))
    ) == ["Ben", "Cid"]


def test_aggregated_keys(library):
    Movie.objects.create(pk=7, title="a", year=1)
    firsts = Movie.objects.values("title").annotate(m=Min("pk")).values("m")
    assert by(Movie, firsts) == ["Ann", "Ben"]
    lasts = Movie.objects.values("title").annotate(m=Max("id")).values("m")
    assert by(Movie, lasts) == ["Ben"]
    counted = Movie.objects.annotate(n=Count("user")).filter(n=1)
    assert by(Movie, counted) == ["Ann", "Ben"]
    of_links = User.objects.values("name").annotate(m=Max("preferred_videos__movie"))
    assert by(Movie, of_links.filter(name="Ben").values("m")) == ["Ben"]
    late = Premiere.objects.values("title").annotate(m=Max("day")).values("m")
    assert by(Premiere, late.filter(title="b")) == ["Ben"]


@pytest.mark.skipif(
    connection.vendor == "mysql",
    reason="MariaDB has no LIMIT in the subquery of an IN, and Django says so.",
)
def test_sliced_keys_are_in_the_order_of_the_keys(library):
    for number in (10, 9):
        library.cid.preferred_videos.add(Movie.objects.create(pk=number, title="c"))
    keys = Movie.objects.values("title").annotate(m=Max("pk")).values("m")
    # Not that of their text, by which 10 comes before 2.
    assert by(Movie, keys.order_by("m")[:2]) == ["Ann", "Ben"]
    assert by(Movie, keys.order_by("-m")[:1]) == ["Cid"]
    linked = User.objects.order_by("preferred_videos__movie").distinct()
    linked = linked.filter(preferred_videos__movie__isnull=False)
    assert by(Movie, linked.values("preferred_videos__movie")[:2]) == ["Ann", "Ben"]
    distinct = Movie.objects.order_by("pk").values("pk").distinct()
    assert by(Movie, distinct[1:2]) == ["Ben"]


@pytest.mark.skipif(
    connection.vendor != "mysql", reason="Only MariaDB and MySQL refuse it."
)
def test_sliced_keys_are_refused_where_the_database_cannot(library):
    with pytest.raises(NotSupportedError):
        by(Movie, Person.objects.values("movie")[:1])


def test_extra_columns(library):
    keys = Movie.objects.filter(title="a").extra(select={"key": "video_ptr_id"})
    assert by(Movie, keys.values("key")) == ["Ann"]


def test_querysets_of_children_and_parents(library):
    playlist = Playlist.objects.create(name="Ann")
    playlist.items.add(Video.objects.get(pk=1))
    critic = Critic.objects.create(name="critic", paper="x")
    for subquery in (
        Movie.objects.filter(title="a"),
        Movie.objects.filter(title="a").values("pk"),
        Movie.objects.filter(title="a").values("id"),
        Movie.objects.filter(title="a").values("video_ptr"),
        Person.objects.filter(name="Lang").values("movie"),
    ):
        lists = Playlist.objects.filter(items__video__in=subquery)
        assert names(lists) == ["Ann"]
    critic.preferred_videos.add(Movie.objects.get(pk=2))
    assert by(Movie, Video.objects.filter(title="b")) == ["Ben", "critic"]
    assert list(Movie.objects.filter(title="b", user__in=Critic.objects.all())) == [
        Movie.objects.get(pk=2)
    ]
    # As a foreign key would.
    with pytest.raises(ValueError, match='Use a QuerySet for "Movie"'):
        by(Movie, Documentary.objects.all())


def test_key_columns_of_their_own_type(library):
    shelf = Shelf.objects.create(name="Ann")
    movie = Video.objects.get(pk=1)
    shelf.videos.add(movie)
    for subquery in (
        Video.objects.filter(title="a"),
        Movie.objects.filter(title="a"),
        Person.objects.filter(name="Lang").values("movie"),
        User.objects.filter(name="Ann").values("preferred_videos__movie"),
        Video.objects.values("title").annotate(m=Min("pk")).values("m"),
        Shelf.objects.values("videos__app_video"),
        RawSQL("SELECT 1", []),
        [Value(1), 3],
    ):
        assert names(Shelf.objects.filter(videos__app_video__in=subquery)) == ["Ann"]
    vault = Vault.objects.create()
    opera = library.objects[Opera][0]
    vault.works.add(opera)
    for subquery in (
        Opera.objects.filter(title="a"),
        Person.objects.filter(name="Lang").values("opera"),
        Poster.objects.filter(title="a").values("opera"),
        User.objects.filter(name="Ann").values("preferred_videos__opera"),
    ):
        assert list(Vault.objects.filter(works__opera__in=subquery)) == [vault]


def test_several_columns_are_refused(library):
    with pytest.raises(ValueError, match=r"one field.*app\.Movie; it selects 2"):
        by(Movie, Movie.objects.values("pk", "year"))


def test_another_database_is_refused(library):
    with pytest.raises(ValueError, match="different databases"):
        by(Movie, Person.objects.using("other").values("movie"))
    united = Movie.objects.using("other").values("pk")
    with pytest.raises(ValueError, match="different databases"):
        by(Movie, united.union(united))


def test_the_field_takes_querysets_of_the_keys_of_their_own_objects_alone(library):
    movies = Movie.objects
    for subquery in (
        movies.values("director"),
        movies.values("year"),
        movies.values("director__movie"),
        movies.values("video_ptr__documentary"),
        movies.values("user__preferred_videos__movie"),
        movies.values("title").annotate(m=Min("pk")).values("m"),
        movies.values("pk", "year"),
        movies.values(key=F("pk")),
        Opera.objects.values("composer__opera"),
        User.objects.values("preferred_videos__movie"),
        library.ann.preferred_videos.values("movie"),
        movies.extra(select={"key": "1"}).values("key"),
    ):
        with pytest.raises(
            ValueError,
            match=r"preferred_videos: the queryset of app\.\w+ .*something else than "
            r"the primary keys.*preferred_videos__<model>__in",
        ):
            User.objects.filter(preferred_videos__in=subquery)


def test_the_field_takes_querysets_of_targets(library):
    movies = Movie.objects.filter(title="a")
    for subquery in (
        movies,
        movies.values("pk"),
        movies.values("video_ptr"),
        movies.values_list("video_ptr_id", flat=True),
        movies.values("id"),
        movies.values("video_ptr__id"),
        movies.only("year"),
        movies.annotate(n=Count("user")),
        movies.filter(director__movie__title="a"),
        movies.union(Movie.objects.filter(title="z")),
        Opera.objects.filter(title="a").values("id"),
        Poster.objects.filter(title="a").values("opera"),
        Poster.objects.filter(title="a").values("opera__pk"),
        Concert.objects.filter(title="a").distinct().values("code"),
    ):
        assert names(User.objects.filter(preferred_videos__in=subquery)) == ["Ann"]
        excluded = User.objects.exclude(preferred_videos__in=subquery)
        assert names(excluded) == ["Ben", "Cid"]


# Connections: an end is one model.


def test_connections(db, define):
    define("starred", Account, Repo).attach("stars", "fans")
    define("known", Account, Account, symmetric=True).attach("known")
    define("styled", Page, Style).attach("styles", "pages")
    define("edges", Account, Account, connection_model=Edge).attach("edges", "edged_by")
    ann, ben, cid = (
        Account.objects.create(name=name) for name in ("Ann", "Ben", "Cid")
    )
    a, b = (Repo.objects.create(name=name) for name in "ab")
    ann.stars.add(a)
    ben.stars.add(b)
    ann.known.add(ben)
    ann.edges.add(cid)
    page = Page.objects.create(title="page")
    page.styles.add(Style.objects.create(code="1", title="style"))

    def accounts(**condition):
        return names(Account.objects.filter(**condition))

    stars = Account.objects.filter(name="Ann").values("stars")
    assert accounts(stars__in=stars) == ["Ann"]
    assert accounts(stars__in=Repo.objects.filter(name="a")) == ["Ann"]
    firsts = Repo.objects.values("gone").annotate(m=Min("pk")).values("m")
    assert accounts(stars__in=firsts) == ["Ann"]
    raw = RawSQL("SELECT id FROM lithub_repo WHERE name = %s", ["b"])
    assert accounts(stars__in=raw) == ["Ben"]
    assert accounts(stars__in=Subquery(stars)) == ["Ann"]
    assert accounts(stars=stars[:1]) == ["Ann"]
    assert accounts(stars__in=[F("stars"), a]) == ["Ann", "Ben"]
    assert names(Account.objects.exclude(stars__in=stars)) == ["Ben", "Cid"]
    fans = Repo.objects.filter(name="a").values("fans")
    assert accounts(known__in=fans) == ["Ben"]
    assert names(Account.objects.exclude(known__in=fans)) == ["Ann", "Cid"]
    assert accounts(edged_by__in=fans) == ["Cid"]
    assert accounts(edges__in=Account.objects.filter(name="Ann").values("edges")) == [
        "Ann"
    ]
    assert accounts(known__in=Company.objects.all()) == []
    assert names(Repo.objects.filter(fans__in=Repo.objects.values("fans"))) == [
        "a",
        "b",
    ]
    titles = Page.objects.filter(styles__in=Page.objects.values("styles"))
    assert [page.title for page in titles] == ["page"]
    pages = Style.objects.filter(pages__in=Style.objects.values("pages"))
    assert [style.title for style in pages] == ["style"]
    counted = Account.objects.annotate(n=Count("stars", filter=Q(stars__in=stars)))
    assert {account.name: account.n for account in counted} == {
        "Ann": 1,
        "Ben": 0,
        "Cid": 0,
    }
