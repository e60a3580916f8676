"""``manage.py connections_import``: connections from a file."""

from __future__ import annotations

import csv
import os
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from io import TextIOWrapper
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, Error, connections, transaction
from django.forms.utils import from_current_timezone

from ....batches import batches
from ....management.progress import Progress
from ...defined import RelationshipDoesNotExist, get_relationship

#: As many lines are made connections at once.
BATCH_SIZE = 5_000
#: As many bad lines are named.
NAMED = 20

#: The number of a line, the keys of two objects, and characteristics.
Line = tuple[int, dict[str, Any], dict[str, Any]]


class Command(BaseCommand):
    """Connect the objects whose keys are in a file."""

    help = (
        "Makes connections of a relationship from a file of comma-separated values. "
        'Its first line has the names of the columns: "from" and "to", which have the '
        "primary keys of objects, and those of characteristics. The whole file is "
        "checked first, and imported all or not at all. Pairs that are connected "
        "already are left alone, where they are unique."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("relationship", help="The name of the relationship.")
        parser.add_argument("file", help="The file, in UTF-8.")
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help='The database to import into. Defaults to "default".',
        )

    def handle(self, *args: Any, **options: Any) -> None:
        using = options["database"]
        try:
            relationship = get_relationship(options["relationship"]).using(using)
        except RelationshipDoesNotExist as error:
            raise CommandError(str(error)) from error
        self.progress = Progress(self.stderr)
        self.bad: list[str] = []
        self.relationship, self.using = relationship, using
        self.path = options["file"]
        try:
            for _pairs in self.pairs("Checking", 0):
                pass
            if self.bad:
                self.refuse()
            with transaction.atomic(using=using):
                before = relationship.connections.count()
                lines = self.write()
                made = relationship.connections.count() - before
        except (Error, OSError, UnicodeError, csv.Error) as error:
            raise CommandError(f"Nothing was imported: {error}") from error
        finally:
            self.progress.clear()
        self.stdout.write(f"Imported {made} of {lines}.")

    def refuse(self) -> None:
        """Say which lines are bad."""
        named = self.bad[:NAMED]
        if len(self.bad) > NAMED:
            named.append(f"… and {len(self.bad) - NAMED} more.")
        raise CommandError("\n".join(["Nothing was imported.", *named]))

    def write(self) -> int:
        """Connect the objects; return how many lines there are."""
        lines = 0
        for pairs in self.pairs("Importing", 1):
            if self.bad:
                # An object is gone since they were checked.
                self.refuse()
            lines += len(pairs)
            self.relationship.create_connections(pairs)
        return lines

    def pairs(self, label: str, passes: int) -> Iterator[list[Any]]:
        """Yield, some at a time, pairs of objects with characteristics."""
        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            for lines in batches(self.lines(file), BATCH_SIZE):
                yield self.with_objects(lines)
                done = passes * size + file.tell()
                self.progress.show(label, done, 2 * size)

    def lines(self, file: Any) -> Iterator[Line]:
        """Yield the good lines; keep what is wrong with the others."""
        text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        names = next(reader, [])
        fields = self.fields(names)
        for row in reader:
            if not row:
                continue
            try:
                if len(row) != len(names):
                    raise ValueError(f"{len(row)} columns instead of {len(names)}.")
                values = dict(zip(names, row, strict=True))
                keys = {
                    side: self.relationship.ends[side].spelled(values.pop(side))
                    for side in ("from", "to")
                }
                yield reader.line_num, keys, converted(fields, values)
            except (TypeError, ValueError, ValidationError) as error:
                self.reject(reader.line_num, error)
        text.detach()

    def fields(self, names: list[str]) -> dict[str, Any]:
        """Return the fields of the columns that are characteristics."""
        if len(set(names)) != len(names) or not {"from", "to"} <= set(names):
            raise CommandError(
                'The first line must have the names of the columns, "from" and "to" '
                f"among them, each once; it has {', '.join(names) or 'nothing'}."
            )
        others = [name for name in names if name not in ("from", "to")]
        try:
            self.relationship._check_characteristics(dict.fromkeys(others))
        except TypeError as error:
            raise CommandError(str(error)) from error
        opts = self.relationship.connection_model._meta
        return {name: opts.get_field(name) for name in others}

    def with_objects(self, lines: list[Line]) -> list[Any]:
        """Return the two objects and the characteristics of each line."""
        found = {
            side: self.objects(side, {keys[side] for _number, keys, _values in lines})
            for side in ("from", "to")
        }
        pairs = []
        for number, keys, values in lines:
            gone = [side for side in keys if keys[side] not in found[side]]
            for side in gone:
                label = self.relationship.ends[side].target._meta.label
                self.reject(number, f"there is no {label} with the key {keys[side]!r}.")
            if not gone:
                one, two = (found[side][keys[side]] for side in ("from", "to"))
                pairs.append((one, two, values))
        return pairs

    def objects(self, side: str, keys: set[Any]) -> dict[Any, Any]:
        """Return the objects of `keys`, at the end `side`."""
        end = self.relationship.ends[side]
        objs = end.target._base_manager.using(self.using)
        natives = end.key.natives_in(end.links.key, keys, connections[self.using])
        return {end.value_of(obj): obj for obj in objs.filter(pk__in=natives)}

    def reject(self, number: int, error: Any) -> None:
        messages = getattr(error, "messages", [str(error)])
        self.bad.append(f"Line {number}: {' '.join(messages)}")


def converted(fields: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """
    Return the values of characteristics. Nothing is ``None`` to a field that may be
    null, else what it is by default. Times without a zone are of the current one.
    """
    result: dict[str, Any] = {}
    for name, text in values.items():
        field = fields[name]
        if text == "" and field.null:
            result[name] = None
        elif text == "" and field.has_default():
            continue
        elif field.is_relation:
            result[field.attname] = field.target_field.to_python(text)
        else:
            value = field.clean(text, None)
            if isinstance(value, datetime):
                value = from_current_timezone(value)
            result[name] = value
    return result
