"""Models that come and go while a process runs: nothing is to keep what is theirs."""

import gc
import threading
import weakref

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.signals import ModelSignal
from django.test.utils import isolate_apps

from gm2m import GM2MField
from gm2m.connections.signals import ConnectionSignal
from tests.test_publication import run_threads


def declare(name, **attributes):
    meta = type("Meta", (), {"app_label": "app"})
    bases = (models.Model,)
    return type(name, bases, {"__module__": __name__, "Meta": meta, **attributes})


def saved(model):
    return model(pk=1)


@pytest.mark.django_db
def test_managers_of_models_that_are_gone_are_gone():
    """What a process keeps of each would be kept of every one that is ever made."""

    def used():
        with isolate_apps("tests.app", "django.contrib.contenttypes") as apps:
            apps.register_model("contenttypes", ContentType)
            target = declare("Target")
            manager = type("SourceManager", (models.Manager,), {})
            other = type("OtherManager", (models.Manager,), {})
            source = declare(
                "Source", things=GM2MField(target), objects=manager(), other=other()
            )
            related = saved(target).source_set
            classes = [manager, other, type(related), type(related(manager="other"))]
            assert issubclass(classes[2], manager)
            assert issubclass(classes[3], other)
            # They are made once.
            assert type(saved(target).source_set) is classes[2]
            assert str(saved(source).things.all().query)
            return [weakref.ref(one) for one in (*classes, source, target)]

    left = used()
    # Django's own, of a model that is there for good.
    ContentType._meta._expire_cache()
    ContentType.objects.clear_cache()
    gc.collect()
    assert [found() for found in left if found() is not None] == []


def test_models_may_be_watched_while_receivers_come_and_go():
    signal, done = ConnectionSignal(ModelSignal(use_caching=True)), threading.Event()

    def receive(**kwargs):
        """Do nothing."""

    def watch():
        try:
            for number in range(300):
                signal.watch(type(f"Connection{number}", (), {}))
        finally:
            done.set()

    def follow():
        while not done.is_set():
            signal.connect(receive)
            signal.disconnect(receive)

    run_threads([watch, follow, follow])
    assert len(signal.models) == 300
    assert not signal.source.receivers
    signal.connect(receive)
    assert len(signal.source.receivers) == 300
