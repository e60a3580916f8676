"""Random queries, as code that both sides can be asked."""

from typing import Any

from django.db import connection
from hypothesis import strategies as st

from .answers import Question
from .expressions import Expressions
from .paths import AGGREGATE, MUST, NOT, VALUE
from .schema import Model, without


class Query(Expressions):
    """A queryset that is being written: its `code`, of `model`."""

    def start(self, model: str = "", *, manager: bool = True) -> None:
        """Begin with the manager of a model, or with that of an object's relation."""
        compared = [
            name
            for name, found in self.schema.items()
            if any(relation.managers[0] for relation in found.relations.values())
        ]
        self.model = model or self.one_of(*compared, *self.schema)
        self.annotations: list[str] = []
        #: Whether the next filter uses the join of the manager, as in Django.
        self.is_sticky = False
        sources = [
            (source, name)
            for source, found in self.schema.items()
            for name, relation in found.relations.items()
            if relation.to == self.model
            and relation.managers[0]
            and self.is_linked(relation.back)
        ]
        if not (manager and sources and self.maybe()):
            self.code = f"{self.model}.objects.all()"
            return
        source, name = self.one_of(*sources)
        self.code = f"{source}.objects.get(pk={self.key(source)})<.{name}>"
        self.go_on_from(self.schema[source].relations[name].back)

    def go_on_from(self, back: str) -> None:
        """Note that the manager, or what prefetches, has joined the relation `back`."""
        if "Box" not in self.schema:
            self.unlike = back
        elif back:
            self.relations["", self.schema["Box"].relations[back].field] = back
            self.inner.add(f"<{back}>")
            self.is_sticky = True

    def is_linked(self, back: str) -> bool:
        """Whether sources may be linked by the relation `back`, if it is one."""
        if not (back and self.linked):
            return True
        relation = self.schema["Box"].relations[back]
        return self.linked[relation.field] == relation.to

    # Steps.

    def restrict(self) -> None:
        """Filter or exclude."""
        if self.seldom():
            self.code += f".exclude({self.condition(self.model, NOT)})"
        elif self.is_sticky or self.maybe():
            self.code += f".filter({self.condition(self.model, MUST)})"
        else:
            # Its joins are others.
            before, self.relations, self.inner = self.relations, {}, set()
            self.code += f".filter({self.condition(self.model, MUST)})"
            # Nothing goes on from links of which two filters ask different things.
            for hop, name in before.items():
                self.relations[hop] = name if self.relations.get(hop) == name else ""
        self.is_sticky = False

    def annotate(self) -> None:
        name, method = (
            f"a{len(self.code)}",
            self.one_of("annotate", "annotate", "alias"),
        )
        expression = self.expression(self.model)
        self.code += f".{method}({name}={expression})"
        if method == "annotate":
            self.annotations.append(name)
        if expression.startswith(("Count", "Sum")) and self.seldom():
            self.code += f".filter({name}__gte=1)"
        self.is_sticky = False

    def filtered_relation(self) -> None:
        """Join with a condition, and ask for what is joined."""
        path = self.path(self.model, AGGREGATE, many=True)
        if not path.code:
            return
        column = self.one_of(*self.schema[path.end].columns)
        one, other = (self.value(path.end, column) for _ in range(2))
        key = self.key(path.end)
        condition = self.one_of(
            f"Q({path.to(column)}={one})",
            f"Q({path.code}={key})",
            f"Q({path.code}={path.end}(pk={key}))",
            f"Q({path.code}__in=[{key}])",
            f"Q({path.code}={key}) | Q({path.to(column)}={one})",
        )
        condition = self.one_of(condition, f"~({condition})")
        name = f"r{len(self.code)}"
        relation = f"FilteredRelation('{path.code}', condition={condition})"
        self.code += f".annotate({name}={relation})" + self.one_of(
            f".filter({name}__{column}={other})",
            f".filter({name}__isnull=False)",
            f".annotate({name}n=Count('{name}', distinct=True))",
        )
        if self.code.endswith("distinct=True))"):
            self.annotations.append(f"{name}n")
        self.is_sticky = False

    def combine(self) -> None:
        """Make a set of this queryset and another."""
        other = self.sub()
        other.start(self.model)
        other.restrict()
        kind = self.one_of("union", "intersection", "difference", "&", "|", "^")
        if kind not in "&|^":
            self.code += f".{kind}({other.code})"
            self.loose = False
            return
        if self.unlike or other.unlike:
            self.code += f".difference({other.code})"
            return
        if not self.linked and (self.relations or other.relations):
            kind = "&"
        self.code = f"({self.code} {kind} {other.code})"
        self.loose = self.loose or other.loose
        self.relations = dict.fromkeys([*self.relations, *other.relations], "")

    def order(self) -> None:
        """Give the rows an order that leaves no two of them to chance."""
        path, column = self.column(self.model, VALUE)
        first = f"{self.one_of('', '-')}{path.to(column)}"
        names = [first, "pk", *self.annotations]
        self.code += f".order_by({', '.join(map(repr, names))})"

    def slice(self) -> None:
        start, number = self.draw(st.integers(0, 2)), self.draw(st.integers(1, 3))
        self.code += f"[{start}:{start + number}]"

    # Questions.

    def question(self) -> Question:
        self.start()
        for _ in range(self.draw(st.integers(0, 2))):
            self.one_of(
                self.restrict, self.restrict, self.annotate, self.filtered_relation
            )()
        ends = [self.rows, self.rows, self.values, self.groups, self.total]
        ends += [self.prefetch, self.write]
        if not self.annotations:
            ends += [self.combined, self.combined]
        if connection.features.can_distinct_on_fields:
            ends.append(self.distinct_on)
        return self.one_of(*ends)()

    def rows(self) -> Question:
        if self.loose:
            if self.annotations or self.maybe():
                return Question(self.code, "set")
            self.code += ".distinct()"
        if self.maybe():
            return self.one()
        self.order()
        if self.maybe():
            self.slice()
        return Question(self.code, "list")

    def one(self) -> Question:
        end = self.one_of("", "", "count", "exists", "first", "last", "contains")
        if end in ("first", "last"):
            self.order()
        if end == "contains":
            obj = f"{self.model}.objects.get(pk={self.key(self.model)})"
            return Question(f"{self.code}.contains({obj})")
        return Question(f"{self.code}.{end}()" if end else self.code)

    def combined(self) -> Question:
        self.combine()
        if self.loose:
            return Question(self.code, "set")
        end = self.one_of("", ".count()", ".exists()", ".order_by('pk')", "slice")
        if end == "slice":
            self.code, end = f"{self.code}.order_by('pk')", ""
            self.slice()
        return Question(f"{self.code}{end}")

    def columns(self, number: int) -> str:
        paths = (self.column(self.model, VALUE) for _ in range(number))
        return ", ".join(repr(path.to(column)) for path, column in paths)

    def values(self) -> Question:
        names = ", ".join([self.columns(2), *map(repr, self.annotations)])
        self.code += f".values_list({names})"
        if self.loose or self.maybe():
            self.code += ".distinct()"
        return Question(f"{self.code}{self.one_of('', '.count()')}")

    def groups(self) -> Question:
        """Group by a column."""
        self.code += f".values_list({self.columns(1)})"
        return Question(f"{self.code}.annotate(n={self.aggregate(self.model)})")

    def total(self) -> Question:
        return Question(f"{self.code}.aggregate(n={self.aggregate(self.model)})")

    def distinct_on(self) -> Question:
        """One row for each value of a column, as PostgreSQL has it."""
        path, column = self.column(self.model, VALUE)
        name = path.to(column)
        if self.maybe():
            return Question(f"{self.code}.distinct('{name}').count()")
        names = [name, "pk", *self.annotations]
        self.code += f".order_by({', '.join(map(repr, names))}).distinct('{name}')"
        return Question(self.code, "list")

    def prefetch(self) -> Question:
        """Prefetch a relation with a queryset of its own."""
        relations = {
            name: relation
            for name, relation in self.schema[self.model].relations.items()
            if relation.managers[0]
        }
        if not relations:
            return self.rows()
        name = self.one_of(*relations)
        query = self.sub()
        # If the queryset has joined the many-to-many's table as well, Django takes the
        # source of each object from the wrong one of the two.
        query.schema = without(self.schema, name)
        query.start(relations[name].to, manager=False)
        for _ in range(self.draw(st.integers(0, 2))):
            query.one_of(query.restrict, query.annotate, query.filtered_relation)()
        if query.loose:
            query.code += ".distinct()"
        where = self.one_of("found", "unordered")
        if where == "found":
            query.order()
            if self.maybe():
                query.slice()
        prefetch = f"Prefetch('<:{name}>', {query.code}, '{where}')"
        self.code += f".prefetch_related({prefetch})"
        return Question(self.code, "set" if self.loose else "bag")

    def write(self) -> Question:
        end = self.one_of("update(year=9)", "update(year=F('year') + 1)", "delete()")
        return Question(f"{self.code}.{end}", changed=self.model)


@st.composite
def questions(draw: Any, schema: dict[str, Model], linked: dict[str, str]) -> Question:
    return Query(draw, schema, linked, depth=2).question()
