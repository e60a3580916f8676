"""``manage.py connections_doctor``: connections whose objects are gone."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction

from ....integrity import spans
from ...defined import RelationshipDoesNotExist, get_relationship
from ...integrity import Dangling, dangling, sound_relationships

#: As many connections are looked at in one transaction, and deleted if need be.
BATCH_SIZE = 500


class Command(BaseCommand):
    """Report connections that lead nowhere, and remove them if asked to."""

    help = (
        "Looks for connections whose object at one end is gone. The exit status is 1 "
        "if any were found and left."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "relationships",
            nargs="*",
            metavar="relationship",
            help="The relationships to look at; without any, all.",
        )
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help='The database to look at. Defaults to "default".',
        )
        parser.add_argument(
            "--fix", action="store_true", help="Remove the connections."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        using, left, found_any = options["database"], 0, False
        chosen = sound_relationships()
        if options["relationships"]:
            try:
                chosen = [get_relationship(name) for name in options["relationships"]]
            except RelationshipDoesNotExist as error:
                raise CommandError(str(error)) from error
        for relationship in chosen:
            for found in dangling(relationship, using):
                number = self.examine(found, using)
                if not number:
                    continue
                found_any = True
                removed = self.remove(found, using) if options["fix"] else 0
                left += max(number - removed, 0)
        if not found_any:
            self.stdout.write("Nothing found.")
        if left:
            sys.exit(1)

    def examine(self, found: Dangling, using: str) -> int:
        """Say how many connections dangle, and return it."""
        name = found.relationship.name
        try:
            number = found.count(using)
        except DatabaseError as error:
            raise CommandError(f"{name} cannot be read: {error}") from error
        if number:
            self.stdout.write(
                f"{name}: connections whose {found.side!r} object, of {found.label}, "
                f"is gone: {number}."
            )
        return number

    def remove(self, found: Dangling, using: str) -> int:
        """Remove the connections batch by batch; return how many went."""
        removed, rows = 0, found.rows(using)
        for span in spans(rows.model._base_manager.using(using), BATCH_SIZE):
            with transaction.atomic(using):
                _total, by_model = rows.filter(**span).delete()
            removed += by_model.get(rows.model._meta.label, 0)
        self.stdout.write(f"  Removed {removed}.")
        return removed
