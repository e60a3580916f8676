"""
How the keys in through rows are spelled.

The library writes one text for each key. An import, a plain form or a statement by hand
may have written another: ``001``, a UUID in capitals. Such a row leads nowhere, but its
object exists, so the row must not be taken for one whose object is gone.

The database finds the rows whose key it cannot tell; what they say is read here. In
place of a ``GM2MField`` there may be an end of connections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connections, transaction
from django.db.models import (
    Case,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import MD5, Cast
from django.db.models.lookups import Exact, IsNull

from .batches import batches
from .comparisons import KeyText, NativeKey
from .keys import Key
from .lookups import KeyAmong
from .targets import is_among, row_key


class Misspelt(NamedTuple):
    """
    A row whose key is spelled otherwise, and the `key` it should have. `is_stray` says
    that the database finds no object by the key as it is.
    """

    pk: Any
    key: Any
    is_stray: bool


class Counts(NamedTuple):
    """How many rows have an object that is `gone`, and how many are `misspelt`."""

    gone: int
    misspelt: int


class Spelling:
    """
    The spelling of keys in rows of `owner`, a field or an end of connections, that lead
    to objects of one model. `targets` are all of these.
    """

    def __init__(self, owner: Any, targets: QuerySet[Any]) -> None:
        self.owner, self.targets = owner, targets
        self.column: Key = owner.links.key
        self.name: str = owner.links.key_field.name
        self.key = Key(targets.model._meta.pk)

    def strays(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of `rows` whose key, as it is spelled, no object has."""
        return rows.filter(~is_among(self.owner, self.targets))

    def suspects(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """
        Return those of `rows` that may be misspelt. Of others that are strays, the key
        is spelled as the library does, so that their object is gone.
        """
        is_stray: Any = ~Q(is_among(self.owner, self.targets))
        text: Any = F(self.name)
        if not self.column.is_text:
            text = KeyText(text, self.key.kind)
        if self.key.plain_type:
            # What a field shows instead of a key may look like one.
            is_stray &= Q(IsNull(NativeKey(text, self.key), True))
        if not self.has_twins:
            return rows.filter(is_stray)
        pk: Any = F("pk")
        if not self.key.is_text:
            pk = KeyText(pk, self.key.kind)
        is_same = Exact(MD5(pk), MD5(OuterRef(self.name)))
        return rows.filter(is_stray | Q(Exists(self.twins.filter(~Q(is_same)))))

    @property
    def has_twins(self) -> bool:
        """
        Whether the database may take texts for the same: by a collation, ABC is abc.
        """
        return self.column.is_text and self.key.kind.has_letters

    @property
    def twins(self) -> QuerySet[Any]:
        """Return the object that a row of the outer query has, for the database."""
        return self.targets.filter(pk=row_key(self.owner, self.targets.model))

    def misspelt(self, rows: QuerySet[Any]) -> list[Misspelt]:
        """
        Return those of `rows` that are misspelt: one query, and another for each 10,000
        suspects. All suspects are read into memory.
        """
        text: Any = F(self.name)
        if not self.column.is_text:
            text = Cast(text, TextField())
        twin: Any = Value(None, output_field=TextField())
        if self.has_twins:
            twin = Subquery(self.twins.values("pk")[:1])
        suspects = self.suspects(rows).order_by()
        found = list(suspects.values_list("pk", text, twin))
        readings = {text: list(self.readings(text)) for _pk, text, _twin in found}
        keys = self.existing(
            dict.fromkeys(one for some in readings.values() for one in some)
        )
        misspelt = []
        for pk, text, twin in found:
            if twin is not None:
                key = self.key.kept_in(self.column, twin)
                misspelt.append(Misspelt(pk, key, is_stray=False))
                continue
            for reading in readings[text]:
                if reading in keys:
                    misspelt.append(Misspelt(pk, keys[reading], is_stray=True))
                    break
        return misspelt

    def readings(self, text: str) -> Iterator[str]:
        """
        Yield the texts of the keys that `text` may stand for: what the database would
        hold, then what the field shows.
        """
        with suppress(ValueError):
            yield str(self.key.kind.read(text))
        if not self.key.plain_type:
            field = self.key.field
            # What is no key raises what the field sees fit.
            with suppress(LookupError, TypeError, ValueError, ValidationError):
                yield str(field.get_prep_value(field.to_python(text)))

    def existing(self, texts: Iterable[str]) -> dict[str, Any]:
        """Return those of the `texts` that objects have for keys, with what is kept."""
        connection = connections[self.targets.db]
        natives = (native for native, _text in self.key.natives(texts, connection))
        return {
            self.key.text(pk): self.key.kept_in(self.column, pk)
            for batch in batches(natives)
            for pk in self.targets.filter(KeyAmong(F("pk"), batch)).values_list(
                "pk", flat=True
            )
        }

    def count(self, rows: QuerySet[Any], parts: Iterable[QuerySet[Any]]) -> Counts:
        """
        Count those of `rows` whose object is gone, and those that are misspelt: two
        queries, or three for each of `parts` if any are suspect. These make up `rows`,
        and are looked at one at a time.
        """
        strays = self.strays(rows).count()
        if not ((strays or self.has_twins) and self.suspects(rows).exists()):
            return Counts(strays, 0)
        found = total = 0
        for part in parts:
            misspelt = self.misspelt(part)
            total += len(misspelt)
            found += sum(one.is_stray for one in misspelt)
        return Counts(max(strays - found, 0), total)

    def gone(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of `rows` whose object is gone. Suspects are read for it."""
        strays = self.strays(rows)
        misspelt = [one.pk for one in self.misspelt(rows)]
        return strays.exclude(pk__in=misspelt) if misspelt else strays


class Respelled(NamedTuple):
    """How many rows were spelled anew, removed as duplicates, and left."""

    respelled: int
    removed: int
    kept: int


def respell(
    rows: QuerySet[Any],
    changes: Mapping[Any, Mapping[str, Any]],
    identity: Sequence[str],
    *,
    remove_duplicates: bool,
) -> Respelled:
    """
    Make the `changes`, new values of columns by primary key, to `rows` of a table, in
    one transaction.

    What makes up a link is in the columns `identity`. With `remove_duplicates`, for
    tables that keep nothing else of a link, a row goes if there is another of its link
    in the right spelling. A row that the database refuses to change is left.
    """
    with transaction.atomic(rows.db):
        duplicates: list[Any] = []
        if remove_duplicates:
            duplicates = list(duplicates_among(rows, changes, identity))
            rows.filter(pk__in=duplicates).delete()
        left = {
            pk: new
            for pk, new in changes.items()
            if pk not in duplicates and fits(rows.model, new)
        }
        respelled = update(rows, left)
        if respelled is None:
            # One alone, perhaps, is refused.
            respelled = sum(update(rows, {pk: new}) or 0 for pk, new in left.items())
    kept = len(changes) - len(duplicates) - respelled
    return Respelled(respelled, len(duplicates), kept)


def duplicates_among(
    rows: QuerySet[Any],
    changes: Mapping[Any, Mapping[str, Any]],
    identity: Sequence[str],
) -> Iterator[Any]:
    """
    Yield the keys of rows whose link, after the `changes`, another row has: one that
    stays as it is, or one of those before. Two queries.
    """
    before = rows.filter(pk__in=list(changes)).order_by("pk").values("pk", *identity)
    after = {row["pk"]: {**row, **changes[row["pk"]]} for row in before}
    columns = {
        f"{name}__in": {row[name] for row in after.values()} for name in identity
    }
    others = rows.filter(**columns).order_by().values_list("pk", *identity)
    taken = {tuple(link) for pk, *link in others if pk not in after}
    for pk, row in after.items():
        link = tuple(row[name] for name in identity)
        if link in taken:
            yield pk
        taken.add(link)


def update(rows: QuerySet[Any], changes: Mapping[Any, Mapping[str, Any]]) -> int | None:
    """
    Make the `changes` in one statement; return how many rows there were, ``None`` if
    the database refused.
    """
    if not changes:
        return 0
    cast = connections[rows.db].features.requires_casted_case_in_updates
    values: dict[str, Any] = {}
    for name in next(iter(changes.values())):
        field: Any = rows.model._meta.get_field(name)
        cases = [
            When(pk=pk, then=Value(new[name], output_field=field))
            for pk, new in changes.items()
        ]
        value: Any = Case(*cases, output_field=field)
        values[name] = Cast(value, field) if cast else value
    try:
        with transaction.atomic(rows.db):
            return rows.filter(pk__in=list(changes)).update(**values)
    except (DataError, IntegrityError):
        return None


def fits(model: Any, values: Mapping[str, Any]) -> bool:
    """Return whether text columns have room for `values`; SQLite would not say."""
    limits = ((model._meta.get_field(name).max_length, name) for name in values)
    return not any(
        limit is not None
        and isinstance(values[name], str)
        and len(values[name]) > limit
        for limit, name in limits
    )
