"""What the code of a query answers on either side, and how a difference is shown."""

import uuid
from collections import Counter as Multiset
from typing import Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models import Model, QuerySet

from . import models as oracle
from .lists import Lists
from .schema import as_code
from .worlds import Link

NAMES = {
    **{name: getattr(models, name) for name in models.__all__},
    **{name: value for name, value in vars(oracle).items() if isinstance(value, type)},
    "Lists": Lists,
    "UUID": uuid.UUID,
}


class Question(NamedTuple):
    """
    Code whose answer is a value, or rows that are compared as a ``"list"``, as a
    ``"bag"`` (in any order) or as a ``"set"`` (however often they are repeated).

    `changed` is the model whose rows are compared, too, and then changed back.
    """

    code: str
    rows: str = "bag"
    changed: str = ""


class Raised(NamedTuple):
    """An error as an answer. Its message is not compared."""

    error: Exception

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Raised)


def ask(question: Question, schema: Any, side: int) -> Any:
    """Return what `question` answers on one side: 0 the library's, 1 Django's."""
    code = as_code(question.code, schema, side)
    try:
        with transaction.atomic():
            found = plain(eval(code, dict(NAMES)), question.rows)
            if question.changed:
                rows = NAMES[question.changed].objects.order_by("pk").values_list()
                found = found, list(rows)
                transaction.set_rollback(True)
            return found
    except Exception as error:
        return Raised(error)


def plain(value: Any, rows: str) -> Any:
    """Return `value` as what can be compared with that of the other side."""
    if isinstance(value, Model):
        return plain_instance(value)
    if not isinstance(value, (QuerySet, Lists, set)):
        return value
    found = [plain(row, rows) for row in value]
    if rows == "list":
        return found
    return set(found) if rows == "set" else Multiset(found)


def plain_instance(obj: Model) -> tuple[Any, ...]:
    """What an object is, with its annotations and what has been prefetched."""
    fields = {field.attname for field in obj._meta.concrete_fields}
    more = {
        name: tuple(found.pk for found in value) if name == "found" else value
        for name, value in vars(obj).items()
        if name not in fields and not name.startswith("_")
    }
    if "unordered" in more:
        more["unordered"] = tuple(sorted(str(found.pk) for found in more["unordered"]))
    return type(obj).__name__, obj.pk, tuple(sorted(more.items()))


def difference(links: list[Link], question: Question, schema: Any) -> str:
    """Return code that shows how the two sides differ, or nothing if they do not."""
    ours, theirs = (ask(question, schema, side) for side in (0, 1))
    if ours == theirs or (isinstance(theirs, Raised) and isinstance(ours, Raised)):
        return ""
    return f"""
# {connection.vendor}, compared as a {question.rows}; in a test with `django_db`:
from uuid import UUID
from django.db.models import *
from tests.oracle.lists import Lists
from tests.oracle.models import *
from tests.oracle.worlds import link, make_objects

make_objects()
link({links!r})
ours = {as_code(question.code, schema, 0)}
theirs = {as_code(question.code, schema, 1)}
# ours: {ours!r}
# theirs: {theirs!r}
"""
