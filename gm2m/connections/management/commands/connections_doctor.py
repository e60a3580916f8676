"""``manage.py connections_doctor``: connections that lead nowhere."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.models import QuerySet

from ....batches import spans
from ....spelling import Counts
from ...defined import RelationshipDoesNotExist, get_relationship
from ...disorder import Disorder, disorders
from ...integrity import Side, sides, sound_relationships

#: As many connections are looked at in one transaction, and deleted if need be.
BATCH_SIZE = 500
#: Why keys may not be spelled anew.
REFUSED = (
    "the key column is too short, or the same objects are connected already, by a "
    "connection that may have other characteristics."
)


class Command(BaseCommand):
    """Report connections that lead nowhere, and remove them if asked to."""

    help = (
        "Looks for connections whose object at one end is gone, or whose key is "
        "spelled otherwise than the library does. The exit status is 1 if any were "
        "found and left."
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
            "--fix",
            action="store_true",
            help="Remove the connections whose object is gone, spell keys anew, and "
            "put others into their order and table.",
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
            for side in sides(relationship, using):
                gone, misspelt = self.examine(side, using)
                found_any |= bool(gone or misspelt)
                if options["fix"] and gone:
                    gone -= self.remove(side, using)
                if options["fix"] and misspelt:
                    misspelt -= self.respell(side, using)
                left += max(gone, 0) + max(misspelt, 0)
            for disorder in disorders(relationship, using):
                number = self.tell(disorder, using)
                found_any |= bool(number)
                mended = self.put_in_order(disorder, using, number, options["fix"])
                left += max(number - mended, 0)
        if not found_any:
            self.stdout.write("Nothing found.")
        if left:
            sys.exit(1)

    def examine(self, side: Side, using: str) -> Counts:
        """Say how many connections lead nowhere, and return it."""
        name = side.relationship.name
        try:
            counts = side.count_astray(using)
        except DatabaseError as error:
            raise CommandError(f"{name} cannot be read: {error}") from error
        if counts.gone:
            self.stdout.write(
                f"{name}: connections whose {side.side!r} object, of {side.label}, "
                f"is gone: {counts.gone}."
            )
        if counts.misspelt:
            self.stdout.write(
                f"{name}: connections whose {side.side!r} key, of {side.label}, is "
                f"spelled otherwise than the library does: {counts.misspelt}."
            )
        return counts

    def tell(self, disorder: Disorder, using: str) -> int:
        """Say how many connections are not as their relationship writes them."""
        name = disorder.relationship.name
        try:
            number = disorder.count(using)
        except DatabaseError as error:
            raise CommandError(f"{name} cannot be read: {error}") from error
        if number:
            self.stdout.write(f"{name}: {disorder.what}: {number}.")
        return number

    def put_in_order(
        self, disorder: Disorder, using: str, number: int, fix: bool
    ) -> int:
        """Put connections into their order or table if asked to; return how many."""
        if not (number and fix):
            return 0
        mended = disorder.mend(using)
        self.stdout.write(f"  {disorder.done} {mended}.")
        return mended

    def batches(self, side: Side, using: str) -> Iterator[QuerySet[Any]]:
        """Yield the connections in parts."""
        for span in spans(side.rows(using), BATCH_SIZE):
            yield side.connections(using, **span)

    def remove(self, side: Side, using: str) -> int:
        """Remove the connections whose object is gone; return how many went."""
        removed, spelling = 0, side.spelling(using)
        label = side.end.through._meta.label
        for batch in self.batches(side, using):
            with transaction.atomic(using):
                _total, by_model = spelling.gone(batch).delete()
            removed += by_model.get(label, 0)
        self.stdout.write(f"  Removed {removed}.")
        return removed

    def respell(self, side: Side, using: str) -> int:
        """Spell keys anew; return of how many connections nothing is left to do."""
        respelled = removed = kept = 0
        for batch in self.batches(side, using):
            done = side.respell(batch, using)
            respelled += done.respelled
            removed += done.removed
            kept += done.kept
        self.stdout.write(f"  Spelled anew {respelled}.")
        if removed:
            self.stdout.write(f"  Removed {removed}: they are there already.")
        if kept:
            self.stdout.write(f"  Kept {kept}: {REFUSED}")
        return respelled + removed
