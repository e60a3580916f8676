"""
Connections that came by ``update()`` or by SQL, and that their relationship would have
written otherwise: symmetric pairs in the other order, and rows in the table of another
connection model. For the checks of a database, and for the command that mends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, router, transaction
from django.db.models import F, Func, QuerySet, TextField
from django.db.models.lookups import GreaterThan

from ..batches import batches
from .integrity import connection_models
from .models import IDENTITY, AbstractConnection

if TYPE_CHECKING:
    from .relationship import Relationship

#: As many connections are looked at in one transaction.
BATCH_SIZE = 500


class ByCodePoint(Func):
    """The text of a key, to be compared as Python does, whatever the collation."""

    template = "CAST(%(expressions)s AS TEXT) COLLATE BINARY"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = '(%(expressions)s)::text COLLATE "C"'
        return self.as_sql(compiler, connection, template=template, **context)

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST(CONCAT(%(expressions)s, '') AS BINARY)"
        return self.as_sql(compiler, connection, template=template, **context)


class Disorder:
    """Connections of a `relationship` in `model` that are not as it writes them."""

    #: What they are, what becomes of them, and the function that sees to it.
    what: str
    done: str
    put_in_order: Callable[[QuerySet[Any], str], int]

    def __init__(self, relationship: Relationship, model: type[AbstractConnection]):
        self.relationship, self.model = relationship, model

    def rows(self, using: str) -> QuerySet[Any]:
        """Return the connections."""
        rows: QuerySet[Any] = self.model._base_manager.using(using)
        return rows.filter(relationship_name=self.relationship.name)

    def count(self, using: str) -> int:
        """Return how many there are. Raise ``DatabaseError`` if tables are missing."""
        with transaction.atomic(using):
            return self.rows(using).count()

    def mend(self, using: str) -> int:
        """Put them in order batch by batch; return of how many nothing is left."""
        pks = list(self.rows(using).order_by("pk").values_list("pk", flat=True))
        return sum(self.mend_some(some, using) for some in batches(pks, BATCH_SIZE))

    def mend_some(self, pks: list[Any], using: str) -> int:
        """
        Put those with the keys `pks` in order, in one transaction, or one by one if
        something is in the way of one.
        """
        try:
            with transaction.atomic(using):
                return self.put_in_order(self.rows(using).filter(pk__in=pks), using)
        except (IntegrityError, TypeError, ValueError):
            # It stays, and is told of.
            if len(pks) == 1:
                return 0
            return sum(self.mend_some([pk], using) for pk in pks)


class Reversed(Disorder):
    """The connections of a symmetric relationship whose pair is in the other order."""

    what = "connections whose two keys are in the other order"
    done = "Put in order"

    def rows(self, using: str) -> QuerySet[Any]:
        one, two = ByCodePoint(F("from_pk")), ByCodePoint(F("to_pk"))
        return super().rows(using).filter(GreaterThan(one, two))

    def put_in_order(self, rows: QuerySet[Any], using: str) -> int:
        found = list(rows)
        pairs = [(row.to_pk, row.from_pk) for row in found]
        present = (
            self.relationship._present(pairs, using)
            if self.relationship.is_unique
            else {}
        )
        twice = [row.pk for row in found if (row.to_pk, row.from_pk) in present]
        rows.model._base_manager.using(using).filter(pk__in=twice).delete()
        left = [row for row in found if row.pk not in twice]
        # The order is put right on the way.
        rows.model._base_manager.using(using).bulk_update(left, ["from_pk", "to_pk"])
        return len(found)


class Misplaced(Disorder):
    """Connections in the table of a model that is not that of their relationship."""

    done = "Moved"

    @property
    def what(self) -> str:  # type: ignore[override]
        return (
            f"connections in {self.model._meta.label}, where nobody looks for them: it "
            f"has {self.relationship.connection_model._meta.label}"
        )

    def put_in_order(self, rows: QuerySet[Any], using: str) -> int:
        relationship, wanted = self.relationship, []
        for field in relationship.connection_model._meta.concrete_fields:
            if not (field.primary_key or field.null or field.has_default()) and (
                field.name not in IDENTITY
            ):
                raise ValueError(f"{field} has no value")
        for row in rows:
            ends = relationship.ends
            pair = ends["from"].spelled(row.from_pk), ends["to"].spelled(row.to_pk)
            wanted.append((relationship._canonical(pair), {"date": row.date}))
        if wanted:
            relationship._insert(wanted, using)
            rows.delete()
        return len(wanted)


def disorders(relationship: Relationship, using: str) -> Iterator[Disorder]:
    """Yield what connections of a relationship may be like in the database."""
    own = relationship.connection_model
    if relationship.symmetric and router.allow_migrate_model(using, own):
        yield Reversed(relationship, own)
    for model in connection_models():
        if model is not own and router.allow_migrate_model(using, model):
            yield Misplaced(relationship, model)
