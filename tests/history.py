"""Migrations without files: pages of the documentation carry out what they show."""

from django.db import connection, migrations
from django.db.migrations.state import ModelState, ProjectState


class History:
    """Models as migrations leave them, and their tables: at first those of `models`."""

    def __init__(self, *models):
        self.state = ProjectState()
        for model in models:
            self.state.add_model(ModelState.from_model(model))
        self.past = []

    def __getattr__(self, name):
        return self.state.apps.get_model("library", name)

    def migrate(self, *steps):
        """Carry out a migration: a class, or operations."""
        migration = steps[0]
        if not isinstance(migration, type):
            attrs = {"operations": list(steps)}
            migration = type("Migration", (migrations.Migration,), attrs)
        migration = migration("step", "library")
        before = self.state.clone()
        with connection.schema_editor(atomic=migration.atomic) as editor:
            self.state = migration.apply(self.state, editor)
        self.past.append((migration, before))

    def undo(self):
        """Undo the migration that was carried out last."""
        migration, self.state = self.past.pop()
        with connection.schema_editor(atomic=migration.atomic) as editor:
            migration.unapply(self.state.clone(), editor)
