"""Serializers: what they show, what they take, and what they save."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Prefetch
from django.db.models.signals import m2m_changed
from rest_framework import serializers
from rest_framework.relations import HyperlinkedRelatedField, StringRelatedField
from rest_framework.serializers import HyperlinkedModelSerializer, ModelSerializer
from rest_framework.test import APIRequestFactory

from gm2m.identifiers import identifier
from gm2m.rest_framework import GM2MModelSerializerMixin, GM2MRelatedField

from .models import (
    Anything,
    Book,
    Bookcase,
    Concert,
    Critic,
    Edition,
    Movie,
    Opera,
    Person,
    Viewer,
)
from .rest import (
    AnythingSerializer,
    CriticSerializer,
    DeepViewerSerializer,
    MovieSerializer,
    NestedViewerSerializer,
    ViewerSerializer,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.ecosystem.rest")]


def serializer_for(source, meta=None, base=ModelSerializer, **attrs):
    """Return a serializer class with the mixin, for all fields of a model."""
    options = {"model": source, "fields": "__all__", **(meta or {})}
    attrs["Meta"] = type("Meta", (), options)
    return type("TestSerializer", (GM2MModelSerializerMixin, base), attrs)


def saved(serializer):
    assert serializer.is_valid(), serializer.errors
    return serializer.save()


def ids(*objs):
    return [identifier(obj) for obj in objs]


def linked(source, name="preferred_videos"):
    return set(getattr(type(source).objects.get(pk=source.pk), name).all())


# Reading.


def test_objects_of_several_models_are_told_apart(library):
    assert ViewerSerializer(library.ada).data == {
        "id": library.ada.pk,
        "name": "Ada",
        "preferred_videos": [
            f"ecosystem.movie:{library.casablanca.pk}",
            f"ecosystem.opera:{library.tosca.pk}",
            "ecosystem.concert:last:waltz",
        ],
    }


def test_dangling_links_are_not_shown(library):
    Movie.objects.filter(pk=library.casablanca.pk)._raw_delete("default")
    shown = ViewerSerializer(library.ada).data["preferred_videos"]
    assert shown == ids(library.tosca, library.waltz)


def test_a_list_costs_no_query_for_each_object(library, django_assert_num_queries):
    for number in range(10):
        viewer = Viewer.objects.create(name=f"Viewer {number}")
        viewer.preferred_videos.add(library.casablanca, library.tosca)
    viewers = Viewer.objects.prefetch_related("preferred_videos")
    # The viewers, their links, and movies, operas and concerts.
    with django_assert_num_queries(5):
        data = ViewerSerializer(viewers, many=True).data
    assert len(data) == 12
    assert data[-1]["preferred_videos"] == ids(library.casablanca, library.tosca)


def test_nested_data(library):
    assert NestedViewerSerializer(library.ada).data["preferred_videos"] == [
        {"title": "Casablanca", "year": 1942},
        {"title": "Tosca"},
        # No serializer was given for concerts.
        "ecosystem.concert:last:waltz",
    ]


def test_nested_lists_cost_no_query_for_each_object(library, django_assert_num_queries):
    class DirectedSerializer(ModelSerializer):
        director = StringRelatedField()

        class Meta:
            model = Movie
            fields = ["title", "director"]

    class DirectedViewerSerializer(ModelSerializer):
        preferred_videos = GM2MRelatedField(
            {Movie: DirectedSerializer}, many=True, read_only=True
        )

        class Meta:
            model = Viewer
            fields = ["preferred_videos"]

    for number in range(10):
        movie = Movie.objects.create(title=str(number), director=library.curtiz)
        viewer = Viewer.objects.create(name=f"Viewer {number}")
        viewer.preferred_videos.add(movie, library.casablanca)
    viewers = Viewer.objects.prefetch_related("preferred_videos__director")
    with django_assert_num_queries(6):
        data = DirectedViewerSerializer(viewers, many=True).data
    assert data[-1]["preferred_videos"] == [
        {"title": "9", "director": "Curtiz"},
        {"title": "Casablanca", "director": "Curtiz"},
    ]


def test_any_field_may_show_the_objects_of_a_model(library):
    class LinkedViewerSerializer(ModelSerializer):
        preferred_videos = GM2MRelatedField(
            {
                Movie: HyperlinkedRelatedField(
                    view_name="viewer-detail", read_only=True
                ),
                Opera: StringRelatedField(),
            },
            many=True,
            read_only=True,
        )

        class Meta:
            model = Viewer
            fields = ["preferred_videos"]

    request = APIRequestFactory().get("/")
    data = LinkedViewerSerializer(library.ada, context={"request": request}).data
    assert data["preferred_videos"] == [
        f"http://testserver/viewers/{library.casablanca.pk}/",
        "Tosca",
        "ecosystem.concert:last:waltz",
    ]


def test_nested_serializers_have_the_context(library):
    class TitleSerializer(serializers.Serializer):
        title = serializers.SerializerMethodField()

        def get_title(self, obj):
            return f"{obj.title} for {self.context['reader']}"

    class ViewerWithContextSerializer(ModelSerializer):
        preferred_videos = GM2MRelatedField(
            {Movie: TitleSerializer}, many=True, read_only=True
        )

        class Meta:
            model = Viewer
            fields = ["preferred_videos"]

    data = ViewerWithContextSerializer(library.ada, context={"reader": "Eve"}).data
    assert data["preferred_videos"][0] == {"title": "Casablanca for Eve"}


def test_depth_shows_nested_data_with_identifiers(library):
    shown = DeepViewerSerializer(library.ada).data["preferred_videos"]
    assert shown == [
        {
            "id": library.casablanca.pk,
            "identifier": identifier(library.casablanca),
            "title": "Casablanca",
            "year": 1942,
            "director": library.curtiz.pk,
        },
        {
            "id": str(library.tosca.pk),
            "identifier": identifier(library.tosca),
            "title": "Tosca",
        },
        {
            "code": "last:waltz",
            "identifier": "ecosystem.concert:last:waltz",
            "title": "The Last Waltz",
        },
    ]


def test_depth_leaves_an_identifier_of_the_models_own(db):
    edition = Edition.objects.create(identifier="ISBN 1")
    bookcase = Bookcase.objects.create()
    bookcase.editions.add(edition)
    deep = serializer_for(Bookcase, {"depth": 1})
    assert deep(bookcase).data["editions"] == [
        {"id": edition.pk, "identifier": "ISBN 1"}
    ]


def test_depth_is_read_only(library):
    data = {"name": "Ada", "preferred_videos": []}
    saved(DeepViewerSerializer(library.ada, data=data))
    assert len(linked(library.ada)) == 3


def test_depth_reaches_the_fields_of_nested_models(library):
    """Those that depth makes have the mixin as well."""
    anything = Anything.objects.create(name="all")
    anything.things.add(library.ada)
    deep = serializer_for(
        Anything,
        {"depth": 1, "fields": ["things"]},
        things=GM2MRelatedField({Viewer: ViewerSerializer}, many=True, read_only=True),
    )
    (shown,) = deep(anything).data["things"]
    assert shown["preferred_videos"][0] == identifier(library.casablanca)


def test_an_identifier_beside_other_fields(library):
    class IdentifiedSerializer(ModelSerializer):
        identifier = GM2MRelatedField(source="*", read_only=True)

        class Meta:
            model = Movie
            fields = ["identifier", "title"]

    assert IdentifiedSerializer(library.ran).data == {
        "identifier": identifier(library.ran),
        "title": "Ran",
    }


def test_the_reverse_side_is_an_ordinary_many_to_many(library):
    class FannedSerializer(ModelSerializer):
        class Meta:
            model = Movie
            fields = ["title", "viewer_set"]

    assert FannedSerializer(library.casablanca).data == {
        "title": "Casablanca",
        "viewer_set": [library.ada.pk],
    }
    saved(
        FannedSerializer(
            library.casablanca,
            data={"title": "C", "viewer_set": [library.bruno.pk]},
        )
    )
    assert list(library.casablanca.viewer_set.all()) == [library.bruno]
    assert linked(library.ada) == {library.tosca, library.waltz}


def test_the_reverse_side_with_depth(library):
    class FannedSerializer(GM2MModelSerializerMixin, ModelSerializer):
        class Meta:
            model = Opera
            fields = ["title", "viewer_set"]
            depth = 1

    (viewer,) = FannedSerializer(library.tosca).data["viewer_set"]
    # The nested serializer has the mixin as well.
    assert viewer["preferred_videos"][1] == identifier(library.tosca)


# Creating and updating.


def test_create(library):
    data = {"name": "Eve", "preferred_videos": ids(library.waltz, library.ran)}
    viewer = saved(ViewerSerializer(data=data))
    assert list(viewer.preferred_videos.all()) == [library.waltz, library.ran]


def test_create_without_the_field(library):
    viewer = saved(ViewerSerializer(data={"name": "Eve"}))
    assert linked(viewer) == set()


def test_update_is_a_difference(library):
    sent = []

    def listen(action, pk_set, **kwargs):
        sent.append((action, pk_set))

    through = Viewer.preferred_videos.through
    kept = through.objects.get(gm2m_pk=str(library.tosca.pk)).pk
    m2m_changed.connect(listen, sender=through)
    try:
        data = {"name": "Ada", "preferred_videos": ids(library.tosca, library.ran)}
        saved(ViewerSerializer(library.ada, data=data))
    finally:
        m2m_changed.disconnect(listen, sender=through)
    assert linked(library.ada) == {library.tosca, library.ran}
    assert through.objects.get(gm2m_pk=str(library.tosca.pk)).pk == kept
    assert ("pre_add", {library.ran.pk}) in sent
    assert all(library.tosca.pk not in pks for _action, pks in sent)


def test_what_was_read_can_be_sent_back(library, django_assert_num_queries):
    data = ViewerSerializer(library.ada).data
    before = set(Viewer.preferred_videos.through.objects.values_list())
    saved(ViewerSerializer(library.ada, data=data))
    assert set(Viewer.preferred_videos.through.objects.values_list()) == before


def test_partial_update_without_the_field_leaves_links(library):
    saved(ViewerSerializer(library.ada, data={"name": "Eve"}, partial=True))
    assert len(linked(library.ada)) == 3


def test_partial_update_with_the_field(library):
    data = {"preferred_videos": ids(library.ran)}
    saved(ViewerSerializer(library.ada, data=data, partial=True))
    assert linked(library.ada) == {library.ran}


def test_links_whose_target_is_gone_go(library):
    Movie.objects.filter(pk=library.casablanca.pk)._raw_delete("default")
    data = ViewerSerializer(library.ada).data
    saved(ViewerSerializer(library.ada, data=data))
    assert library.ada.preferred_videos.count() == 2


def test_links_that_nobody_can_choose_stay(library):
    """Links to models that are not installed, and those that were made meanwhile."""
    through = Viewer.preferred_videos.through
    lost = ContentType.objects.create(app_label="gone", model="thing")
    through.objects.create(gm2m_src=library.ada, gm2m_ct=lost, gm2m_pk="1")
    serializer = ViewerSerializer(
        library.ada, data={"name": "x", "preferred_videos": []}
    )
    assert serializer.is_valid(), serializer.errors
    library.ada.preferred_videos.add(library.novel)
    serializer.save()
    left = through.objects.filter(gm2m_src=library.ada)
    assert set(left.values_list("gm2m_ct__model", flat=True)) == {"thing", "book"}


def test_an_empty_list_removes_all(library):
    saved(ViewerSerializer(library.ada, data={"name": "Ada", "preferred_videos": []}))
    assert linked(library.ada) == set()


def test_the_same_object_twice_is_linked_once(library):
    data = {"name": "Eve", "preferred_videos": ids(library.ran) * 3}
    viewer = saved(ViewerSerializer(data=data))
    assert list(viewer.preferred_videos.all()) == [library.ran]


def test_many_objects_cost_a_query_for_each_model(library, django_assert_num_queries):
    movies = Movie.objects.bulk_create(Movie(title=str(n)) for n in range(300))
    movies = list(Movie.objects.filter(title__in=[movie.title for movie in movies]))
    operas = Opera.objects.bulk_create(Opera(title=str(n)) for n in range(300))
    serializer = ViewerSerializer(
        data={"name": "Eve", "preferred_videos": ids(*movies, *operas)}
    )
    with django_assert_num_queries(2):
        assert serializer.is_valid()
    assert len(linked(serializer.save())) == 600


def test_an_error_while_links_are_saved_leaves_nothing_half_done(library):
    def refuse(**kwargs):
        raise RuntimeError("no")

    through = Viewer.preferred_videos.through
    m2m_changed.connect(refuse, sender=through)
    try:
        create = ViewerSerializer(
            data={"name": "Eve", "preferred_videos": ids(library.ran)}
        )
        update = ViewerSerializer(
            library.ada, data={"name": "Eve", "preferred_videos": ids(library.ran)}
        )
        for serializer in (create, update):
            assert serializer.is_valid()
            with pytest.raises(RuntimeError):
                serializer.save()
    finally:
        m2m_changed.disconnect(refuse, sender=through)
    assert not Viewer.objects.filter(name="Eve").exists()
    assert len(linked(library.ada)) == 3


# What a field offers.


def test_declared_models_are_offered_within_their_limits(library):
    verdi = ids(library.aida)[0]
    late = identifier(Movie.objects.create(title="Late", year=2020))
    for value in (verdi, late):
        serializer = CriticSerializer(data={"name": "C", "reviewed": [value]})
        assert not serializer.is_valid()
        (error,) = serializer.errors["reviewed"]
        assert error.code == "does_not_exist"
        assert value in error
    data = {"name": "C", "reviewed": ids(library.ran, library.tosca)}
    critic = saved(CriticSerializer(data=data))
    assert linked(critic, "reviewed") == {library.ran, library.tosca}


def test_other_models_are_refused_and_those_offered_named(library):
    data = {"name": "Eve", "preferred_videos": ids(library.novel)}
    serializer = ViewerSerializer(data=data)
    assert not serializer.is_valid()
    (error,) = serializer.errors["preferred_videos"]
    assert error.code == "not_offered"
    assert error == (
        f"'ecosystem.book:{library.novel.pk}' is of no model that can be chosen here. "
        "Choose from: ecosystem.movie, ecosystem.opera, ecosystem.concert."
    )


def test_links_to_models_that_are_not_offered_stay(library):
    library.ada.preferred_videos.add(library.novel)
    shown = ViewerSerializer(library.ada).data["preferred_videos"]
    assert shown[-1] == identifier(library.novel)
    # Sent back or not.
    for values in (shown, ids(library.ran), []):
        data = {"name": "Ada", "preferred_videos": values}
        saved(ViewerSerializer(library.ada, data=data))
        assert library.novel in linked(library.ada)
    assert linked(library.ada) == {library.novel}


def test_links_that_the_view_does_not_prefetch_stay(library):
    library.ada.preferred_videos.add(library.novel)
    movies = Prefetch("preferred_videos", Movie.objects.all())
    ada = Viewer.objects.prefetch_related(movies).get(pk=library.ada.pk)
    data = {"name": "Ada", "preferred_videos": ids(library.ran)}
    saved(ViewerSerializer(ada, data=data))
    assert linked(library.ada) == {library.novel, library.ran}


def test_what_is_linked_beyond_the_limits_may_stay_or_go(library):
    critic = Critic.objects.create(name="C")
    critic.reviewed.add(library.aida, library.tosca)
    data = CriticSerializer(critic).data
    saved(CriticSerializer(critic, data=data))
    assert linked(critic, "reviewed") == {library.aida, library.tosca}
    data = {"name": "C", "reviewed": ids(library.tosca)}
    saved(CriticSerializer(critic, data=data))
    assert linked(critic, "reviewed") == {library.tosca}
    # Now it is an object like others.
    data = {"name": "C", "reviewed": ids(library.aida)}
    assert not CriticSerializer(critic, data=data).is_valid()


def test_models_say_what_is_offered(library):
    offering = serializer_for(
        Viewer,
        preferred_videos=GM2MRelatedField(
            models=[Movie.objects.filter(title="Ran"), "ecosystem.Book", Opera.objects],
            many=True,
        ),
    )
    values = ids(library.ran, library.novel, library.tosca)
    viewer = saved(offering(data={"name": "Eve", "preferred_videos": values}))
    assert linked(viewer) == {library.ran, library.novel, library.tosca}
    for obj in (library.casablanca, library.waltz):
        data = {"name": "Eve", "preferred_videos": ids(obj)}
        assert not offering(data=data).is_valid()


def test_querysets_of_each_request(library):
    class OwnField(GM2MRelatedField):
        def get_querysets(self):
            title = self.context["title"]
            return {Movie: Movie.objects.filter(title=title)}

    class OwnSerializer(GM2MModelSerializerMixin, ModelSerializer):
        serializer_gm2m_field = OwnField

        class Meta:
            model = Viewer
            fields = "__all__"

    data = {"name": "Eve", "preferred_videos": ids(library.ran)}
    assert OwnSerializer(data=data, context={"title": "Ran"}).is_valid()
    assert not OwnSerializer(data=data, context={"title": "Casablanca"}).is_valid()


def test_a_proxy_stands_for_its_model(library):
    from tests.app.models import Hidden, Video, VideoProxy

    proxied = serializer_for(
        Hidden,
        things=GM2MRelatedField(models=[VideoProxy.objects.all()], many=True),
    )
    video = Video.objects.create(title="V")
    hidden = saved(proxied(data={"things": [f"app.video:{video.pk}"]}))
    assert list(hidden.things.all()) == [video]
    assert proxied(hidden).data["things"] == [f"app.video:{video.pk}"]


def test_proxies_as_models_of_their_own(library):
    from tests.app.models import ProxyLover, Video, VideoProxy

    proxied = serializer_for(
        ProxyLover,
        {"extra_kwargs": {"things": {"models": [VideoProxy, Video]}}},
    )
    video = VideoProxy.objects.create(title="V")
    values = [f"app.videoproxy:{video.pk}", f"app.video:{video.pk}"]
    lover = saved(proxied(data={"things": values}))
    assert [type(obj) for obj in lover.things.all()] == [VideoProxy, Video]
    assert proxied(lover).data["things"] == values


def test_a_key_without_room_in_the_through_model(library):
    concert = Concert.objects.create(code="x" * 37, title="Long")
    data = {"name": "Eve", "preferred_videos": ids(concert)}
    serializer = ViewerSerializer(data=data)
    assert not serializer.is_valid()
    (error,) = serializer.errors["preferred_videos"]
    assert error.code == "too_long"
    assert concert.code in error


# How the mixin derives the field.


def field_of(serializer, name="preferred_videos"):
    return serializer().fields[name]


def test_arguments_of_the_field():
    field = field_of(ViewerSerializer)
    assert not field.required
    assert field.allow_empty
    assert field.label == "Preferred videos"
    assert field.help_text == "Any of them."
    field = field_of(CriticSerializer, "reviewed")
    assert field.required
    assert not field.allow_empty


def test_the_label_is_the_verbose_name(library):
    assert field_of(serializer_for(Anything), "things").label == "Anything at all"


def test_choices(library):
    """As code asks for them that makes forms of its own."""
    for cutoff in (None, 1000):
        meta = {"extra_kwargs": {"reviewed": {"html_cutoff": cutoff}}}
        field = field_of(serializer_for(Critic, meta), "reviewed")
        assert field.choices == {
            identifier(library.casablanca): "Casablanca",
            identifier(library.ran): "Ran",
            identifier(library.tosca): "Tosca",
        }
        assert len(list(field.iter_options())) == 3 + 4  # Two groups.


def test_an_empty_list_where_the_field_may_not_be_blank(library):
    serializer = CriticSerializer(data={"name": "C", "reviewed": []})
    assert not serializer.is_valid()
    assert [e.code for e in serializer.errors["reviewed"]] == ["empty"]
    serializer = CriticSerializer(data={"name": "C"})
    assert not serializer.is_valid()
    assert [e.code for e in serializer.errors["reviewed"]] == ["required"]


def test_extra_kwargs_and_read_only_fields(library):
    meta = {"extra_kwargs": {"preferred_videos": {"label": "L", "required": True}}}
    field = field_of(serializer_for(Viewer, meta))
    assert (field.label, field.required) == ("L", True)
    read_only = serializer_for(Viewer, {"read_only_fields": ["preferred_videos"]})
    assert field_of(read_only).read_only
    data = {"name": "Eve", "preferred_videos": []}
    saved(read_only(library.ada, data=data))
    assert len(linked(library.ada)) == 3
    meta = {"extra_kwargs": {"preferred_videos": {"write_only": True}}}
    assert "preferred_videos" not in serializer_for(Viewer, meta)(library.ada).data


def test_serializers_in_extra_kwargs(library):
    mapping = {"serializers": {Movie: MovieSerializer}}
    nested = serializer_for(Viewer, {"extra_kwargs": {"preferred_videos": mapping}})
    shown = nested(library.ada).data["preferred_videos"]
    assert shown[:2] == [{"title": "Casablanca", "year": 1942}, *ids(library.tosca)]


def test_a_source_of_another_name(library):
    class RenamedSerializer(ModelSerializer):
        videos = GM2MRelatedField(source="preferred_videos", many=True)

        class Meta:
            model = Viewer
            fields = ["name", "videos"]

    assert RenamedSerializer(library.ada).data["videos"][1] == identifier(library.tosca)
    data = {"name": "Ada", "videos": ids(library.ran)}
    saved(RenamedSerializer(library.ada, data=data))
    assert linked(library.ada) == {library.ran}


def test_a_field_that_declares_no_models_is_read_only(library):
    anything = Anything.objects.create(name="all")
    anything.things.add(library.novel, library.ran)
    serializer = serializer_for(Anything)
    assert field_of(serializer, "things").read_only
    assert serializer(anything).data["things"] == ids(library.novel, library.ran)
    meta = {"extra_kwargs": {"things": {"models": [Book]}}}
    writable = serializer_for(Anything, meta)
    saved(writable(anything, data={"name": "all", "things": []}))
    assert linked(anything, "things") == {library.ran}


def test_a_custom_through_model_is_read_only_unless_asked_for(library):
    from tests.app.models import Playlist, Video

    assert field_of(serializer_for(Playlist), "items").read_only
    meta = {"extra_kwargs": {"items": {"models": [Video]}}}
    video = Video.objects.create(title="V")
    playlist = saved(serializer_for(Playlist, meta)(data={"items": ids(video)}))
    assert list(playlist.items.all()) == [video]


def test_nothing_to_choose_from_is_an_error():
    for attrs in ({}, {"many": True}):
        field = GM2MRelatedField(**attrs)
        with pytest.raises(ImproperlyConfigured, match=r"Plain\.thing: .*models"):
            repr(type("Plain", (serializers.Serializer,), {"thing": field})())


def test_one_object_for_many_is_an_error():
    single = serializer_for(Viewer, preferred_videos=GM2MRelatedField())
    with pytest.raises(TypeError, match="many=True"):
        repr(single())


def test_models_that_cannot_be_linked_are_an_error():
    from tests.app.models import Measure

    wrong = serializer_for(
        Viewer, preferred_videos=GM2MRelatedField(models=[Measure], many=True)
    )
    with pytest.raises(TypeError, match="Measure"):
        repr(wrong())


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {"queryset": Movie.objects}, "give it models"),
        ((), {"models": [1]}, "not 1"),
        ((), {"models": [Movie, Movie.objects]}, "named twice"),
        ((), {"models": [Movie], "read_only": True}, "read_only"),
        (({"movie": MovieSerializer},), {}, "'movie'"),
        (({Movie: Movie},), {}, "serializers must map"),
        (({MovieSerializer: MovieSerializer},), {}, "serializers must map"),
    ],
)
@pytest.mark.parametrize("many", [True, False])
def test_wrong_arguments(args, kwargs, message, many):
    with pytest.raises(TypeError, match=message):
        GM2MRelatedField(*args, many=many, **kwargs)


def test_a_model_that_is_not_installed():
    with pytest.raises(LookupError, match="Nope"):
        GM2MRelatedField(models=["ecosystem.Nope"])


def test_one_object_of_any_model(library):
    from tests.app.models import Playlist, PlaylistItem, Video

    class ItemSerializer(ModelSerializer):
        item = GM2MRelatedField(models=[Video])

        class Meta:
            model = PlaylistItem
            fields = ["playlist", "item"]

    playlist = Playlist.objects.create()
    video = Video.objects.create(title="V")
    data = {"playlist": playlist.pk, "item": f"app.video:{video.pk}"}
    item = saved(ItemSerializer(data=data))
    assert item.item == video
    assert ItemSerializer(item).data == data
    for wrong in ("app.video:0", "", None, 7):
        assert not ItemSerializer(data={**data, "item": wrong}).is_valid()


# Without the mixin.


def test_a_plain_serializer_shows_bare_keys(library):
    class PlainSerializer(ModelSerializer):
        class Meta:
            model = Viewer
            fields = "__all__"

    assert PlainSerializer(library.ada).data["preferred_videos"] == [
        library.casablanca.pk,
        library.tosca.pk,
        "last:waltz",
    ]


@pytest.mark.parametrize("source", [Viewer, Critic])
@pytest.mark.parametrize(
    "value",
    [1, "1", "ecosystem.movie:1", "nope.nope:1", "ecosystem.movie:x", None, {}, True],
    ids=repr,
)
def test_a_plain_serializer_takes_nothing(library, source, value, monkeypatch):
    """Whatever it does with the field, it links nothing, and does not crash."""
    (field,) = source._meta.many_to_many
    monkeypatch.setattr(field, "editable", True)
    meta = type("Meta", (), {"model": source, "fields": "__all__"})
    plain = type("PlainSerializer", (ModelSerializer,), {"Meta": meta})
    assert repr(plain())
    serializer = plain(data={"name": "Eve", field.name: [value]})
    assert not serializer.is_valid()
    assert list(serializer.errors) == [field.name]


def test_hyperlinked_serializers_with_the_mixin(library):
    anything = Anything.objects.create(name="all")
    anything.things.add(library.novel)
    request = APIRequestFactory().get("/")
    assert AnythingSerializer(anything, context={"request": request}).data == {
        "url": f"http://testserver/anythings/{anything.pk}/",
        "name": "all",
        "things": ids(library.novel),
    }


def test_hyperlinked_serializers_without_it_say_so(library):
    class PlainSerializer(HyperlinkedModelSerializer):
        class Meta:
            model = Viewer
            fields = ["name", "preferred_videos"]

    request = APIRequestFactory().get("/")
    assert PlainSerializer(library.bruno, context={"request": request}).data == {
        "name": "Bruno",
        "preferred_videos": [],
    }
    with pytest.raises(ImproperlyConfigured, match="hyperlinked relationship"):
        repr(PlainSerializer(library.ada, context={"request": request}).data)


def test_serializers_of_targets_and_others_are_as_they_were(library):
    class PersonSerializer(GM2MModelSerializerMixin, ModelSerializer):
        class Meta:
            model = Person
            fields = ["name", "movie_set"]

    assert PersonSerializer(library.curtiz).data["movie_set"] == [library.casablanca.pk]


def test_several_objects_at_once(library):
    data = [{"name": str(n), "preferred_videos": ids(library.ran)} for n in range(3)]
    saved(ViewerSerializer(data=data, many=True))
    assert Viewer.objects.filter(preferred_videos=library.ran).count() == 3
