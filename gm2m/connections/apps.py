"""The app configuration: the only place with effects at start-up."""

from django.apps import AppConfig
from django.core import checks
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class ConnectionsConfig(AppConfig):
    """The ``gm2m.connections`` app: it imports ``relationships`` of every other app."""

    name = "gm2m.connections"
    # Not the last part of the name, which other apps have as well.
    label = "gm2m_connections"
    verbose_name = _("connections")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .checks import check_databases, check_relationships

        checks.register(check_relationships, checks.Tags.models)
        checks.register(check_databases, checks.Tags.database)
        autodiscover_modules("relationships")
