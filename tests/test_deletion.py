"""What becomes of links when an object at one of their ends is deleted."""

import datetime
from functools import partial

import pytest
from django import VERSION
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import get_deleted_objects
from django.contrib.auth.models import User as Account
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages.storage.fallback import FallbackStorage
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models import ProtectedError, RestrictedError
from django.db.models.deletion import Collector
from django.db.models.signals import post_delete, pre_delete
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path

from gm2m import deletion

from .app.models import (
    Book,
    Club,
    Concert,
    Critic,
    Estate,
    Exhibit,
    ExhibitProxy,
    Friend,
    Gallery,
    KeptSource,
    Movie,
    Museum,
    Opera,
    Person,
    Playlist,
    PlaylistItem,
    Poster,
    Premiere,
    ProtectedSource,
    ProxyLover,
    Relic,
    Reliquary,
    RestrictedSource,
    Shelf,
    ShelfPlace,
    Statue,
    Undeclared,
    User,
    UserProxy,
    Vault,
    VaultEntry,
    Video,
    VideoProxy,
)

FIELDS = ["works", "others", "unseen"]


def links(model, field):
    return model._meta.get_field(field).remote_field.through.objects


def make_gallery(count=3, name="gallery"):
    """Return a gallery and its exhibits, each linked by all of its fields."""
    gallery = Gallery.objects.create(name=name)
    exhibits = [Exhibit.objects.create(name=f"{name} {n}") for n in range(count)]
    for field in FIELDS:
        getattr(gallery, field).add(*exhibits)
    return gallery, exhibits


def remaining():
    """Return how many links of galleries there are, by field."""
    return [links(Gallery, field).count() for field in FIELDS]


def queries(function):
    """Return how many queries `function` makes."""
    with CaptureQueriesContext(connection) as context:
        function()
    return len(context)


#: Ways to delete one object.
BY_INSTANCE_AND_QUERYSET = pytest.mark.parametrize(
    "delete",
    [
        pytest.param(lambda obj: obj.delete(), id="instance"),
        pytest.param(
            lambda obj: type(obj).objects.filter(pk=obj.pk).delete(), id="queryset"
        ),
    ],
)


# Cascades.


@BY_INSTANCE_AND_QUERYSET
def test_the_links_of_a_source_go_with_it(db, delete):
    gallery, exhibits = make_gallery()
    other, _ = make_gallery()
    other.works.add(*exhibits)
    total, counts = delete(gallery)
    assert counts == {
        "app.Gallery": 1,
        "app.Gallery_works": 3,
        "app.Gallery_others": 3,
        "app.Gallery_unseen": 3,
    }
    assert total == 10
    assert remaining() == [6, 3, 3]
    assert Exhibit.objects.count() == 6
    assert list(exhibits[0].galleries.all()) == [other]


@BY_INSTANCE_AND_QUERYSET
def test_the_links_of_a_target_go_with_it(db, delete):
    gallery, exhibits = make_gallery()
    other, _ = make_gallery()
    other.works.add(*exhibits)
    total, counts = delete(exhibits[0])
    assert counts == {
        "app.Exhibit": 1,
        "app.Gallery_works": 2,
        "app.Gallery_others": 1,
        "app.Gallery_unseen": 1,
    }
    assert total == 5
    assert remaining() == [7, 5, 5]
    assert Gallery.objects.count() == 2
    assert list(gallery.works.all()) == exhibits[1:]


def test_a_target_without_links(db):
    make_gallery()
    exhibit = Exhibit.objects.create()
    assert exhibit.delete() == (1, {"app.Exhibit": 1})
    assert Exhibit.objects.none().delete() == (0, {})
    assert Exhibit.objects.filter(name="none").delete() == (0, {})
    assert remaining() == [3, 3, 3]


def test_several_at_once(db):
    gallery, exhibits = make_gallery(5)
    make_gallery(2)
    total, counts = Exhibit.objects.filter(
        pk__in=[exhibit.pk for exhibit in exhibits[:4]]
    ).delete()
    assert (total, counts["app.Gallery_works"]) == (16, 4)
    assert list(gallery.works.all()) == exhibits[4:]
    total, counts = Gallery.objects.all().delete()
    assert total == 2 + 3 * 3
    assert remaining() == [0, 0, 0]


def test_thousands_at_once(db):
    gallery = Gallery.objects.create()
    exhibits = Exhibit.objects.bulk_create(Exhibit() for _ in range(2_500))
    gallery.works.add(*Exhibit.objects.all())
    gallery.unseen.add(*Exhibit.objects.all()[:1_500])
    _, counts = Exhibit.objects.all().delete()
    assert counts == {
        "app.Exhibit": len(exhibits),
        "app.Gallery_works": 2_500,
        "app.Gallery_unseen": 1_500,
    }
    assert remaining() == [0, 0, 0]


TARGETS = {
    Movie: {"title": "film"},
    Opera: {"title": "opera"},
    Concert: {"code": "1"},
    Premiere: {"day": datetime.date(2021, 2, 3)},
}


@pytest.mark.parametrize("model", TARGETS)
def test_targets_with_all_kinds_of_keys(db, model):
    target = model.objects.create(**TARGETS[model])
    user = User.objects.create()
    neighbour = Concert.objects.create(code="2021-02-03", title="the text of a date")
    user.preferred_videos.add(target, neighbour)
    model.objects.filter(pk=target.pk).delete()
    assert links(User, "preferred_videos").count() == 1
    assert list(user.preferred_videos.all()) == [neighbour]


def test_a_target_whose_key_is_that_of_another(db):
    user = User.objects.create()
    opera = Opera.objects.create(title="opera")
    poster = Poster.objects.create(opera=opera)
    user.preferred_videos.add(opera, poster)
    poster.delete()
    assert list(user.preferred_videos.all()) == [opera]
    poster = Poster.objects.create(opera=opera)
    user.preferred_videos.add(poster)
    # The poster goes with its opera, and so do its links.
    _, counts = opera.delete()
    assert counts == {
        "app.Opera": 1,
        "app.Poster": 1,
        "app.User_preferred_videos": 2,
    }


def test_links_of_other_models_with_the_same_key_survive(db):
    targets = [
        Book.objects.create(pk=1, title="b"),
        Person.objects.create(pk=1),
        Video.objects.create(pk=1),
        Concert.objects.create(pk="1"),
        Exhibit.objects.create(pk=1),
    ]
    holder = Undeclared.objects.create()
    holder.things.add(*targets)
    holder.others.add(*targets)
    while targets:
        target = targets.pop()
        type(target).objects.filter(pk=target.pk).delete()
        assert list(holder.things.all()) == targets
        assert links(Undeclared, "things").count() == len(targets)
        assert links(Undeclared, "others").count() == len(targets)


def test_a_key_that_is_used_again_has_no_links(db):
    user = User.objects.create()
    user.preferred_videos.add(Concert.objects.create(code="again"))
    Concert.objects.all().delete()
    concert = Concert.objects.create(code="again")
    assert not user.preferred_videos.exists()
    assert not concert.user_set.exists()


def test_a_relation_to_itself(db):
    ann, bob = Friend.objects.create(name="ann"), Friend.objects.create(name="bob")
    ann.friends.add(bob, ann)
    bob.friends.add(ann)
    total, counts = ann.delete()
    assert counts == {"app.Friend": 1, "app.Friend_friends": 3}
    assert total == 4
    assert list(bob.friends.all()) == []


def test_the_links_of_a_content_type_go_with_it(db):
    holder = Undeclared.objects.create()
    stale = ContentType.objects.create(app_label="gone", model="gone")
    holder.things.through.objects.create(gm2m_src=holder, gm2m_ct=stale, gm2m_pk="1")
    book = Book.objects.create(title="b")
    holder.things.add(book)
    stale.delete()
    assert links(Undeclared, "things").count() == 1
    assert list(holder.things.all()) == [book]


# Inheritance.


def make_statue():
    """Return a statue that is linked as such and as an exhibit."""
    statue = Statue.objects.create(name="statue")
    exhibit = Exhibit.objects.get(pk=statue.pk)
    gallery = Gallery.objects.create()
    gallery.works.add(statue, exhibit)
    gallery.unseen.add(statue)
    return statue, exhibit, gallery


def linked_models(gallery, field="works"):
    types = links(Gallery, field).filter(gm2m_src=gallery).order_by("pk")
    return [link.gm2m_ct.model for link in types.select_related("gm2m_ct")]


@BY_INSTANCE_AND_QUERYSET
def test_deleting_a_child_deletes_its_parent_and_the_links_of_both(db, delete):
    statue, _, gallery = make_statue()
    _, counts = delete(statue)
    assert counts == {
        "app.Statue": 1,
        "app.Exhibit": 1,
        "app.Gallery_works": 2,
        "app.Gallery_unseen": 1,
    }
    assert linked_models(gallery) == linked_models(gallery, "unseen") == []


@BY_INSTANCE_AND_QUERYSET
def test_deleting_a_parent_deletes_its_children_and_the_links_of_both(db, delete):
    _, exhibit, gallery = make_statue()
    _, counts = delete(exhibit)
    assert counts == {
        "app.Statue": 1,
        "app.Exhibit": 1,
        "app.Gallery_works": 2,
        "app.Gallery_unseen": 1,
    }
    assert linked_models(gallery) == linked_models(gallery, "unseen") == []


def test_keeping_the_parent_keeps_its_links(db):
    statue, exhibit, gallery = make_statue()
    _, counts = statue.delete(keep_parents=True)
    assert counts == {
        "app.Statue": 1,
        "app.Gallery_works": 1,
        "app.Gallery_unseen": 1,
    }
    assert list(gallery.works.all()) == [exhibit]


@BY_INSTANCE_AND_QUERYSET
def test_a_child_leaves_the_links_of_other_parents_alone(db, delete):
    statue, _, gallery = make_statue()
    other = Exhibit.objects.create()
    second = Statue.objects.create()
    gallery.works.add(other, second)
    delete(statue)
    assert list(gallery.works.all()) == [other, second]


@BY_INSTANCE_AND_QUERYSET
def test_proxies_are_their_concrete_model(db, delete):
    gallery, exhibits = make_gallery(2)
    delete(ExhibitProxy.objects.get(pk=exhibits[0].pk))
    assert remaining() == [1, 1, 1]
    gallery.works.add(ExhibitProxy.objects.create())
    delete(exhibits[1])
    assert remaining() == [1, 0, 0]


@BY_INSTANCE_AND_QUERYSET
@pytest.mark.parametrize("deleted", [Video, VideoProxy])
def test_proxies_that_are_targets_of_their_own(db, delete, deleted):
    proxy = VideoProxy.objects.create()
    lover = ProxyLover.objects.create()
    lover.things.add(proxy, Video.objects.get(pk=proxy.pk))
    delete(deleted.objects.get(pk=proxy.pk))
    # The row was both, and both are gone.
    assert links(ProxyLover, "things").count() == 0


def test_children_and_proxies_of_a_source(db):
    museum, exhibit = Museum.objects.create(), Exhibit.objects.create()
    for field in FIELDS:
        getattr(museum, field).add(exhibit)
    _, counts = museum.delete()
    assert counts == {
        "app.Museum": 1,
        "app.Gallery": 1,
        "app.Gallery_works": 1,
        "app.Gallery_others": 1,
        "app.Gallery_unseen": 1,
    }
    museum = Museum.objects.create()
    museum.works.add(exhibit)
    museum.delete(keep_parents=True)
    assert remaining() == [1, 0, 0]
    Gallery.objects.all().delete()
    assert remaining() == [0, 0, 0]
    concert = Concert.objects.create(code="1")
    critic = Critic.objects.create()
    critic.preferred_videos.add(concert)
    UserProxy.objects.filter(pk=critic.pk).delete()
    assert not Critic.objects.exists()
    assert not links(User, "preferred_videos").exists()


# Custom through models.


@pytest.fixture
def note_deletions():
    """Return a list of the deletions of all models for which it is called."""
    noted, receivers = [], []

    def note(*senders):
        for signal, name in ((pre_delete, "pre"), (post_delete, "post")):

            def receiver(sender, instance, origin, name=name, **kwargs):
                noted.append((name, instance.pk, type(origin).__name__))

            for sender in senders:
                signal.connect(receiver, sender=sender, weak=False)
                receivers.append((signal, receiver, sender))
        return noted

    yield note
    for signal, receiver, sender in receivers:
        signal.disconnect(receiver, sender=sender)


def test_custom_through_models_send_their_signals(db, note_deletions):
    playlist, other = Playlist.objects.create(), Playlist.objects.create()
    video, opera = Video.objects.create(title="v"), Opera.objects.create(title="o")
    for source in (playlist, other):
        source.items.add(video, opera)
    first, second = PlaylistItem.objects.filter(playlist=playlist).order_by("pk")
    others = list(PlaylistItem.objects.filter(playlist=other).order_by("pk"))
    noted = note_deletions(PlaylistItem)
    playlist.delete()
    assert sorted(noted) == sorted(
        (name, item.pk, "Playlist")
        for name in ("pre", "post")
        for item in (first, second)
    )
    noted.clear()
    video.delete()
    assert noted == [("pre", others[0].pk, "Video"), ("post", others[0].pk, "Video")]
    noted.clear()
    Opera.objects.all().delete()
    assert noted == [
        ("pre", others[1].pk, "QuerySet"),
        ("post", others[1].pk, "QuerySet"),
    ]


def test_automatic_through_models_send_no_signals(db, note_deletions):
    """As in Django, where what is automatic is not announced."""
    gallery, exhibits = make_gallery(2)
    noted = note_deletions(Gallery.works.through)
    exhibits[0].delete()
    gallery.delete()
    assert noted == []
    assert remaining() == [0, 0, 0]


def test_receivers_see_the_target(db):
    """While links are being deleted, their target still exists."""
    seen = []

    def see(sender, instance, **kwargs):
        seen.append((instance.item, instance.playlist))

    playlist, video = Playlist.objects.create(), Video.objects.create(title="v")
    playlist.items.add(video)
    pre_delete.connect(see, sender=PlaylistItem)
    try:
        video.delete()
    finally:
        pre_delete.disconnect(see, sender=PlaylistItem)
    assert seen == [(Video(pk=seen[0][0].pk), playlist)]


def test_custom_throughs_with_other_key_columns(db):
    shelf, vault = Shelf.objects.create(), Vault.objects.create()
    video, movie = Video.objects.create(), Movie.objects.create()
    opera = Opera.objects.create()
    shelf.videos.add(video, movie)
    vault.works.add(opera)
    # Neither by the sleeve, another generic key, nor by a former shelf.
    ShelfPlace.objects.filter(video_id=movie.pk).update(
        sleeve_type=ContentType.objects.get_for_model(Video),
        sleeve_id=video.pk,
        former_shelf=Shelf.objects.create(),
    )
    _, counts = video.delete()
    assert counts == {"app.Video": 1, "app.ShelfPlace": 1}
    _, counts = opera.delete()
    assert counts == {"app.Opera": 1, "app.VaultEntry": 1}
    assert not VaultEntry.objects.exists()
    assert list(shelf.videos.all()) == [movie]
    shelf.delete()
    assert not ShelfPlace.objects.exists()


# Other policies, for targets.


@pytest.fixture
def relic(db):
    return Relic.objects.create(name="relic")


@BY_INSTANCE_AND_QUERYSET
def test_a_protected_target(relic, delete):
    source, free = Reliquary.objects.create(), Relic.objects.create()
    source.protected.add(relic)
    with pytest.raises(ProtectedError) as caught:
        delete(relic)
    (link,) = links(Reliquary, "protected").all()
    assert set(caught.value.protected_objects) == {link}
    assert "Relic" in str(caught.value)
    delete(free)
    # Not in the way of the source.
    source.delete()
    delete(relic)
    assert not Relic.objects.exists()


@BY_INSTANCE_AND_QUERYSET
def test_a_restricted_target(relic, delete):
    source = Reliquary.objects.create()
    source.restricted.add(relic)
    with pytest.raises(RestrictedError) as caught:
        delete(relic)
    (link,) = links(Reliquary, "restricted").all()
    assert set(caught.value.restricted_objects) == {link}
    source.restricted.clear()
    delete(relic)
    assert not Relic.objects.exists()


def test_what_is_refused_changes_nothing(relic):
    source, second = Reliquary.objects.create(), Relic.objects.create()
    source.protected.add(relic)
    source.kept.add(relic, second)
    source.restricted.add(second)
    for objs in (Relic.objects.all(), Relic.objects.filter(pk=second.pk)):
        with pytest.raises((ProtectedError, RestrictedError)):
            objs.delete()
    assert Relic.objects.count() == 2
    assert [
        links(Reliquary, field).count() for field in ("protected", "kept", "restricted")
    ] == [1, 2, 1]


def test_a_restricted_link_may_go_with_its_source(db):
    estate = Estate.objects.create()
    relic = Relic.objects.create(estate=estate)
    source = Reliquary.objects.create(estate=estate)
    source.restricted.add(relic)
    _, counts = estate.delete()
    assert counts == {
        "app.Estate": 1,
        "app.Relic": 1,
        "app.Reliquary": 1,
        "app.Reliquary_restricted": 1,
    }
    # But not if the source stays.
    estate = Estate.objects.create()
    relic = Relic.objects.create(estate=estate)
    source = Reliquary.objects.create()
    source.restricted.add(relic)
    with pytest.raises(RestrictedError):
        estate.delete()


def test_a_protected_link_may_not_go_with_its_source(db):
    estate = Estate.objects.create()
    source = Reliquary.objects.create(estate=estate)
    source.protected.add(Relic.objects.create(estate=estate))
    with pytest.raises(ProtectedError):
        estate.delete()


@BY_INSTANCE_AND_QUERYSET
def test_links_that_are_kept_dangle(relic, delete):
    source, second = Reliquary.objects.create(), Relic.objects.create()
    source.kept.add(relic, second)
    _, counts = delete(relic)
    assert counts == {"app.Relic": 1}
    assert links(Reliquary, "kept").count() == 2
    assert list(source.kept.all()) == [second]


def test_protection_by_links_of_other_models_with_the_same_key(db):
    source = Reliquary.objects.create()
    exhibit, relic = Exhibit.objects.create(pk=1), Relic.objects.create(pk=1)
    source.protected.add(exhibit)
    relic.delete()
    # The field's policy is that of every target.
    with pytest.raises(ProtectedError):
        exhibit.delete()


@pytest.fixture
def add_relation():
    """Return ``add_relation()`` of a field without reverse accessors."""
    descriptor, added = ProtectedSource.works, []

    def add(model, **options):
        added.append(model)
        descriptor.add_relation(model, **options)

    yield add
    for model in added:
        descriptor.add_relation(model, on_delete=models.CASCADE)


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        pytest.param(models.PROTECT, ProtectedError, id="PROTECT"),
        pytest.param(models.RESTRICT, RestrictedError, id="RESTRICT"),
    ],
)
def test_a_policy_of_one_relation(db, add_relation, policy, error):
    source = ProtectedSource.objects.create()
    book, relic = Book.objects.create(title="b"), Relic.objects.create()
    source.works.add(book, relic)
    add_relation("app.Book", on_delete=policy)
    with pytest.raises(error):
        book.delete()
    with pytest.raises(error):
        Book.objects.all().delete()
    # All others keep the field's.
    relic.delete()
    assert list(source.works.all()) == [book]
    add_relation(Book, on_delete=models.DO_NOTHING)
    book.delete()
    assert source.works.count() == 1
    add_relation(Book, on_delete=models.CASCADE)
    book = Book.objects.create(title="c")
    source.works.add(book)
    book.delete()
    assert source.works.count() == 1


def test_a_policy_of_a_relation_is_that_of_children(db, add_relation):
    source = ProtectedSource.objects.create()
    add_relation(Video, on_delete=models.PROTECT)
    movie = Movie.objects.create()
    source.works.add(movie)
    with pytest.raises(ProtectedError):
        movie.delete()
    with pytest.raises(ProtectedError):
        Video.objects.all().delete()


def test_the_policies_are_those_of_django():
    for name in ("CASCADE", "DO_NOTHING", "PROTECT", "RESTRICT"):
        assert getattr(deletion, name) is getattr(models, name)


# Other policies, for sources.


@BY_INSTANCE_AND_QUERYSET
def test_a_protected_source(db, delete):
    exhibit = Exhibit.objects.create()
    source, free = ProtectedSource.objects.create(), ProtectedSource.objects.create()
    source.works.add(exhibit)
    with pytest.raises(ProtectedError) as caught:
        delete(source)
    assert set(caught.value.protected_objects) == set(
        links(ProtectedSource, "works").all()
    )
    delete(free)
    # Not in the way of the target.
    delete(exhibit)
    delete(source)
    assert not ProtectedSource.objects.exists()


@BY_INSTANCE_AND_QUERYSET
def test_a_restricted_source(db, delete):
    estate = Estate.objects.create()
    exhibit = Exhibit.objects.create(estate=estate)
    source = RestrictedSource.objects.create(estate=estate)
    source.works.add(exhibit)
    with pytest.raises(RestrictedError):
        delete(source)
    # With its targets it may go.
    _, counts = delete(estate)
    assert counts == {
        "app.Estate": 1,
        "app.Exhibit": 1,
        "app.RestrictedSource": 1,
        "app.RestrictedSource_works": 1,
    }


@BY_INSTANCE_AND_QUERYSET
def test_a_source_whose_links_are_kept(db, delete):
    exhibit = Exhibit.objects.create()
    source, second = KeptSource.objects.create(), KeptSource.objects.create()
    for obj in (source, second):
        obj.works.add(exhibit)
    pk = source.pk
    _, counts = delete(source)
    assert counts == {"app.KeptSource": 1}
    assert links(KeptSource, "works").filter(gm2m_src_id=pk).count() == 1
    # They have no source to show.
    assert list(exhibit.keepers.all()) == [second]
    assert exhibit.keepers.count() == 1
    exhibit.delete()
    assert not links(KeptSource, "works").exists()


@pytest.mark.skipif(VERSION < (6, 1), reason="Django 6.1 brought DB_CASCADE.")
@BY_INSTANCE_AND_QUERYSET
def test_the_database_may_delete_the_links_of_a_source(db, delete):
    from .app.models import DatabaseCascade

    exhibits = [Exhibit.objects.create() for _ in range(2)]
    source, other = DatabaseCascade.objects.create(), DatabaseCascade.objects.create()
    for obj in (source, other):
        obj.works.add(*exhibits)
    with CaptureQueriesContext(connection) as context:
        _, counts = delete(source)
    assert counts == {"app.DatabaseCascade": 1}
    table = DatabaseCascade.works.through._meta.db_table
    assert not [query for query in context if table in query["sql"]]
    assert links(DatabaseCascade, "works").count() == 2
    # From a target it is Django, as ever.
    _, counts = exhibits[0].delete()
    assert counts["app.DatabaseCascade_works"] == 1
    assert list(other.works.all()) == exhibits[1:]


# Queries.


def delete_targets(count):
    make_gallery(count)
    return lambda: Exhibit.objects.all().delete()


def delete_sources(count):
    for _ in range(count):
        make_gallery(2)
    return lambda: Gallery.objects.all().delete()


def delete_statues(count):
    gallery = Gallery.objects.create()
    gallery.works.add(*(Statue.objects.create() for _ in range(count)))
    return lambda: Statue.objects.all().delete()


def delete_a_target_of_many(count):
    exhibit = Exhibit.objects.create()
    for _ in range(count):
        Gallery.objects.create().works.add(exhibit)
    return lambda: exhibit.delete()


def delete_a_source_of_many(count):
    gallery, _ = make_gallery(count)
    return lambda: gallery.delete()


def delete_restricted(count):
    estate = Estate.objects.create()
    source = Reliquary.objects.create(estate=estate)
    for _ in range(count):
        source.restricted.add(Relic.objects.create(estate=estate))
    return lambda: estate.delete()


def delete_kept(count):
    source = Reliquary.objects.create()
    source.kept.add(*(Relic.objects.create() for _ in range(count)))
    return lambda: Relic.objects.all().delete()


def refuse_protected(count):
    source = Reliquary.objects.create()
    source.protected.add(*(Relic.objects.create() for _ in range(count)))

    def refuse():
        with pytest.raises(ProtectedError):
            Relic.objects.all().delete()

    return refuse


def delete_mixed_targets(count):
    holder = Undeclared.objects.create()
    books = [Book.objects.create(title=str(n)) for n in range(count)]
    holder.things.add(*books, *(Person.objects.create() for _ in range(count)))
    return lambda: Book.objects.all().delete()


@pytest.mark.parametrize(
    "prepare",
    [
        delete_targets,
        delete_sources,
        delete_statues,
        delete_a_target_of_many,
        delete_a_source_of_many,
        delete_restricted,
        delete_kept,
        refuse_protected,
        delete_mixed_targets,
    ],
)
def test_no_query_for_each_object(db, prepare):
    # The first time may look for content types.
    counts = [queries(prepare(count)) for count in (1, 2, 50)]
    assert counts[1] == counts[2]


def test_one_statement_for_the_links_of_each_field(db):
    make_gallery(20)
    ContentType.objects.get_for_model(Exhibit)
    with CaptureQueriesContext(connection) as context:
        Exhibit.objects.all().delete()
    for field in FIELDS:
        table = Gallery._meta.get_field(field).remote_field.through._meta.db_table
        statements = [
            query["sql"]
            for query in context
            if connection.ops.quote_name(table) in query["sql"]
        ]
        # No row is read before.
        assert len(statements) == 1
        assert statements[0].startswith("DELETE")


def test_the_collector_can_delete_links_fast(db):
    gallery, exhibits = make_gallery(3)
    for objs in ([gallery], exhibits):
        collector = Collector(using=DEFAULT_DB_ALIAS, origin=objs[0])
        collector.collect(objs)
        assert set(collector.data) == {type(objs[0])}
        throughs = {queryset.model for queryset in collector.fast_deletes}
        assert throughs >= {links(Gallery, field).model for field in FIELDS}
    assert remaining() == [3, 3, 3]


# The admin.


class PlainAdmin(ModelAdmin):
    pass


site = AdminSite()
for admin_model in (Exhibit, Gallery, Relic, Reliquary, Statue, Playlist, Video):
    site.register(admin_model, PlainAdmin)
urlpatterns = [path("admin/", site.urls)]


@pytest.fixture
def request_of(db):
    """Return a function that makes requests of somebody who may do all."""
    account = Account.objects.create_superuser("root")

    def make(data=None):
        factory = RequestFactory()
        request = factory.get("/") if data is None else factory.post("/", data)
        request.user = account
        request.session = {}
        request._messages = FallbackStorage(request)
        return request

    return make


@pytest.fixture
def confirm(request_of):
    """Return what the admin's page asks before it deletes `objs`."""

    def get(objs):
        return get_deleted_objects(objs, request_of(), site)

    return get


def flat(items):
    """Return the texts of a nested list."""
    for item in items:
        if isinstance(item, list):
            yield from flat(item)
        else:
            yield str(item)


@pytest.mark.urls(__name__)
def test_the_confirmation_counts_what_will_be_deleted(confirm):
    (first, exhibits), (_, more) = make_gallery(3), make_gallery(3)
    statue, _, _ = make_statue()
    _, as_exhibit, _ = make_statue()
    for objs in ([first], exhibits[:2], more[1:], [statue], [as_exhibit]):
        shown, counts, missing, protected = confirm(objs)
        assert (missing, protected) == (set(), [])
        total = sum(counts.values())
        model = type(objs[0])
        queryset = model.objects.filter(pk__in=[obj.pk for obj in objs])
        deleted, by_model = queryset.delete()
        assert total == deleted
        assert len(list(flat(shown))) == deleted
        assert sorted(counts.values()) == sorted(by_model.values())


@pytest.mark.urls(__name__)
def test_the_confirmation_shows_links_below_what_is_deleted(confirm):
    gallery, exhibits = make_gallery(1)
    (link,) = links(Gallery, "works").all()
    for obj in (gallery, exhibits[0]):
        (own, below), *_ = confirm([obj])
        assert obj.name in str(own)
        assert any(str(link) in text for text in flat(below))


@pytest.mark.urls(__name__)
def test_the_confirmation_shows_what_stands_in_the_way(confirm):
    source, relic = Reliquary.objects.create(), Relic.objects.create(name="relic")
    source.protected.add(relic)
    *_, protected = confirm([relic])
    assert len(protected) == 1
    source.protected.clear()
    source.restricted.add(relic)
    *_, protected = confirm([relic])
    assert len(protected) == 1
    source.restricted.clear()
    source.kept.add(relic)
    _, counts, _, protected = confirm([relic])
    assert (sum(counts.values()), protected) == (1, [])


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("make", [make_gallery, delete_statues])
def test_the_confirmation_makes_no_query_for_each_object(confirm, make):
    counts = []
    for count in (1, 2, 50):
        make(count)
        for model in (Exhibit, Gallery, Statue):
            objs = list(model.objects.all())
            counts.append(queries(lambda objs=objs: confirm(objs)))
        Exhibit.objects.all().delete()
        Gallery.objects.all().delete()
    assert counts[3:6] == counts[6:9]


@pytest.mark.urls(__name__)
def test_the_confirmation_of_a_custom_through(confirm):
    playlist, video = Playlist.objects.create(), Video.objects.create(title="v")
    playlist.items.add(video)
    for obj in (playlist, video):
        shown, counts, *_ = confirm([obj])
        assert counts[PlaylistItem._meta.verbose_name_plural] == 1
        assert len(list(flat(shown))) == 2


@pytest.mark.urls(__name__)
def test_the_admins_action_deletes_what_it_has_shown(request_of, confirm):
    _, exhibits = make_gallery(3)
    other, _ = make_gallery(2)
    admin = site.get_model_admin(Exhibit)
    queryset = Exhibit.objects.filter(pk__in=[exhibit.pk for exhibit in exhibits])
    page = delete_selected(admin, request_of(), queryset)
    page.render()
    counts = dict(page.context_data["model_count"])
    assert sum(counts.values()) == 12
    assert delete_selected(admin, request_of({"post": "yes"}), queryset) is None
    assert remaining() == [2, 2, 2]
    assert Exhibit.objects.count() == 2
    assert list(other.works.all()) == list(Exhibit.objects.order_by("pk"))


@pytest.mark.urls(__name__)
def test_the_admins_action_makes_no_query_for_each_object(request_of):
    admin, counts = site.get_model_admin(Exhibit), []
    for count in (1, 2, 50):
        make_gallery(count)
        delete = partial(
            delete_selected, admin, request_of({"post": "yes"}), Exhibit.objects.all()
        )
        counts.append(queries(delete))
        assert remaining() == [0, 0, 0]
    assert counts[1] == counts[2]


@pytest.mark.urls(__name__)
def test_the_admins_page_for_one_object(client, request_of):
    client.force_login(request_of().user)
    gallery, exhibits = make_gallery(2)
    url = f"/admin/app/exhibit/{exhibits[0].pk}/delete/"
    page = client.get(url)
    assert page.status_code == 200
    assert sum(count for _, count in page.context_data["model_count"]) == 4
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert remaining() == [1, 1, 1]
    assert list(gallery.works.all()) == exhibits[1:]
    relic, source = Relic.objects.create(name="holy"), Reliquary.objects.create()
    source.protected.add(relic)
    url = f"/admin/app/relic/{relic.pk}/delete/"
    assert len(client.get(url).context_data["protected"]) == 1
    client.post(url, {"post": "yes"})
    assert Relic.objects.get() == relic


def test_links_of_hidden_sources(db):
    """A source's default manager does not decide on what is deleted."""
    club = Club.objects.create(name="c", secret=True)
    video = Video.objects.create()
    club.library.add(video)
    video.delete()
    assert not links(Club, "library").exists()
