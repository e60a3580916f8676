"""
The kinds of keys, and how the databases turn each into text and back.

A through table keeps the keys of targets of many models in one column, usually as
text. So every kind of key has a text form, the same in Python and in SQL, and a
way back.

This module knows databases and Django's fields, nothing of relations.
"""

from __future__ import annotations

import datetime
import re
import uuid
from abc import ABC, abstractmethod
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.db import NotSupportedError, models
from django.db.models import (
    CharField,
    DateField,
    DateTimeField,
    Field,
    IntegerField,
    TextField,
    UUIDField,
)

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

MIN_BIGINT, MAX_BIGINT = -(2**63), 2**63 - 1
#: The year first, with or without a time behind.
ANY_DATE = re.compile(
    r"(?P<year>\d{4})"
    r"(?:(?P<dash>[-/.])(?P<month>\d\d?)(?P=dash)(?P<day>\d\d?)|(?P<mm>\d\d)(?P<dd>\d\d))"
    r"(?:[ T]\d\d:.*)?",
    re.DOTALL,
)


class Kind(ABC):
    """
    A kind of key, by the class of its field.

    `native()` translates text, and `read()` also text that is spelled as the library
    would not spell it. `text_sql()` and `native_sql()` are for SQL: the latter returns
    a condition, or ``None``, and an expression that the database can evaluate without
    an error wherever the condition holds, whatever the text (another model's key, or
    junk).
    """

    #: The type of its values in Python.
    type: type
    #: The length that all its keys have as text, 0 if they differ, and what those of
    #: one length are called.
    length = 0
    plural = ""
    #: Whether a database that takes ABC for abc can mistake one key's text for another.
    has_letters = False

    @abstractmethod
    def native(self, text: str) -> Any:
        """Return the key that `text` stands for; ``ValueError`` if for none."""

    def read(self, text: str) -> Any:
        """Return the same of a `text` that is spelled in whatever way."""
        return self.native(text)

    def text_sql(self, column: str, connection: BaseDatabaseWrapper) -> str:
        """Return SQL for the text form of the key in `column`."""
        return cast_to_text(column, connection)

    @abstractmethod
    def native_sql(
        self, column: str, connection: BaseDatabaseWrapper
    ) -> tuple[str | None, str]:
        """Return a condition and SQL for the key whose text is in `column`."""


class TextKind(Kind):
    type = str
    has_letters = True

    def native(self, text: str) -> str:
        return text

    def native_sql(
        self, column: str, connection: BaseDatabaseWrapper
    ) -> tuple[str | None, str]:
        return None, column


class IntegerKind(Kind):
    type = int

    def native(self, text: str) -> int:
        value = int(text)
        if not MIN_BIGINT <= value <= MAX_BIGINT:
            raise ValueError(f"{text!r} is beyond the range of a key")
        return value

    def read(self, text: str) -> int:
        # Spreadsheets write 1.0.
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{text!r} is no number") from None
        if not (value.is_finite() and MIN_BIGINT <= value <= MAX_BIGINT):
            raise ValueError(f"{text!r} is beyond the range of a key")
        if value != int(value):
            raise ValueError(f"{text!r} is no whole number")
        return int(value)

    def native_sql(
        self, column: str, connection: BaseDatabaseWrapper
    ) -> tuple[str | None, str]:
        if connection.vendor == "sqlite":
            return None, f"CAST({column} AS INTEGER)"
        # A number beyond the range of a key is moved to its end: it must not raise,
        # and the comparison of the texts keeps it out.
        digits = "'^-?[0-9]{1,19}$'"
        if connection.vendor == "postgresql":
            number = f"LEAST(GREATEST({column}::numeric, {MIN_BIGINT}), {MAX_BIGINT})"
            return f"{column} ~ {digits}", f"({number})::bigint"
        number = f"CAST({column} AS DECIMAL(20))"
        number = f"LEAST(GREATEST({number}, {MIN_BIGINT}), {MAX_BIGINT})"
        return f"{column} REGEXP {digits}", f"CAST({number} AS SIGNED)"


class UUIDKind(Kind):
    type = uuid.UUID
    length = 36
    plural = "UUIDs"
    has_letters = True

    def native(self, text: str) -> uuid.UUID:
        return uuid.UUID(text)

    def read(self, text: str) -> uuid.UUID:
        return uuid.UUID(text.strip())

    def text_sql(self, column: str, connection: BaseDatabaseWrapper) -> str:
        if connection.features.has_native_uuid_field:
            return cast_to_text(column, connection)
        return dashed(column, connection)

    def native_sql(
        self, column: str, connection: BaseDatabaseWrapper
    ) -> tuple[str | None, str]:
        if connection.vendor == "sqlite":
            digits = f"REPLACE({column}, '-', '')"
            guard = f"LENGTH({digits}) = 32 AND {digits} NOT GLOB '*[^0-9a-f]*'"
            return guard, digits
        dashed = "'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
        if connection.vendor == "postgresql":
            return f"{column} ~ {dashed}", f"{column}::uuid"
        if connection.features.has_native_uuid_field:
            # MariaDB knows no version of 8 or more in the variants below 8.
            halves = "([0-7][0-9a-f]{3}-[0-9a-f]{4}|[0-9a-f]{4}-[89a-f][0-9a-f]{3})"
            known = f"'^[0-9a-f]{{8}}-[0-9a-f]{{4}}-{halves}-[0-9a-f]{{12}}$'"
            return f"{column} REGEXP {known}", f"CAST({column} AS UUID)"
        return f"{column} REGEXP {dashed}", f"REPLACE({column}, '-', '')"


class DateKind(Kind):
    type = datetime.date
    length = 10
    plural = "dates"

    def native(self, text: str) -> datetime.date:
        return datetime.date.fromisoformat(text)

    def read(self, text: str) -> datetime.date:
        found = ANY_DATE.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no date")
        parts = found.group("year", "month", "day", "mm", "dd")
        return datetime.date(*(int(part) for part in parts if part))

    def text_sql(self, column: str, connection: BaseDatabaseWrapper) -> str:
        if connection.vendor == "postgresql":
            # A cast would follow the session's DateStyle.
            return f"to_char({column}, 'YYYY-MM-DD')"
        return cast_to_text(column, connection)

    def native_sql(
        self, column: str, connection: BaseDatabaseWrapper
    ) -> tuple[str | None, str]:
        if connection.vendor == "sqlite":
            # The modifier makes it look at the calendar.
            exists = f"date({column}, '+0 days') = {column} AND {column} > '0001'"
            return exists, column
        # A day that no calendar has is moved to one that exists: it must not raise,
        # and the comparison of the texts keeps it out.
        digits = "'^[0-9]{4}-[0-9]{2}-[0-9]{2}$'"
        if connection.vendor == "postgresql":
            year, month, day = (
                f"SUBSTR({column}, {start}, {length})::int"
                for start, length in ((1, 4), (6, 2), (9, 2))
            )
            month = f"LEAST(GREATEST({month}, 1), 12)"
            first = f"make_date(GREATEST({year}, 1), {month}, 1)"
            return f"{column} ~ {digits}", f"({first} + {day} - 1)"
        year, month, day = (
            f"CAST(SUBSTR({column}, {start}, {length}) AS UNSIGNED)"
            for start, length in ((1, 4), (6, 2), (9, 2))
        )
        # Not MAKEDATE(), which takes the year 50 for 2050.
        date = (
            f"CAST('0001-01-01' AS DATE) + INTERVAL (GREATEST({year}, 1) - 1) YEAR "
            f"+ INTERVAL (LEAST(GREATEST({month}, 1), 12) - 1) MONTH "
            f"+ INTERVAL (LEAST(GREATEST({day}, 1), 31) - 1) DAY"
        )
        return f"{column} REGEXP {digits}", f"({date})"


TEXT = TextKind()
#: The kinds by the field classes that Django has for them. ``None`` is for one that is
#: made from another, and keeps something else.
KINDS: dict[type[Field[Any, Any]], Kind | None] = {
    CharField: TEXT,
    TextField: TEXT,
    IntegerField: IntegerKind(),
    UUIDField: UUIDKind(),
    DateField: DateKind(),
    DateTimeField: None,
}


def kind_of(field: Field[Any, Any]) -> Kind | None:
    """
    Return the kind of the key `field`, ``None`` if such keys cannot be linked. A
    subclass is of the kind of its parent, whatever internal type it says it has; a
    field that is made from none of Django's is what its internal type says.
    """
    stands_for = getattr(models, field.get_internal_type(), object)
    for field_class in (*type(field).__mro__, *stands_for.__mro__):
        if field_class in KINDS:
            return KINDS[field_class]
    return None


def dashed(digits: str, connection: BaseDatabaseWrapper) -> str:
    """Return SQL for a UUID as text, from SQL for its 32 digits."""
    parts = [
        f"SUBSTR({digits}, {start}, {length})"
        for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    ]
    if connection.vendor == "mysql":
        return f"CONCAT_WS('-', {', '.join(parts)})"
    return "(" + " || '-' || ".join(parts) + ")"


def cast_to_text(column: str, connection: BaseDatabaseWrapper) -> str:
    """Return SQL that turns `column` into text with the database's own cast."""
    if connection.vendor == "postgresql":
        return f"({column})::varchar"
    if connection.vendor == "sqlite":
        return f"CAST({column} AS TEXT)"
    if connection.vendor == "mysql":
        # Not CAST(… AS CHAR): its collation clashes with that of a column.
        return f"CONCAT({column}, '')"
    raise NotSupportedError(
        f"gm2m does not support the {connection.vendor!r} database backend: use "
        "PostgreSQL, MariaDB, MySQL or SQLite."
    )
