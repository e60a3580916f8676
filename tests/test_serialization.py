"""Links in fixtures, written and read by Django's own serializers."""

import datetime
import importlib
import json
import os
import uuid
from xml.etree import ElementTree

import django
import pytest
import yaml
from django.contrib.auth.models import Permission
from django.contrib.auth.models import User as Account
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.management import call_command
from django.core.serializers.base import (
    DeserializationError,
    M2MDeserializationError,
)
from django.db import connection, models, transaction
from django.db.models.signals import m2m_changed
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gm2m import GM2MField
from gm2m.serializers.natural_keys import with_natural_keys
from tests.app.models import (
    Choir,
    Concert,
    Critic,
    Disc,
    Documentary,
    Friend,
    Measure,
    Movie,
    Opera,
    Person,
    Playlist,
    PlaylistItem,
    Poster,
    Premiere,
    ProxyLover,
    Singer,
    SingerManager,
    Sky,
    Soloist,
    Star,
    Track,
    Undeclared,
    User,
    UserProxy,
    Video,
    VideoProxy,
)

pytestmark = pytest.mark.django_db

FORMATS = ["python", "json", "jsonl", "xml", "yaml"]
#: Those that keep lists as lists; XML knows attributes.
LIST_FORMATS = ["python", "json", "jsonl", "yaml"]
every_format = pytest.mark.parametrize("format_name", FORMATS)
every_list_format = pytest.mark.parametrize("format_name", LIST_FORMATS)
with_and_without_prefetching = pytest.mark.parametrize(
    "lookups", [(), ("preferred_videos",)], ids=["fresh", "prefetched"]
)

AIDA = uuid.UUID("4108e480-28a9-4d85-8c3b-64c7a91066ae")
Link = User.preferred_videos.through


def serialize(format_name, objs, **options):
    return serializers.serialize(format_name, objs, **options)


def links_in(format_name, data, name="preferred_videos"):
    """Return the links of each object in `data`, as the format tells them."""
    if format_name == "xml":
        return [
            [target.get("pk") for target in field]
            for field in ElementTree.fromstring(data).findall(
                f"object/field[@name='{name}']"
            )
        ]
    if format_name == "jsonl":
        objs = [json.loads(line) for line in data.splitlines()]
    else:
        read = {"python": list, "json": json.loads, "yaml": yaml.safe_load}
        objs = read[format_name](data)
    return [obj["fields"][name] for obj in objs if name in obj["fields"]]


def written(format_name, objs):
    """Return what the format `format_name` is for `objs`, as the python format is."""
    if format_name == "python":
        return objs
    if format_name == "yaml":
        return yaml.safe_dump(objs)
    if format_name == "jsonl":
        return "".join(f"{json.dumps(obj)}\n" for obj in objs)
    return json.dumps(objs)


def load(format_name, data, **options):
    """Save the objects in `data`."""
    for found in serializers.deserialize(format_name, data, **options):
        found.save()


def user_with(*links, pk=7):
    return {
        "model": "app.user",
        "pk": pk,
        "fields": {"name": "Jack", "preferred_videos": list(links)},
    }


def rows(model=User, name="preferred_videos"):
    """Return all links of a field, in their order."""
    through = model._meta.get_field(name).remote_field.through
    return [
        (row.gm2m_src_id, row.gm2m_ct.model, row.gm2m_pk)
        for row in through.objects.select_related("gm2m_ct").order_by("pk")
    ]


@pytest.fixture
def targets():
    """Targets with keys of every kind."""
    opera = Opera.objects.create(pk=AIDA, title="Aida")
    return [
        Movie.objects.create(title="Alien"),
        opera,
        Concert.objects.create(code="c-1"),
        Premiere.objects.create(day=datetime.date(1871, 12, 24)),
        Poster.objects.create(opera=opera),
        Documentary.objects.create(title="Shoah"),
    ]


@pytest.fixture
def jack(targets):
    user = User.objects.create(name="Jack")
    # In an order that is neither that of the keys nor that of the models.
    user.preferred_videos.set(targets[::-1])
    return user


def references_of(targets):
    return [[["app", obj._meta.model_name], str(obj.pk)] for obj in targets]


class TestWriting:
    @every_list_format
    @with_and_without_prefetching
    def test_a_link_is_a_model_and_a_key(self, format_name, lookups, jack, targets):
        data = serialize(format_name, User.objects.prefetch_related(*lookups))
        assert links_in(format_name, data) == [references_of(targets[::-1])]

    @with_and_without_prefetching
    def test_a_link_is_a_token_in_xml(self, lookups, jack, targets):
        data = serialize("xml", User.objects.prefetch_related(*lookups))
        movie, documentary = targets[0].pk, targets[-1].pk
        assert links_in("xml", data) == [
            [
                f"app.documentary:{documentary}",
                f"app.poster:{AIDA}",
                "app.premiere:1871-12-24",
                "app.concert:c-1",
                f"app.opera:{AIDA}",
                f"app.movie:{movie}",
            ]
        ]

    def test_the_whole_object(self, jack):
        jack.preferred_videos.set(Opera.objects.all())
        assert serialize("python", [jack]) == [
            {
                "model": "app.user",
                "pk": jack.pk,
                "fields": {
                    "name": "Jack",
                    "preferred_videos": [[["app", "opera"], str(AIDA)]],
                },
            }
        ]

    @every_format
    def test_without_links(self, format_name):
        User.objects.create(name="Jill")
        data = serialize(format_name, User.objects.all())
        assert links_in(format_name, data) == [[]]

    @every_format
    def test_prefetched_or_not(self, format_name, jack, targets):
        jill = User.objects.create(name="Jill")
        jill.preferred_videos.set(targets[2:4])
        User.objects.create(name="Joe")
        users = User.objects.order_by("pk")
        fresh = serialize(format_name, users)
        assert serialize(format_name, users.prefetch_related("preferred_videos")) == (
            fresh
        )
        again = list(users)
        models.prefetch_related_objects(again, "preferred_videos")
        # Reading the cache leaves it as it is.
        assert [list(user.preferred_videos.all()) for user in again][2] == []
        assert serialize(format_name, again) == fresh

    @every_format
    def test_a_prefetched_object_that_was_changed(self, format_name, jack, targets):
        user = User.objects.prefetch_related("preferred_videos").get()
        user.preferred_videos.remove(*targets[1:])
        (links,) = links_in(format_name, serialize(format_name, [user]))
        assert len(links) == 1

    @every_format
    def test_writing_does_not_change_what_is_prefetched(
        self, format_name, jack, targets
    ):
        user = User.objects.prefetch_related("preferred_videos").get()
        serialize(format_name, [user])
        with CaptureQueriesContext(connection) as queries:
            assert list(user.preferred_videos.all()) == targets[::-1]
        assert len(queries) == 0

    @every_format
    def test_natural_keys_that_stock_serializers_do_not_know(self, format_name):
        choir = Choir.objects.create()
        choir.members.add(Singer.objects.create(name="Maria"))
        assert serialize(
            format_name, [choir], use_natural_foreign_keys=True
        ) == serialize(format_name, [choir])

    def test_prefetched_natural_keys(self):
        choir = Choir.objects.create()
        maria = Singer.objects.create(name="Maria")
        choir.members.add(maria)
        (data,) = serialize(
            "python",
            Choir.objects.prefetch_related("members"),
            use_natural_foreign_keys=True,
        )
        assert data["fields"]["members"] == [[["app", "singer"], str(maria.pk)]]

    def test_chosen_fields(self, jack):
        (data,) = serialize("python", [jack], fields=["name"])
        assert data["fields"] == {"name": "Jack"}
        (data,) = serialize("python", [jack], fields=["preferred_videos"])
        assert list(data["fields"]) == ["preferred_videos"]

    def test_field_that_is_not_to_be_serialized(self, registry):
        class Source(models.Model):
            things = GM2MField(serialize=False)

        (data,) = serialize("python", [Source(pk=1)])
        assert data["fields"] == {}

    def test_multi_table_child_leaves_links_to_its_parent(self, targets):
        critic = Critic.objects.create(name="Roger")
        critic.preferred_videos.add(targets[1])
        (data,) = serialize("python", [critic])
        assert data["fields"] == {"paper": ""}
        (data,) = serialize("python", [critic.user_ptr])
        assert data["fields"]["preferred_videos"] == references_of([targets[1]])

    def test_proxy_of_a_source(self, jack, targets):
        (data,) = serialize("python", UserProxy.objects.all())
        assert data["fields"]["preferred_videos"] == references_of(targets[::-1])

    def test_two_fields(self, targets):
        source = Undeclared.objects.create()
        source.things.add(targets[0])
        source.others.add(targets[2])
        (data,) = serialize("python", [source])
        assert data["fields"] == {
            "name": "",
            "things": references_of([targets[0]]),
            "others": references_of([targets[2]]),
        }

    @with_and_without_prefetching
    def test_parent_and_child_are_links_of_their_own(self, lookups):
        movie = Movie.objects.create(title="Alien")
        user = User.objects.create()
        user.preferred_videos.add(movie, movie.video_ptr)
        (data,) = serialize("python", User.objects.prefetch_related(*lookups))
        assert data["fields"]["preferred_videos"] == [
            [["app", "movie"], str(movie.pk)],
            [["app", "video"], str(movie.pk)],
        ]


class TestDanglingRows:
    """A dump has what can be loaded again: the rows of targets that may come back."""

    @pytest.fixture
    def dangling(self, jack):
        types = ContentType.objects
        movie, measure = types.get_for_model(Movie), types.get_for_model(Measure)
        gone = types.create(app_label="gone", model="nothing")
        Link.objects.all().delete()
        Link.objects.bulk_create(
            Link(gm2m_src=jack, gm2m_ct=content_type, gm2m_pk=key)
            for content_type, key in [
                (types.get_for_model(Concert), "c-1"),
                (gone, "1"),
                (movie, "999999"),
                (movie, "no key"),
                (movie, "01"),
                (types.get_for_model(Opera), "1"),
                (types.get_for_model(Premiere), "2020-02-30"),
                (measure, "1.5"),
                (types.get_for_model(Concert), "c-2"),
            ]
        )
        yield jack
        types.clear_cache()

    @every_list_format
    @with_and_without_prefetching
    def test_in_a_dump(self, format_name, lookups, dangling):
        data = serialize(format_name, User.objects.prefetch_related(*lookups))
        assert links_in(format_name, data) == [
            [
                [["app", "concert"], "c-1"],
                [["app", "movie"], "999999"],
                [["app", "concert"], "c-2"],
            ]
        ]

    @with_and_without_prefetching
    def test_in_a_dump_as_xml(self, lookups, dangling):
        data = serialize("xml", User.objects.prefetch_related(*lookups))
        assert links_in("xml", data) == [
            ["app.concert:c-1", "app.movie:999999", "app.concert:c-2"]
        ]

    @every_format
    def test_dump_can_be_loaded(self, format_name, dangling):
        data = serialize(format_name, [dangling])
        Link.objects.all().delete()
        load(format_name, data)
        assert rows() == [
            (dangling.pk, "concert", "c-1"),
            (dangling.pk, "movie", "999999"),
            (dangling.pk, "concert", "c-2"),
        ]

    @pytest.mark.parametrize("key", ["", "None", "1", "1.5"])
    def test_key_that_cannot_be_linked_whatever_it_says(self, key, jack):
        measure = ContentType.objects.get_for_model(Measure)
        Link.objects.filter(gm2m_pk="c-1").update(gm2m_ct=measure, gm2m_pk=key)
        (data,) = serialize("python", [jack])
        links = data["fields"]["preferred_videos"]
        assert len(links) == 5
        assert [["app", "measure"], key] not in links

    @every_format
    def test_target_comes_back(self, format_name, jack, targets):
        concert = targets[2]
        Concert.objects.filter(pk=concert.pk)._raw_delete("default")
        data = serialize(format_name, [jack])
        before = rows()
        Link.objects.all().delete()
        load(format_name, data)
        assert rows() == before
        assert concert not in list(jack.preferred_videos.all())
        Concert.objects.create(pk=concert.pk)
        assert concert in list(jack.preferred_videos.all())


class TestQueries:
    @pytest.fixture(autouse=True)
    def warm(self, targets):
        for model in (Movie, Opera, Concert, Premiere, Poster, Documentary):
            ContentType.objects.get_for_model(model)
        users = User.objects.bulk_create(User(name=f"{i}") for i in range(50))
        for user in users:
            user.preferred_videos.set(targets)

    def count(self, call):
        with CaptureQueriesContext(connection) as queries:
            call()
        return len(queries)

    @every_format
    def test_prefetched_sources_cost_nothing_each(self, format_name):
        users = User.objects.order_by("pk").prefetch_related("preferred_videos")

        def count(number):
            return self.count(lambda: serialize(format_name, users[:number]))

        # The users, the rows, and one query for each of six models.
        assert count(2) == count(50) == 8

    @every_format
    def test_prefetched_sources_cost_nothing(
        self, format_name, django_assert_num_queries
    ):
        users = list(User.objects.prefetch_related("preferred_videos"))
        with django_assert_num_queries(0):
            serialize(format_name, users)

    @every_format
    def test_other_sources_cost_one_each(self, format_name):
        users = User.objects.order_by("pk")

        def count(number):
            return self.count(lambda: serialize(format_name, users[:number]))

        assert (count(2), count(50)) == (3, 51)

    @every_format
    def test_links_cost_nothing_each(self, format_name, django_assert_num_queries):
        user = User.objects.create()
        user.preferred_videos.set(
            Movie.objects.create(title=f"{number}") for number in range(50)
        )
        with django_assert_num_queries(1):
            serialize(format_name, [user])

    def test_targets_are_not_asked_for(self):
        user = User.objects.first()
        with CaptureQueriesContext(connection) as queries:
            serialize("json", [user])
        (query,) = queries.captured_queries
        assert "app_movie" not in query["sql"]

    @every_format
    def test_loading_costs_nothing_for_each_link(self, format_name):
        def count(number):
            user = User.objects.create()
            user.preferred_videos.set(
                Movie.objects.create(title=f"{i}") for i in range(number)
            )
            data = serialize(format_name, [user])
            user.preferred_videos.clear()
            return self.count(lambda: load(format_name, data))

        assert count(2) == count(50)


class TestLoading:
    @every_format
    def test_round_trip(self, format_name, jack, targets):
        data = serialize(format_name, [jack])
        before = rows()
        jack.delete()
        assert rows() == []
        load(format_name, data)
        assert rows() == before
        (jack,) = User.objects.all()
        assert list(jack.preferred_videos.all()) == targets[::-1]

    @every_format
    @pytest.mark.parametrize("sources_first", [True, False])
    def test_sources_before_or_after_their_targets(
        self, format_name, sources_first, jack, targets
    ):
        parents = [obj.video_ptr for obj in (targets[0], targets[-1])]
        # A raw save does not save the parents of a multi-table child.
        others = [*parents, *targets]
        objs = [jack, *others] if sources_first else [*others, jack]
        data = serialize(format_name, objs)
        before = rows()
        for model in (User, Video, Poster, Opera, Concert, Premiere):
            model.objects.all().delete()
        with transaction.atomic():
            load(format_name, data)
        assert rows() == before
        (jack,) = User.objects.all()
        assert list(jack.preferred_videos.all()) == targets[::-1]
        assert list(targets[1].user_set.all()) == [jack]

    @every_format
    def test_new_object(self, format_name, targets):
        """An object without a key in the fixture gets its links with its key."""
        fixture = {
            "model": "app.user",
            "fields": {"name": "Jill", "preferred_videos": references_of(targets)},
        }
        if format_name == "xml":
            data = (
                '<django-objects version="1.0"><object model="app.user">'
                '<field name="name" type="CharField">Jill</field>'
                '<field name="preferred_videos" rel="ManyToManyRel">'
                + "".join(
                    f'<object pk="app.{obj._meta.model_name}:{obj.pk}"/>'
                    for obj in targets
                )
                + "</field></object></django-objects>"
            )
        else:
            data = written(format_name, [fixture])
        load(format_name, data)
        assert list(User.objects.get(name="Jill").preferred_videos.all()) == targets

    @every_format
    def test_links_are_replaced_as_by_set(self, format_name, jack, targets):
        jack.preferred_videos.set(targets[:3])
        data = serialize(format_name, [jack])
        kept = Link.objects.get(gm2m_pk="c-1")
        jack.preferred_videos.set(targets[2:])
        load(format_name, data)
        assert set(jack.preferred_videos.all()) == set(targets[:3])
        assert Link.objects.get(gm2m_pk="c-1") == kept

    def test_no_links_empty_the_list(self, jack):
        load("python", [user_with(pk=jack.pk)])
        assert rows() == []

    def test_field_that_is_not_there_is_left_alone(self, jack):
        before = rows()
        load("python", [{"model": "app.user", "pk": jack.pk, "fields": {"name": "J"}}])
        assert rows() == before

    def test_object_may_be_saved_without_its_links(self, jack):
        before = rows()
        for found in serializers.deserialize("python", [user_with(pk=jack.pk)]):
            found.save(save_m2m=False)
        assert rows() == before

    def test_other_objects_are_left_alone(self, jack, targets):
        jill = User.objects.create()
        jill.preferred_videos.set(targets)
        before = [row for row in rows() if row[0] == jill.pk]
        load("python", [user_with(pk=jack.pk)])
        assert rows() == before

    def test_link_that_is_told_twice(self, jack, targets):
        link = [["app", "concert"], "c-1"]
        load("python", [user_with(link, link, pk=jack.pk)])
        assert list(jack.preferred_videos.all()) == [targets[2]]

    @pytest.mark.parametrize(
        "link",
        [
            [["app", "movie"], 5],
            [["app", "movie"], "5"],
            (("app", "movie"), 5),
            (["app", "movie"], "5"),
            [("app", "movie"), "5"],
            [["app", "Movie"], "5"],
        ],
        ids=repr,
    )
    def test_forms_of_a_link(self, link):
        movie = Movie.objects.create(pk=5, title="Alien")
        load("python", [user_with(link)])
        assert list(User.objects.get().preferred_videos.all()) == [movie]
        assert rows() == [(7, "movie", "5")]

    @pytest.mark.parametrize(
        "links", [tuple, iter, list], ids=["tuple", "iter", "list"]
    )
    def test_forms_of_the_list(self, links, targets):
        data = user_with(pk=7)
        data["fields"]["preferred_videos"] = links(references_of(targets))
        load("python", [data])
        assert list(User.objects.get().preferred_videos.all()) == targets

    @every_format
    def test_target_that_nobody_declared(self, format_name, jack):
        source = Undeclared.objects.create()
        person = Person.objects.create(name="Ripley")
        source.things.add(person)
        data = serialize(format_name, [source])
        Undeclared.objects.all().delete()
        load(format_name, data)
        assert list(person.thing_holders.all()) == [source]

    def test_proxy_stands_for_its_model(self):
        video = Video.objects.create(title="Alien")
        load("python", [user_with([["app", "videoproxy"], str(video.pk)])])
        assert list(User.objects.get().preferred_videos.all()) == [video]
        assert rows() == [(7, "video", str(video.pk))]

    def test_proxies_that_are_targets_of_their_own(self):
        video = VideoProxy.objects.create(title="Alien")
        source = ProxyLover.objects.create()
        source.things.add(video)
        data = serialize("json", [source])
        assert links_in("json", data, "things") == [
            [[["app", "videoproxy"], str(video.pk)]]
        ]
        source.things.clear()
        load("json", data)
        assert [type(obj) for obj in source.things.all()] == [VideoProxy]

    def test_relations_to_itself(self):
        first, second = Friend.objects.create(), Friend.objects.create()
        first.friends.add(second, first)
        data = serialize("json", [first, second])
        Friend.objects.all().delete()
        load("json", data)
        assert list(Friend.objects.get(pk=first.pk).friends.all()) == [second, first]

    def test_prefetched_links_of_a_saved_object_are_forgotten(self, jack, targets):
        (found,) = serializers.deserialize("python", [user_with(pk=jack.pk)])
        models.prefetch_related_objects([found.object], "preferred_videos")
        found.save()
        assert list(found.object.preferred_videos.all()) == []

    @pytest.mark.parametrize(
        "key",
        [
            "a:b",
            ":",
            "a.b:c.d",
            "quote\"s'",
            "100%",
            "%s",
            "\N{CLAPPING HANDS SIGN}",
            "<b>&amp;</b>",
            "]]>",
            "two  words",
            "tab\tline\nfeed",
            "[1, 2]",
            "ключ",
            "app.movie:1",
            "null",
            "2020-01-01",
        ],
    )
    @every_format
    def test_odd_keys(self, format_name, key):
        concert = Concert.objects.create(code=key)
        user = User.objects.create()
        user.preferred_videos.add(concert)
        data = serialize(format_name, [user])
        user.preferred_videos.clear()
        load(format_name, data)
        assert list(user.preferred_videos.all()) == [concert]
        assert rows() == [(user.pk, "concert", key)]

    @pytest.mark.parametrize("number", [0, -1, 2**31, 2**63 - 1, -(2**63)])
    @every_format
    def test_odd_numbers(self, format_name, number):
        star = Star.objects.create(number=number)
        sky = Sky.objects.create()
        sky.stars.add(star)
        data = serialize(format_name, [sky])
        sky.stars.clear()
        load(format_name, data)
        assert list(sky.stars.all()) == [star]

    @pytest.mark.parametrize("day", [datetime.date.min, datetime.date.max])
    @every_format
    def test_odd_dates(self, format_name, day):
        premiere = Premiere.objects.create(day=day)
        user = User.objects.create()
        user.preferred_videos.add(premiere)
        data = serialize(format_name, [user])
        user.preferred_videos.clear()
        load(format_name, data)
        assert list(user.preferred_videos.all()) == [premiere]

    def test_signals(self, jack, targets):
        """As for any many-to-many: what goes, what comes, and that it is raw."""
        heard = []

        def listen(**kwargs):
            del kwargs["signal"], kwargs["sender"]
            heard.append(kwargs)

        concert, film = targets[2], targets[0]
        jack.preferred_videos.set([concert])
        data = [user_with([["app", "movie"], str(film.pk)], pk=jack.pk)]
        m2m_changed.connect(listen, sender=Link)
        try:
            load("python", data)
        finally:
            m2m_changed.disconnect(listen, sender=Link)
        common = {"instance": jack, "reverse": False, "using": "default"}
        if django.VERSION >= (6, 1):
            common["raw"] = True
        gone = {**common, "model": Concert, "pk_set": {"c-1"}}
        came = {**common, "model": Movie, "pk_set": {film.pk}}
        assert heard == [
            {**gone, "action": "pre_remove"},
            {**gone, "action": "post_remove"},
            {**came, "action": "pre_add"},
            {**came, "action": "post_add"},
        ]


class TestNaturalKeys:
    """In the place of a key there may be a natural key."""

    @pytest.fixture
    def maria(self):
        return Singer.objects.create(name="Maria")

    @staticmethod
    def choir(*links):
        return {"model": "app.choir", "pk": 1, "fields": {"members": list(links)}}

    SINGER = [["app", "singer"], ["Maria"]]

    @every_list_format
    def test_are_looked_up(self, format_name, maria):
        soloist = Soloist.objects.create(singer=maria, voice="alto")
        link = [["app", "soloist"], ["Maria", "alto"]]
        load(format_name, written(format_name, [self.choir(link, self.SINGER)]))
        assert list(Choir.objects.get().members.all()) == [soloist, maria]
        assert rows(Choir, "members") == [
            (1, "soloist", str(maria.pk)),
            (1, "singer", str(maria.pk)),
        ]

    def test_may_be_mixed_with_keys(self, maria):
        callas = Singer.objects.create(name="Callas")
        key = [["app", "singer"], str(callas.pk)]
        load("python", [self.choir(key, self.SINGER)])
        assert list(Choir.objects.get().members.all()) == [callas, maria]

    def test_may_be_tuples(self, maria):
        load("python", [self.choir((("app", "singer"), ("Maria",)))])
        assert list(Choir.objects.get().members.all()) == [maria]

    def test_of_models_that_nobody_declared(self):
        permission = Permission.objects.create(
            codename="sing",
            content_type=ContentType.objects.get_for_model(Singer),
        )
        link = [["auth", "permission"], ["sing", "app", "singer"]]
        load("python", [self.choir(link)])
        assert list(Choir.objects.get().members.all()) == [permission]

    def test_of_the_user_model_of_the_settings(self):
        account = Account.objects.create(username="jack")
        link = [["auth", "user"], ["jack"]]
        data = {"model": "app.friend", "pk": 1, "fields": {"friends": [link]}}
        load("python", [data])
        assert list(Friend.objects.get().friends.all()) == [account]

    def test_cost_one_query_each(self, maria, django_assert_num_queries):
        ContentType.objects.get_for_model(Singer)
        with django_assert_num_queries(1):
            list(serializers.deserialize("python", [self.choir(self.SINGER)]))

    @every_list_format
    def test_of_what_is_not_there(self, format_name):
        data = written(format_name, [self.choir(self.SINGER)])
        with pytest.raises(DeserializationError, match=r"app\.choir:pk=1.*Maria"):
            list(serializers.deserialize(format_name, data))

    @every_list_format
    def test_of_what_comes_later(self, format_name):
        singer = {"model": "app.singer", "fields": {"name": "Maria"}}
        data = written(format_name, [self.choir(self.SINGER), singer])
        waiting = []
        for found in serializers.deserialize(
            format_name, data, handle_forward_references=True
        ):
            found.save()
            if found.deferred_fields:
                waiting.append(found)
        assert Choir.objects.get().members.count() == 0
        (found,) = waiting
        found.save_deferred_fields()
        assert list(Choir.objects.get().members.all()) == [Singer.objects.get()]

    def test_of_what_never_comes(self):
        (found,) = serializers.deserialize(
            "python", [self.choir(self.SINGER)], handle_forward_references=True
        )
        found.save()
        with pytest.raises(DeserializationError, match=r"app\.choir:pk=1.*Maria"):
            found.save_deferred_fields()

    def test_forward_references_do_not_excuse_nonsense(self):
        data = [self.choir([["app", "singer"], "no key"])]
        with pytest.raises(DeserializationError):
            list(
                serializers.deserialize("python", data, handle_forward_references=True)
            )

    @pytest.mark.parametrize("format_name", ["json", "jsonl", "yaml"])
    def test_fixture_with_forward_references(self, format_name, tmp_path):
        singer = {"model": "app.singer", "fields": {"name": "Maria"}}
        soloist = {
            "model": "app.soloist",
            "pk": str(AIDA),
            "fields": {"voice": "alto"},
        }
        singer["pk"] = str(AIDA)
        file = tmp_path / f"choirs.{format_name}"
        link = [["app", "soloist"], ["Maria", "alto"]]
        objs = [self.choir(link, self.SINGER), soloist, singer]
        file.write_text(written(format_name, objs))
        call_command("loaddata", file, verbosity=0)
        assert list(Choir.objects.get().members.all()) == [
            Soloist.objects.get(),
            Singer.objects.get(),
        ]

    @pytest.mark.django_db(databases=["default", "other"])
    def test_fixture_for_another_database(self, tmp_path):
        singer = {"model": "app.singer", "fields": {"name": "Maria"}}
        file = tmp_path / "choirs.json"
        file.write_text(json.dumps([self.choir(self.SINGER), singer]))
        Singer.objects.create(name="Maria")
        call_command("loaddata", file, database="other", verbosity=0)
        (choir,) = Choir.objects.using("other").all()
        assert list(choir.members.all()) == [Singer.objects.using("other").get()]
        assert not Choir.objects.exists()

    @pytest.mark.parametrize(
        "link",
        [
            [["app", "singer"], []],
            [["app", "singer"], ["Maria", "alto"]],
            [["app", "singer"], [["Maria"]]],
            [["app", "singer"], [{}]],
            [["app", "singer"], [None]],
            # It has no natural keys.
            [["app", "movie"], ["Alien"]],
            [["app", "movie"], [1]],
        ],
        ids=repr,
    )
    def test_malformed(self, link, maria):
        with pytest.raises(DeserializationError, match=r"app\.choir:pk=1"):
            list(serializers.deserialize("python", [self.choir(link)]))


class TestWritingNaturalKeys:
    """By serializers of our own, which a project has to ask for."""

    @pytest.fixture(autouse=True)
    def modules(self, settings, monkeypatch):
        settings.SERIALIZATION_MODULES = {
            format_name: f"gm2m.serializers.{format_name}" for format_name in FORMATS
        }
        # Django reads the setting when it knows no serializers yet.
        monkeypatch.setattr(serializers, "_serializers", {})

    @pytest.fixture
    def maria(self):
        return Singer.objects.create(name="María & <co>")

    @pytest.fixture
    def soloist(self, maria):
        return Soloist.objects.create(singer=maria, voice="alto")

    @pytest.fixture
    def choir(self, maria, soloist):
        choir = Choir.objects.create(name="C")
        movie = Movie.objects.create(title="Alien")
        choir.members.set([soloist, movie, maria])
        return choir

    @staticmethod
    def natural(format_name, objs, **options):
        return serialize(format_name, objs, use_natural_foreign_keys=True, **options)

    @pytest.fixture(params=[False, True], ids=["plain", "prefetched"])
    def choirs(self, request, choir):
        choirs = Choir.objects.order_by("pk")
        return choirs.prefetch_related("members") if request.param else choirs

    def test_modules_are_ours(self):
        for format_name in FORMATS:
            serializer = serializers.get_serializer(format_name)
            assert serializer.__module__ == f"gm2m.serializers.{format_name}"

    @every_list_format
    def test_in_a_list(self, format_name, choirs, choir):
        movie = Movie.objects.get()
        (links,) = links_in(format_name, self.natural(format_name, choirs), "members")
        assert links == [
            [["app", "soloist"], ["María & <co>", "alto"]],
            # It has none.
            [["app", "movie"], str(movie.pk)],
            [["app", "singer"], ["María & <co>"]],
        ]

    def test_in_xml(self, choirs, choir):
        tree = ElementTree.fromstring(self.natural("xml", choirs))
        (field,) = tree.findall("object/field[@name='members']")
        assert field.attrib == {
            "name": "members",
            "rel": "GM2MRel",
            "to": "contenttypes.contenttype",
        }
        assert [[part.text for part in link] for link in field] == [
            ["app", "soloist", "María & <co>", "alto"],
            [f"app.movie:{Movie.objects.get().pk}"],
            ["app", "singer", "María & <co>"],
        ]

    @every_format
    def test_unless_they_are_asked_for_nothing_differs(
        self, format_name, choirs, choir, jack
    ):
        objs = [*choirs, *User.objects.prefetch_related("preferred_videos"), jack]
        data = serialize(format_name, objs)
        serializers._serializers.clear()
        serializers._serializers.update(
            {
                name: importlib.import_module(module)
                for name, module in serializers.BUILTIN_SERIALIZERS.items()
            }
        )
        assert serialize(format_name, objs) == data

    @every_format
    def test_what_else_is_written_is_the_same(self, format_name, choir, soloist):
        objs = [choir, soloist, soloist.singer]
        serialized = self.natural(format_name, objs, fields=["name", "voice"])
        serializers._serializers.clear()
        stock = importlib.import_module(serializers.BUILTIN_SERIALIZERS[format_name])
        options = {"use_natural_foreign_keys": True, "fields": ["name", "voice"]}
        assert stock.Serializer().serialize(objs, **options) == serialized

    @every_format
    def test_read_by_stock_deserializers(self, format_name, choirs, choir, soloist):
        data = self.natural(format_name, choirs)
        expected = list(choir.members.all())
        # Other keys: what is loaded has to go by names.
        Choir.objects.all().delete()
        Soloist.objects.all().delete()
        Singer.objects.all().delete()
        maria = Singer.objects.create(name="María & <co>")
        other = Soloist.objects.create(singer=maria, voice="alto")
        stock = importlib.import_module(serializers.BUILTIN_SERIALIZERS[format_name])
        for found in stock.Deserializer(data):
            found.save()
        assert list(Choir.objects.get().members.all()) == [other, expected[1], maria]

    @every_format
    def test_forward_references(self, format_name, choir, maria, soloist):
        choir.members.remove(soloist)
        data = self.natural(format_name, [choir, maria], use_natural_primary_keys=True)
        Choir.objects.all().delete()
        Singer.objects.all().delete()
        waiting = []
        for found in serializers.deserialize(
            format_name, data, handle_forward_references=True
        ):
            found.save()
            if found.deferred_fields:
                waiting.append(found)
        for found in waiting:
            found.save_deferred_fields()
        found = Singer.objects.get()
        assert found.pk != maria.pk
        assert list(Choir.objects.get().members.all()) == [Movie.objects.get(), found]

    @every_list_format
    def test_target_that_is_gone_keeps_its_key(self, format_name, choirs, maria):
        Soloist.objects.filter(pk=maria.pk)._raw_delete("default")
        Singer.objects.filter(pk=maria.pk)._raw_delete("default")
        (links,) = links_in(format_name, self.natural(format_name, choirs), "members")
        assert links[0] == [["app", "soloist"], str(maria.pk)]
        assert links[2] == [["app", "singer"], str(maria.pk)]

    def test_models_of_other_apps(self, choir):
        account = Account.objects.create(username="jack")
        content_type = ContentType.objects.create(app_label="x", model="y")
        choir.members.set([account, content_type])
        (data,) = self.natural("python", [choir])
        assert data["fields"]["members"] == [
            [["auth", "user"], ["jack"]],
            [["contenttypes", "contenttype"], ["x", "y"]],
        ]

    def test_natural_key_that_nobody_could_look_up(self, choir, maria, monkeypatch):
        monkeypatch.delattr(SingerManager, "get_by_natural_key")
        (data,) = self.natural("python", [choir])
        assert data["fields"]["members"][2] == [["app", "singer"], str(maria.pk)]

    def test_prefetched_sources_cost_nothing(self, choir, django_assert_num_queries):
        choirs = list(Choir.objects.prefetch_related("members"))
        # The name of the soloist's singer is Django's affair.
        with django_assert_num_queries(1):
            self.natural("json", choirs)

    def test_other_sources_cost_their_targets_and_one(
        self, choir, django_assert_num_queries
    ):
        choirs = list(Choir.objects.all())
        with django_assert_num_queries(1 + 3 + 1 + 1):
            self.natural("json", choirs)

    def test_cache_of_the_object_stays(self, choir, django_assert_num_queries):
        (choir,) = Choir.objects.prefetch_related("members")
        cached = choir._prefetched_objects_cache["members"]
        self.natural("xml", [choir])
        assert choir._prefetched_objects_cache["members"] is cached
        assert "_prefetched_objects_cache" not in vars(Choir.objects.get())

    @pytest.mark.parametrize("format_name", ["json", "jsonl", "xml", "yaml"])
    def test_commands(self, format_name, choir, soloist, tmp_path):
        soloist.delete()
        file = tmp_path / f"choirs.{format_name}"
        call_command(
            "dumpdata",
            "app.choir",
            "app.singer",
            format=format_name,
            use_natural_foreign_keys=True,
            use_natural_primary_keys=True,
            output=str(file),
        )
        Choir.objects.all().delete()
        Singer.objects.all().delete()
        call_command("loaddata", file, verbosity=0)
        expected = [Movie.objects.get(), Singer.objects.get()]
        assert list(Choir.objects.get().members.all()) == expected

    @every_format
    @pytest.mark.parametrize(
        "code", [" a ", "a\tb", "=", "x=1", ":", '"', "app.movie:1"]
    )
    def test_odd_keys(self, format_name, code):
        """Of targets without natural keys, beside others that have them."""
        choir = Choir.objects.create()
        objs = [Concert.objects.create(code=code), Singer.objects.create(name="Maria")]
        choir.members.set(objs)
        data = self.natural(format_name, [choir])
        choir.members.clear()
        load(format_name, data)
        assert list(choir.members.all()) == objs

    @every_format
    def test_parts_that_are_none(self, format_name, choir, monkeypatch):
        monkeypatch.setattr(Singer, "natural_key", lambda self: (self.name, None))

        def get_by_natural_key(self, name, nothing):
            assert nothing in (None, "None")
            return self.get(name=name)

        monkeypatch.setattr(SingerManager, "get_by_natural_key", get_by_natural_key)
        choir.members.set(Singer.objects.all())
        data = self.natural(format_name, [choir])
        choir.members.clear()
        load(format_name, data)
        assert choir.members.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_objects_of_a_registry_of_their_own(self, registry):
        """As in a migration, whose models cannot be pickled."""

        class Chorus(models.Model):
            members = GM2MField(related_name="+")

            class Meta:
                app_label = "app"

        with connection.schema_editor() as editor:
            editor.create_model(Chorus)
        try:
            chorus = Chorus.objects.create()
            twin = with_natural_keys(chorus, Chorus._meta.get_field("members"))
        finally:
            with connection.schema_editor() as editor:
                editor.delete_model(Chorus)
        assert type(twin) is Chorus
        assert twin == chorus

    def test_unsaved_objects_with_a_custom_through(self):
        (data,) = self.natural("python", [Playlist(name="x")])
        assert data["fields"] == {"name": "x"}

    def test_links_by_a_custom_through(self, targets, django_assert_num_queries):
        playlist = Playlist.objects.create()
        playlist.items.add(targets[0])
        with django_assert_num_queries(0):
            (data,) = self.natural("python", [playlist])
        assert "items" not in data["fields"]


class TestCommands:
    @pytest.mark.parametrize("format_name", ["json", "jsonl", "xml", "yaml"])
    @pytest.mark.parametrize("natural", [{}, {"use_natural_foreign_keys": True}])
    def test_dump_and_load(self, format_name, natural, jack, targets, tmp_path):
        file = tmp_path / f"library.{format_name}"
        before = rows()
        call_command("dumpdata", "app", format=format_name, output=file, **natural)
        for model in (User, Video, Poster, Opera, Concert, Premiere):
            model.objects.all().delete()
        call_command("loaddata", file, verbosity=0)
        assert rows() == before
        assert list(User.objects.get().preferred_videos.all()) == targets[::-1]

    def test_rows_of_a_custom_through_where_content_types_have_other_numbers(
        self, tmp_path
    ):
        """With ``--natural-foreign``, they are told by their labels."""
        movie, playlist = Movie.objects.create(), Playlist.objects.create()
        playlist.items.add(movie)
        file = tmp_path / "items.json"
        options = {"output": file, "use_natural_foreign_keys": True}
        call_command("dumpdata", "app.PlaylistItem", **options)
        # Its rows go with it.
        ContentType.objects.get_for_model(Movie).delete()
        ContentType.objects.clear_cache()
        ContentType.objects.create(pk=10**6, app_label="app", model="movie")
        call_command("loaddata", file, verbosity=0)
        assert list(playlist.items.all()) == [movie]
        # It does not outlive the test.
        ContentType.objects.clear_cache()

    def test_rows_of_the_automatic_through_are_not_dumped_apart(self, jack, tmp_path):
        file = tmp_path / "library.json"
        call_command("dumpdata", "app", output=file)
        found = {obj["model"] for obj in json.loads(file.read_text())}
        assert "app.user" in found
        assert "app.user_preferred_videos" not in found

    def test_fixture_with_a_malformed_link(self, jack, tmp_path):
        """The command names the file as well, and loads nothing of it."""
        file = tmp_path / "library.json"
        movie = {"model": "app.concert", "pk": "c-2", "fields": {}}
        bad = user_with([["app", "movie"], "no key"], pk=jack.pk)
        bad["fields"]["name"] = "changed"
        file.write_text(json.dumps([movie, bad]))
        before = rows()
        with pytest.raises(DeserializationError) as caught:
            call_command("loaddata", file, verbosity=0)
        for part in ("library.json", f"app.user:pk={jack.pk}", "no key"):
            assert part in str(caught.value)
        assert rows() == before
        assert not Concert.objects.filter(pk="c-2").exists()
        assert User.objects.get().name == "Jack"

    def test_field_that_is_gone(self, jack, tmp_path):
        file = tmp_path / "library.json"
        data = user_with(pk=jack.pk)
        data["fields"]["former_videos"] = [[["app", "movie"], "1"]]
        del data["fields"]["preferred_videos"]
        file.write_text(json.dumps([data]))
        before = rows()
        call_command("loaddata", file, ignore=True, verbosity=0)
        assert rows() == before

    def test_serialized_rollback(self, jack, targets, tmp_path, monkeypatch, settings):
        """What ``TransactionTestCase.serialized_rollback`` keeps and puts back."""
        # It is for apps with migrations.
        (tmp_path / "no_migrations").mkdir()
        (tmp_path / "no_migrations/__init__.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
        settings.MIGRATION_MODULES = {"app": "no_migrations"}
        before = rows()
        data = connection.creation.serialize_db_to_string()
        for model in (User, Video, Poster, Opera, Concert, Premiere):
            model.objects.all().delete()
        connection.creation.deserialize_db_from_string(data)
        assert rows() == before
        assert list(User.objects.get().preferred_videos.all()) == targets[::-1]


class TestCustomThrough:
    """Its rows are objects of their own, as for any many-to-many."""

    @pytest.fixture
    def playlist(self, targets):
        playlist = Playlist.objects.create(name="Best")
        playlist.items.add(targets[1], through_defaults={"position": 2, "note": "!"})
        playlist.items.add(targets[0], through_defaults={"position": 1})
        return playlist

    @every_format
    @pytest.mark.parametrize("lookups", [(), ("items",)], ids=["fresh", "prefetched"])
    def test_links_are_not_in_the_source(self, format_name, lookups, playlist):
        data = serialize(format_name, Playlist.objects.prefetch_related(*lookups))
        assert links_in(format_name, data, "items") == []
        assert links_in(format_name, data, "name") != []

    @every_format
    def test_links_are_in_the_through(self, format_name, playlist, targets):
        objs = [playlist, *PlaylistItem.objects.all()]
        data = serialize(format_name, objs)
        before = list(PlaylistItem.objects.values())
        Playlist.objects.all().delete()
        assert not PlaylistItem.objects.exists()
        load(format_name, data)
        assert list(PlaylistItem.objects.values()) == before
        assert list(Playlist.objects.get().items.all()) == targets[:2]

    def test_links_by_hand(self, playlist, targets):
        """A fixture may name them, as it may for any many-to-many."""
        fields = {"name": "Best", "items": references_of([targets[1], targets[5]])}
        load("python", [{"model": "app.playlist", "pk": playlist.pk, "fields": fields}])
        assert set(playlist.items.all()) == {targets[1], targets[5]}
        # The row that was there is kept.
        assert PlaylistItem.objects.get(note="!").item == targets[1]


MALFORMED_LINKS = [
    None,
    True,
    False,
    0,
    1,
    1.5,
    "",
    "x",
    "1",
    "app.movie",
    "app.movie:",
    "app.movie:no key",
    ":1",
    "movie:1",
    ".:1",
    "app.:1",
    ".movie:1",
    "a.b.c:1",
    [],
    {},
    [[]],
    [[], []],
    ["app", "movie"],
    ["app", "movie", 1],
    ["app.movie", 1],
    [["app", "movie"]],
    [["app", "movie"], 1, 2],
    [["app"], 1],
    [["app", "movie", "x"], 1],
    [[None, "movie"], 1],
    [["app", None], 1],
    [["app", 1], 1],
    [[["app"], ["movie"]], 1],
    [{"app": 1, "movie": 2}, 1],
    {"app": "movie", "pk": 1},
    # Models that are not there, or cannot be linked.
    [["app", "nothing"], 1],
    [["nowhere", "movie"], 1],
    [["", ""], 1],
    [["app", "movie "], 1],
    [["app", "tagged"], 1],
    [["app", "measure"], 1],
    [["app", "measure"], "1.5"],
    # What is no key, or none of that model's.
    [["app", "movie"], None],
    [["app", "movie"], True],
    [["app", "movie"], 1.0],
    [["app", "movie"], {}],
    [["app", "movie"], {"pk": 1}],
    [["app", "movie"], []],
    [["app", "movie"], [1]],
    [["app", "movie"], [[1]]],
    [["app", "movie"], ""],
    [["app", "movie"], "abc"],
    [["app", "movie"], "01"],
    [["app", "movie"], "+1"],
    [["app", "movie"], " 1"],
    [["app", "movie"], "1_0"],
    [["app", "movie"], "1.0"],
    [["app", "movie"], "١"],
    [["app", "movie"], 2**63],
    [["app", "movie"], 10**30],
    [["app", "movie"], "9" * 5000],
    [["app", "movie"], str(AIDA)],
    [["app", "opera"], 1],
    [["app", "opera"], "1"],
    [["app", "opera"], AIDA.hex],
    [["app", "opera"], str(AIDA).upper()],
    [["app", "opera"], f"{{{AIDA}}}"],
    [["app", "poster"], "1"],
    [["app", "premiere"], "2020-02-30"],
    [["app", "premiere"], "20200101"],
    [["app", "premiere"], "2020-W01-1"],
    [["app", "premiere"], "0000-01-01"],
    [["app", "premiere"], 20200101],
    # Text keys are text as well.
    [["app", "concert"], None],
    [["app", "concert"], True],
    [["app", "concert"], 1.5],
    [["app", "concert"], {}],
    [["app", "concert"], {"c-1": 1}],
    # Longer than the key column.
    [["app", "concert"], "x" * 37],
]


class TestMalformed:
    """A ``DeserializationError`` names the object and the value; nothing is loaded."""

    @staticmethod
    def refuse(data, *, format_name="python", error=DeserializationError):
        before = rows(), list(User.objects.values())
        with pytest.raises(error) as caught:
            load(format_name, data)
        assert (rows(), list(User.objects.values())) == before
        return caught.value

    @pytest.mark.parametrize("link", MALFORMED_LINKS, ids=lambda link: repr(link)[:40])
    def test_link(self, link):
        good = [["app", "concert"], "c-1"]
        error = self.refuse([user_with(good, link)])
        assert "app.user:pk=7" in str(error)
        assert str(link) in str(error)

    @pytest.mark.parametrize(
        ("link", "reason"),
        [
            ([["app", "movie"], "01"], "'01' is no key of app.Movie."),
            ([["app", "opera"], 1], "'1' is no key of app.Opera."),
            ([["app", "movie"], [1]], "app.Movie has no natural keys."),
            (
                [["app", "concert"], "x" * 37],
                f"the key '{'x' * 37}' is longer than 36 characters.",
            ),
            ([["app", "movie"]], "is no link: it must be [['app', 'model'], key]."),
            ([["app", "movie", "x"], 1], "is no link: it must be"),
            ([["app", 1], 1], "is no link: it must be"),
            ([["app", "movie"], True], "is no link: it must be"),
            (5, "5 is no link: it must be [['app', 'model'], key], or"),
            ([["app", "nothing"], 1], "App 'app' doesn't have a 'nothing' model."),
            ([["app", "measure"], 1], "its primary key is a FloatField"),
            (
                [["app", "movie"], datetime.datetime(2020, 1, 1)],
                "'2020-01-01 00:00:00' is no key of app.Movie.",
            ),
        ],
        ids=repr,
    )
    def test_reason(self, link, reason):
        assert reason in str(self.refuse([user_with(link)]))

    @pytest.mark.parametrize("format_name", ["json", "jsonl", "yaml"])
    @pytest.mark.parametrize(
        "link",
        [None, True, 1, "x", [], {}, [["app", "movie"]], [["app", "movie"], "01"]],
        ids=repr,
    )
    def test_link_in_text(self, format_name, link):
        data = written(format_name, [user_with(link)])
        error = self.refuse(data, format_name=format_name)
        assert "app.user:pk=7" in str(error)
        assert str(link) in str(error)

    @pytest.mark.parametrize("links", [None, True, 1, 1.5, "x", {"app": "movie"}])
    def test_links_that_are_no_list(self, links):
        data = user_with()
        data["fields"]["preferred_videos"] = links
        error = self.refuse([data])
        assert "app.user:pk=7" in str(error)

    def test_object_that_is_there_already(self, jack):
        """Neither its columns nor its links change."""
        data = user_with([["app", "concert"], "c-1"], [["app", "movie"]], pk=jack.pk)
        data["fields"]["name"] = "changed"
        self.refuse([data])
        jack.refresh_from_db()
        assert jack.name == "Jack"

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "1",
            ":",
            "app.movie",
            "app:1",
            ".:1",
            "app.nothing:1",
            "nowhere.movie:1",
            "app.tagged:1",
            "app.measure:1.5",
            "app.movie:",
            "app.movie:x",
            "app.movie:01",
            "app.opera:1",
            "app.premiere:2020-02-30",
            f"app.concert:{'x' * 37}",
        ],
    )
    def test_token_in_xml(self, token):
        """Django's XML wraps errors of a many-to-many in one of its own."""
        data = (
            '<django-objects version="1.0"><object model="app.user" pk="7">'
            '<field name="preferred_videos" rel="ManyToManyRel">'
            f'<object pk="app.concert:c-1"/><object pk="{token}"/>'
            "</field></object></django-objects>"
        )
        self.refuse(data, format_name="xml", error=M2MDeserializationError)

    def test_link_in_xml_without_a_token(self):
        data = (
            '<django-objects version="1.0"><object model="app.user" pk="7">'
            '<field name="preferred_videos" rel="ManyToManyRel"><object/>'
            "</field></object></django-objects>"
        )
        self.refuse(data, format_name="xml", error=M2MDeserializationError)

    def test_natural_elements_in_xml(self):
        """They are flat, and cannot tell a model from a natural key."""
        data = (
            '<django-objects version="1.0"><object model="app.choir" pk="1">'
            '<field name="members" rel="ManyToManyRel"><object>'
            "<natural>app.singer</natural><natural>Maria</natural></object>"
            "</field></object></django-objects>"
        )
        self.refuse(data, format_name="xml", error=M2MDeserializationError)

    def test_length_is_that_of_the_key_column(self):
        key = "x" * 36
        load("python", [user_with([["app", "concert"], key])])
        assert rows() == [(7, "concert", key)]

    def test_model_that_the_key_column_cannot_hold(self):
        """An integer column, to which a text key leads."""
        fields = {"videos": [[["app", "concert"], "c-1"]]}
        data = [{"model": "app.shelf", "pk": 1, "fields": fields}]
        with pytest.raises(DeserializationError, match=r"app\.shelf:pk=1"):
            list(serializers.deserialize("python", data))

    def test_keys_that_the_database_would_compare_otherwise(self):
        """Only MySQL and MariaDB compare by the collation of the through's column."""
        Track.objects.create(code="abc")
        fields = {"tracks": [[["app", "track"], "abc"]]}
        data = [{"model": "app.disc", "pk": 1, "fields": fields}]
        if connection.vendor != "mysql":
            load("python", data)
            assert Disc.objects.get().tracks.count() == 1
            return
        with pytest.raises(DeserializationError, match=r"app\.disc:pk=1"):
            load("python", data)
        assert not Disc.objects.exists()

    @pytest.mark.parametrize("key", ["\0", "a\0b", "\ud800"])
    def test_text_that_databases_do_not_hold(self, key):
        data = [user_with([["app", "concert"], key])]
        if connection.vendor != "postgresql" and "\0" in key:
            load("python", data)  # They do hold it.
            assert rows() == [(7, "concert", key)]
            return
        self.refuse(data)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters())
    | st.sampled_from(["app", "movie", "concert", "opera", "premiere", "1", "singer"])
    | st.dates()
    | st.uuids()
)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
labels = st.sampled_from(
    [
        ["app", name]
        for name in (
            "movie",
            "opera",
            "concert",
            "premiere",
            "poster",
            "singer",
            "soloist",
            "measure",
            "videoproxy",
            "tagged",
        )
    ]
)
near_misses = st.tuples(labels | junk, junk).map(list)


#: How many fixtures are tried: thousands in a campaign.
FIXTURES = int(os.environ.get("GM2M_TEST_FIXTURES", "100"))


class TestJunk:
    """Whatever a fixture says, it is links or a ``DeserializationError``."""

    def attempt(self, links):
        data = user_with()
        data["fields"]["preferred_videos"] = links
        refusal = None
        with transaction.atomic():
            try:
                load("python", [data])
            except DeserializationError as error:
                refusal = str(error)
            users = list(User.objects.all())
            if refusal is None:
                # What is loaded can be read and written again.
                (user,) = users
                assert list(user.preferred_videos.all()) == []
                (again,) = serialize("python", users)
                assert len(again["fields"]["preferred_videos"]) == len(rows())
            else:
                assert "app.user:pk=7" in refusal
                assert users == rows() == []
            transaction.set_rollback(True)

    # The objects of an example are rolled back with it.
    junk_settings = settings(
        max_examples=FIXTURES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )

    @junk_settings
    @given(junk)
    @example("")
    @example({})
    def test_in_place_of_the_list(self, links):
        self.attempt(links)

    @junk_settings
    @given(st.lists(junk | near_misses, max_size=4))
    @example([[["app", "concert"], ""]])
    @example([[["app", "movie"], -(2**63)]])
    def test_in_place_of_a_link(self, links):
        self.attempt(links)

    @junk_settings
    @given(st.text() | st.text(st.sampled_from("app.movieconcert:1")))
    @example("app.concert:a.b:c")
    @example("app.concert:")
    def test_in_place_of_a_token(self, token):
        field = User._meta.get_field("preferred_videos").related_model._meta.pk
        try:
            reference = field.to_python(token)
        except (LookupError, TypeError, ValueError):
            return
        assert str(reference.pk).lower() == token.lower()
