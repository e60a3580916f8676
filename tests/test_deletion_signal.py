"""The policies that send the ``deleting`` signal, from either side."""

import pickle

import pytest
from django.contrib.admin.utils import NestedObjects
from django.db import models
from django.db.models import ProtectedError

from gm2m import GM2MField
from gm2m.deletion import (
    CASCADE_SIGNAL,
    CASCADE_SIGNAL_VETO,
    DO_NOTHING_SIGNAL,
)
from gm2m.signals import deleting

from .app.models import (
    AnnouncedItem,
    AnnouncedList,
    Announcer,
    Movie,
    ProtectedSource,
    Video,
)

Row = Announcer.things.through

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent():
    """What the signal is sent with; ``sent.answer`` is what its receiver returns."""

    class Sent(list):
        answer = None

    sent = Sent()

    def receive(**arguments):
        sent.append(arguments)
        return sent.answer

    deleting.connect(receive)
    yield sent
    deleting.disconnect(receive)


@pytest.fixture
def policy(monkeypatch):
    """Gives the targets' side of the field another policy."""

    def give(on_delete):
        before = Announcer.things.field.relations[Video].on_delete
        Announcer.things.add_relation(Video, on_delete=on_delete)
        changed.append(before)

    changed = []
    yield give
    for before in reversed(changed):
        Announcer.things.add_relation(Video, on_delete=before)


def link(*titles):
    videos = [Video.objects.create(title=title) for title in titles]
    source = Announcer.objects.create()
    source.things.add(*videos)
    return source, videos


def test_cascade_from_a_target(sent):
    source, (video, other) = link("a", "b")
    video_pk = video.pk
    row = Row.objects.get(gm2m_pk=str(video_pk))
    video.delete()
    (arguments,) = sent
    assert arguments["sender"] is Announcer.things.field
    assert list(arguments["del_objs"]) == [video]
    assert [found.gm2m_pk for found in arguments["rel_objs"]] == [row.gm2m_pk]
    assert arguments["using"] == "default"
    assert arguments["origin"] is video
    assert list(source.things.all()) == [other]


def test_cascade_from_a_source(sent):
    source, videos = link("a", "b")
    source.delete()
    (arguments,) = sent
    assert arguments["sender"] is Announcer.things.field
    assert list(arguments["del_objs"]) == [source]
    assert len(arguments["rel_objs"]) == 2
    assert not Row.objects.exists()
    assert Video.objects.count() == len(videos)


def test_arguments_can_be_read_twice(sent):
    link("a")
    Video.objects.all().delete()
    (arguments,) = sent
    for name in ("del_objs", "rel_objs"):
        assert list(arguments[name]) == list(arguments[name]) != []


def test_sent_before_anything_is_deleted(sent):
    _, (video,) = link("a")
    present = []

    def look(rel_objs, **kwargs):
        present.append((Row.objects.count(), Video.objects.count(), len(rel_objs)))

    deleting.connect(look)
    try:
        video.delete()
    finally:
        deleting.disconnect(look)
    assert present == [(1, 1, 1)]


def test_sent_once_for_many_objects(sent):
    link(*map(str, range(1100)))
    Video.objects.all().delete()
    (arguments,) = sent
    assert len(arguments["del_objs"]) == len(arguments["rel_objs"]) == 1100
    assert not Row.objects.exists()


def test_not_sent_without_rows(sent):
    Video.objects.create(title="x").delete()
    Announcer.objects.create().delete()
    assert sent == []


def test_veto_keeps_the_rows(sent, policy):
    policy(CASCADE_SIGNAL_VETO)
    source, (video, other) = link("a", "b")
    sent.answer = True
    video.delete()
    assert Row.objects.count() == source.things.count() == 2
    assert list(source.things.all()) == [other]
    sent.answer = False
    other.delete()
    assert Row.objects.count() == 1


def test_veto_of_many_objects(sent, policy):
    policy(CASCADE_SIGNAL_VETO)
    link(*map(str, range(1100)))
    sent.answer = True
    Video.objects.all().delete()
    assert len(sent) == 1
    assert Row.objects.count() == 1100


def test_do_nothing_leaves_the_rows(sent, policy):
    policy(DO_NOTHING_SIGNAL)
    source, (video,) = link("a")
    video.delete()
    assert len(sent) == 1
    assert Row.objects.count() == 1
    assert list(source.things.all()) == []


def test_no_answer_matters_to_cascade(sent):
    _, (video,) = link("a")
    sent.answer = True
    video.delete()
    assert not Row.objects.exists()


def test_children_have_the_policy_of_their_parent(sent, policy):
    policy(CASCADE_SIGNAL_VETO)
    source, _ = link()
    movie = Movie.objects.create(title="a")
    source.things.add(movie)
    sent.answer = True
    movie.delete()
    assert Row.objects.count() == 1


def test_collecting_alone_sends_it(sent):
    source, (video,) = link("a")
    collector = NestedObjects("default")
    collector.collect([video])
    assert len(sent) == 1
    assert Row.objects.count() == 1
    collector = NestedObjects("default")
    collector.collect([source])
    assert len(sent) == 2


def test_another_relation_may_still_refuse(sent, policy):
    source, (video,) = link("a")
    protector = ProtectedSource.objects.create()
    field = next(
        field
        for field in ProtectedSource._meta.many_to_many
        if isinstance(field, GM2MField)
    )
    getattr(protector, field.name).add(video)
    getattr(ProtectedSource, field.name).add_relation(Video, on_delete=models.PROTECT)
    with pytest.raises(ProtectedError):
        video.delete()
    assert list(source.things.all()) == [video]


def test_costs_no_query_per_object(sent, django_assert_max_num_queries):
    link(*map(str, range(50)))
    with django_assert_max_num_queries(60):
        Video.objects.all().delete()


def test_source_key_of_a_custom_through(sent):
    source = AnnouncedList.objects.create()
    source.things.add(Video.objects.create(title="a"))
    source.delete()
    assert [arguments["sender"] for arguments in sent] == [AnnouncedList.things.field]
    assert not AnnouncedItem.objects.exists()


def test_policies_can_be_pickled():
    for on_delete in (CASCADE_SIGNAL, CASCADE_SIGNAL_VETO, DO_NOTHING_SIGNAL):
        assert pickle.loads(pickle.dumps(on_delete)) is on_delete
