"""The app configuration: the only place with effects at start-up."""

from django.apps import AppConfig, apps
from django.core import checks
from django.db.backends.signals import connection_created
from django.db.models.signals import pre_migrate
from django.utils.translation import gettext_lazy as _


class GM2MConfig(AppConfig):
    """The ``gm2m`` app. It has no models; the fields live in the user's apps."""

    name = "gm2m"
    verbose_name = _("generic many-to-many relations")

    def ready(self) -> None:
        from .database_checks import check_databases
        from .discovery import discover
        from .operations import inject
        from .registry import warm

        connection_created.connect(discover, dispatch_uid="gm2m.discovery")
        checks.register(check_databases, checks.Tags.database)
        # From any sender: Django sends it for apps with models alone.
        pre_migrate.connect(inject, dispatch_uid="gm2m.operations")
        if apps.is_installed("drf_spectacular"):
            # Its extensions are known as soon as they are imported.
            from .rest_framework import schema  # noqa: F401
        # Relations may be published as soon as a connection is made.
        warm(apps)
