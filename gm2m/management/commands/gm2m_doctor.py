"""``manage.py gm2m_doctor``: what is wrong with the links, and what can be mended."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    connections,
    router,
    transaction,
)
from django.db.models import Max, ProtectedError, QuerySet, RestrictedError
from django.db.models.functions import Length

from ...batches import spans
from ...discovery import all_fields
from ...fields import GM2MField
from ...indexes import missing_indexes
from ...integrity import (
    LinkedModel,
    has_columns,
    linked_models,
    table_of,
    tables_among,
)
from ...key_columns import key_column
from ...keys import Key
from ...spelling import respell
from ..progress import Progress

#: As many rows are looked at in one transaction, and deleted if need be.
BATCH_SIZE = 500
#: Why keys may not be spelled anew.
REFUSED = (
    "the key column is too short, or your through model has a row of the same link "
    "already, which may have other values."
)
#: Keys that take this share of their column are told of.
NEARLY = 0.9


@dataclass
class Finding:
    """
    Something that is not as it should be. `kind` is ``table``, ``column``, ``index``,
    ``uninstalled``, ``unreadable``, ``undeclared``, ``dangling``, ``misspelt`` or
    ``length``; `subject` the table, a type, columns or the model; `links` how many
    links are to be removed or spelled anew, `removed` and `respelled` how many have
    been.
    """

    field: str
    kind: str
    subject: str
    message: str
    links: int = 0
    removed: int = 0
    respelled: int = 0

    @property
    def done(self) -> int:
        """How many of the links there is nothing to do about any more."""
        return self.removed + self.respelled

    def as_dict(self) -> dict[str, Any]:
        """Return what the JSON report says."""
        told = asdict(self)
        if self.kind != "misspelt":
            del told["respelled"]
        return told

    @property
    def is_left(self) -> bool:
        """Whether there is still something to do. To declare a model is advice."""
        if self.links:
            return self.done < self.links
        return self.kind != "undeclared"


class Command(BaseCommand):
    """
    Report what is wrong with links, remove those whose target is gone, and spell keys
    anew.
    """

    help = (
        "Looks for links whose target is gone, for keys that are spelled otherwise "
        "than the library does, for links to models that are not installed or not "
        "declared, for keys that hardly fit, for key columns of another type and for "
        "missing indexes. The exit status is 1 if anything was found and left."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "fields",
            nargs="*",
            metavar="app_label[.Model[.field]]",
            help="The fields to look at; without any, all.",
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
            help="Remove the links whose target is gone, and spell keys anew.",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="With --fix: only say what would be done.",
        )
        parser.add_argument(
            "--format",
            default="text",
            choices=("text", "json"),
            help='The form of the report. Defaults to "text".',
        )

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        self.as_text = options["format"] == "text"
        self.progress = Progress(self.stderr)
        findings = []
        fields = chosen(options["fields"], connection)
        for number, field in enumerate(fields):
            self.progress.show(str(field), number, len(fields))
            for finding, linked in examine(field, connection):
                findings.append(finding)
                self.tell(f"{finding.field}: {finding.message}")
                if linked is not None and options["fix"]:
                    self.fix(finding, linked, connection.alias, options["dry_run"])
                self.progress.show(str(field), number, len(fields))
        self.progress.clear()
        if not findings:
            self.tell("Nothing found.")
        if not self.as_text:
            report = [finding.as_dict() for finding in findings]
            self.stdout.write(json.dumps(report, indent=2))
        if any(finding.is_left for finding in findings):
            sys.exit(1)

    def tell(self, line: str) -> None:
        if self.as_text:
            self.progress.clear()
            self.stdout.write(line)

    def fix(
        self, finding: Finding, linked: LinkedModel, using: str, dry_run: bool
    ) -> None:
        """Do about the links what `finding` asks for."""
        is_misspelt = finding.kind == "misspelt"
        if dry_run:
            verb = "spell anew" if is_misspelt else "remove"
            self.tell(f"  Would {verb} {finding.links}.")
        elif is_misspelt:
            self.respell(finding, linked, using)
        else:
            self.remove(finding, linked, using)

    def batches(
        self, finding: Finding, linked: LinkedModel, using: str
    ) -> Iterator[QuerySet[Any]]:
        """Yield parts of the links until there is nothing left to do."""
        what = f"{finding.field}: {finding.subject}"
        for span in spans(linked.rows(using), BATCH_SIZE):
            self.progress.show(what, finding.done, finding.links)
            yield linked.span(using, **span)
            if finding.done >= finding.links:
                return

    def remove(self, finding: Finding, linked: LinkedModel, using: str) -> None:
        """Remove the links whose target is gone, batch by batch."""
        label = linked.rows(using).model._meta.label
        spelling = linked.spelling(using)
        for batch in self.batches(finding, linked, using):
            try:
                with transaction.atomic(using):
                    gone = spelling.gone(batch)
                    _total, by_model = gone.delete()
            except (ProtectedError, RestrictedError) as error:
                self.tell(f"  Kept {spelling.gone(batch).count()}: {error.args[0]}")
            else:
                finding.removed += by_model.get(label, 0)
        self.tell(f"  Removed {finding.removed} of {finding.links}.")

    def respell(self, finding: Finding, linked: LinkedModel, using: str) -> None:
        """
        Spell keys anew, batch by batch. Of an automatic through, a row goes whose link
        is there in the right spelling.
        """
        links, spelling, kept = linked.field.links, linked.spelling(using), 0
        name = links.key_field.attname
        for batch in self.batches(finding, linked, using):
            done = respell(
                linked.rows(using),
                {row.pk: {name: row.key} for row in spelling.misspelt(batch)},
                [field.attname for field in links.fields],
                remove_duplicates=links.is_automatic,
            )
            finding.respelled += done.respelled
            finding.removed += done.removed
            kept += done.kept
        self.tell(f"  Spelled anew {finding.respelled} of {finding.links}.")
        if finding.removed:
            self.tell(f"  Removed {finding.removed}: their links are there already.")
        if kept:
            self.tell(f"  Kept {kept}: {REFUSED}")


def chosen(labels: Iterable[str], connection: Any) -> list[GM2MField]:
    """Return the fields that `labels` name, whose tables `connection` is to have."""
    fields, labels = all_fields(), list(labels)
    names = {field: str(field).lower() for field in fields}
    for label in labels:
        if not any(is_within(name, label) for name in names.values()):
            raise CommandError(f"No GM2MField is called {label!r} or is in it.")
    return [
        field
        for field in fields
        if router.allow_migrate_model(connection.alias, field.remote_field.through)
        and (not labels or any(is_within(names[field], label) for label in labels))
    ]


def is_within(name: str, label: str) -> bool:
    """Return whether the field `name` is `label`, or of that model or app."""
    return f"{name}.".startswith(f"{label.lower()}.")


Findings = Iterator[tuple[Finding, LinkedModel | None]]


def examine(field: GM2MField, connection: Any) -> Findings:
    """
    Yield what is wrong with the links of `field`, and those that can be removed. No
    row is read into memory.
    """
    name, table = str(field), table_of(field, connection)
    if not tables_among([field], connection) or not has_columns(field, connection):
        message = f"the table {table} is missing, or not as the models have it."
        yield Finding(name, "table", table, f"{message} Migrate."), None
        return
    column = key_column(field, connection) if field.links.is_automatic else None
    if column is not None and not column.is_text:
        message = (
            f"the key column of the table {table} is of the type {column.sql}, and not "
            "text, so that its links cannot be read. Run "
            "gm2m.operations.AlterGM2MField in a migration."
        )
        yield Finding(name, "column", column.sql, message), None
        return
    for linked in linked_models([field], connection):
        if linked.model is None:
            message = (
                f"links to objects of {linked.label}, which is not installed or cannot "
                "be linked. Nobody sees them; they are kept in case it comes back."
            )
            yield Finding(name, "uninstalled", linked.label, message), None
        else:
            yield from examine_model(linked, connection.alias)
    if not field.links.is_automatic:
        return
    for columns, unique in missing_indexes(field, connection):
        what = "unique constraint" if unique else "index"
        message = (
            f"the table has no {what} on the columns {columns}. Run "
            "gm2m.operations.UpgradeGM2MIndexes in a migration."
        )
        yield Finding(name, "index", columns, message), None


def examine_model(linked: LinkedModel, using: str) -> Findings:
    """Yield what is wrong with the links to one model."""
    name, label = str(linked.field), linked.label
    if not linked.is_declared:
        message = (
            f"links to objects of {label}, which is not declared. Name the model in "
            "the field: a process that has not met a link to it has no reverse "
            "relation, and does not cascade."
        )
        yield Finding(name, "undeclared", label, message), None
    try:
        counts = linked.count_astray(using)
        longest, limit = longest_key(linked, using)
    except DatabaseError as error:
        message = f"the objects of {label} cannot be read: {error}"
        yield Finding(name, "unreadable", label, message), None
        return
    if counts.gone:
        message = f"links to objects of {label} that are gone: {counts.gone}."
        yield Finding(name, "dangling", label, message, links=counts.gone), linked
    if counts.misspelt:
        message = (
            f"links to objects of {label} whose keys are spelled otherwise than the "
            f"library does, so that nobody sees them: {counts.misspelt}."
        )
        yield Finding(name, "misspelt", label, message, links=counts.misspelt), linked
    if longest >= NEARLY * limit:
        message = (
            f"the longest key of {label} has {longest} characters, of {limit} that the "
            "key column holds. Longer ones are refused."
        )
        yield Finding(name, "length", label, message), None


def longest_key(linked: LinkedModel, using: str) -> tuple[int, float]:
    """Return the length of the longest key, and what the key column holds."""
    model: Any = linked.model
    kind, column = Key(model._meta.pk).kind, linked.field.links.key
    limit = column.field.max_length
    if not column.is_text or limit is None or kind.length:
        return 0, inf
    length = Max(Length(column.field.name))
    longest = linked.links(using).aggregate(longest=length)["longest"]
    return longest or 0, limit
