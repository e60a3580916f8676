"""
Signals of connections.

``connection_created``
    after a connection was made: by a relationship, by ``attach()``'s managers, by
    ``save()``, in the admin; not for fixtures, nor for the model's own
    ``bulk_create()``;
``connection_removed``
    after a connection was deleted, in whatever way Django's ``post_delete`` tells of:
    also together with an object at one of its ends.

``sender`` is the relationship, ``connection`` the connection, ``using`` the alias of
the database.

While nobody listens they cost nothing: connections are then deleted by one statement,
without being read.
"""

from __future__ import annotations

import threading
from typing import Any

from django.db.models import Model
from django.db.models.signals import ModelSignal, post_delete, post_save
from django.dispatch import Signal


class ConnectionSignal(Signal):
    """
    A signal that follows one of Django's models, for as long as somebody listens.

    Receivers of Django's own signals would keep its collector from deleting rows that
    it has not read.
    """

    def __init__(self, source: ModelSignal) -> None:
        super().__init__()
        self.source = source
        self.models: set[type[Model]] = set()
        # Threads may connect, disconnect and watch at once.
        self.following = threading.RLock()

    def watch(self, model: type[Model]) -> None:
        """Follow the connection model `model`."""
        with self.following:
            self.models.add(model)
            self.follow()

    def follow(self) -> None:
        """Listen to Django's signal if, and only if, somebody listens to this one."""
        with self.following:
            change = self.source.connect if self.receivers else self.source.disconnect
            for model in self.models:
                change(self.forward, sender=model, dispatch_uid=f"gm2m.{id(self)}")

    def forward(self, sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
        """Tell of the connection `instance`, unless it was read from a fixture."""
        if kwargs.get("raw") or not kwargs.get("created", True):
            return
        relationship = instance.defined_relationship
        if relationship is not None:
            self.send(sender=relationship, connection=instance, using=using)

    def connect(self, *args: Any, **kwargs: Any) -> None:
        super().connect(*args, **kwargs)
        self.follow()

    def disconnect(self, *args: Any, **kwargs: Any) -> bool:
        found = super().disconnect(*args, **kwargs)
        self.follow()
        return found


connection_created = ConnectionSignal(post_save)
connection_removed = ConnectionSignal(post_delete)
