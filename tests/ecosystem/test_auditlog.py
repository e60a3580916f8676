"""django-auditlog."""

import pytest
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.db.models.signals import m2m_changed

from .models import Movie, Viewer

pytestmark = pytest.mark.django_db


@pytest.fixture
def registered():
    auditlog.register(Viewer, m2m_fields={"preferred_videos"})
    yield
    auditlog.unregister(Viewer)


def told():
    """Return what the log says of links, in the order of the entries."""
    entries = LogEntry.objects.order_by("pk")
    changes = [entry.changes.get("preferred_videos") for entry in entries]
    return [(change["operation"], change["objects"]) for change in changes if change]


def test_links_are_logged(library, registered):
    library.ada.preferred_videos.add(library.ran, library.aida)
    library.ada.preferred_videos.remove(library.ran)
    assert told() == [("add", ["Ran"]), ("add", ["Aida"]), ("delete", ["Ran"])]
    LogEntry.objects.all().delete()
    library.ada.preferred_videos.set([library.casablanca])
    # One entry for each model.
    assert [operation for operation, _objects in told()] == ["delete"] * 2
    gone = [title for _operation, objects in told() for title in objects]
    assert sorted(gone) == ["Aida", "The Last Waltz", "Tosca"]


def test_objects_are_logged(library, registered):
    library.ada.name = "Eve"
    library.ada.save()
    assert LogEntry.objects.get().changes == {"name": ["Ada", "Eve"]}
    library.ada.delete()
    assert LogEntry.objects.first().action == LogEntry.Action.DELETE


def test_targets_are_logged(library):
    auditlog.register(Movie)
    try:
        library.casablanca.delete()
    finally:
        auditlog.unregister(Movie)
    assert LogEntry.objects.get().action == LogEntry.Action.DELETE


@pytest.mark.parametrize(
    "write",
    [
        lambda links: links.clear(),
        lambda links: links.set([], clear=True),
    ],
    ids=["clear", "set"],
)
def test_clear_is_logged_for_each_model(library, registered, write):
    """It names all objects of a model, as for any many-to-many: it asks afterwards."""
    write(library.ada.preferred_videos)
    assert library.ada.preferred_videos.count() == 0
    assert {operation for operation, _objects in told()} == {"delete"}
    LogEntry.objects.all().delete()
    write(library.ada.preferred_videos)
    assert told() == []


def log_links(action, instance, model, pk_set, reverse, **kwargs):
    """Log links, ``clear()`` too. In the place of ``m2m_fields``."""
    if reverse:
        return
    if action == "pre_clear":
        links = instance.preferred_videos.all()
        operation, objects = "delete", [obj for obj in links if type(obj) is model]
    elif action in ("post_add", "post_remove"):
        operation = "add" if action == "post_add" else "delete"
        objects = model._default_manager.filter(pk__in=pk_set)
    else:
        return
    LogEntry.objects.log_m2m_changes(
        list(objects), instance, operation, "preferred_videos"
    )


def test_a_receiver_that_logs_clear_as_well(library):
    auditlog.register(Viewer)
    m2m_changed.connect(log_links, sender=Viewer.preferred_videos.through)
    try:
        library.ada.preferred_videos.add(library.ran)
        library.ada.preferred_videos.clear()
    finally:
        m2m_changed.disconnect(log_links, sender=Viewer.preferred_videos.through)
        auditlog.unregister(Viewer)
    assert told()[0] == ("add", ["Ran"])
    gone = [set(objects) for operation, objects in told()[1:] if operation == "delete"]
    assert {frozenset(objects) for objects in gone} == {
        frozenset({"Casablanca", "Ran"}),
        frozenset({"Tosca"}),
        frozenset({"The Last Waltz"}),
    }
