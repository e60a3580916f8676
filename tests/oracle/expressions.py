"""Random conditions and expressions, as code."""

from typing import Any

from hypothesis import strategies as st

from .paths import AGGREGATE, MAY, MUST, NOT, VALUE, Path, Paths


class Expressions(Paths):
    """What the methods of a queryset are given."""

    def sub(self) -> Any:
        """Return the writer of a subquery."""
        return type(self)(self.draw, self.schema, self.linked, self.depth - 1)

    # Conditions.

    def condition(self, model: str, use: str, depth: int = 2, **options: Any) -> str:
        """Return a ``Q`` object or ``Exists``."""
        kind = self.one_of("leaf", "leaf", "and", "but", "or", "not", "exists")
        if kind == "exists" and self.depth:
            return self.exists(model)
        if depth == 0 or kind in ("leaf", "exists"):
            return self.leaf(model, use, **options)
        if kind == "not":
            within = NOT if use in (MUST, MAY) else use
            return f"~{self.condition(model, within, depth - 1, **options)}"
        if kind == "but" and use == MUST:
            sides = [self.leaf(model, MUST), f"~{self.leaf(model, NOT)}"]
            return f"({' & '.join(self.draw(st.permutations(sides)))})"
        within = MAY if kind == "or" and use == MUST else use
        sides = [self.condition(model, within, depth - 1, **options) for _ in range(2)]
        return f"({(' | ' if kind == 'or' else ' & ').join(sides)})"

    def leaf(self, model: str, use: str, **options: Any) -> str:
        """Return one condition."""
        kind = self.one_of("column", "key", "keys", "object", "null", "F")
        if kind in ("column", "F"):
            path, column = self.column(model, use, **options)
            if kind == "F":
                return self.comparison(model, path, column, use, **options)
            one, other = (self.value(path.end, column) for _ in range(2))
            lookup = self.one_of(f"={one}", f"__gt={one}", f"__in=[{one}, {other}]")
            return f"Q({path.to(column)}{lookup})"
        path = self.path(model, use, **options)
        if kind == "null":
            column = self.one_of("", *self.schema[path.end].columns)
            name = path.to(column) if column else path.code or "pk"
            # A link to another model has NULL there.
            null = self.one_of("False", "True") if self.is_exact(path) else "False"
            return f"Q({name}__isnull={null})"
        name = path.code or "pk"
        one, other = (self.key(path.end) for _ in range(2))
        if kind == "object" and path.code:
            return f"Q({name}={path.end}(pk={one}))"
        if kind == "keys" and self.depth:
            return f"Q({name}{self.keys(path.end)})"
        return self.one_of(f"Q({name}={one})", f"Q({name}__in=[{one}, {other}])")

    def is_exact(self, path: Path) -> bool:
        """Whether the links of `path` are what a many-to-many would have joined."""
        return bool(self.linked) or not path.hops

    def comparison(
        self, model: str, path: Path, column: str, use: str, **options: Any
    ) -> str:
        """Return a comparison of a column with another of its type."""
        # Django gives the expression of a negated condition no subquery.
        use = VALUE if use in (NOT, MAY) else use
        other = self.path(model, use, **options)
        if column not in self.schema[other.end].columns:
            return f"Q({path.to(column)}__isnull=False)"
        return f"Q({path.to(column)}=F('{other.to(column)}'))"

    # Subqueries.

    def leading_to(self, model: str) -> tuple[str, str]:
        """Return a model and its relation to another."""
        return self.one_of(
            *(
                (source, name)
                for source, found in self.schema.items()
                for name, relation in found.relations.items()
                if relation.to == model
            )
        )

    def keys(self, model: str) -> str:
        """Return a lookup for a queryset of keys of `model`, whatever it is of."""
        kind = self.one_of("queryset", "queryset", "related", "grouped", "one")
        if kind == "related":
            source, name = self.leading_to(model)
            found = f"{source}.objects.filter(<{name}>__isnull=False)"
            return f"__in={found}.values('<{name}>')"
        query = self.sub()
        query.start(model)
        query.restrict()
        if kind == "grouped":
            grouped = ".values('title').annotate(m=Max('pk')).values('m')"
            if "title" in self.schema[model].columns:
                return f"__in={query.code}.order_by(){grouped}"
        if kind == "one":
            one = f"{query.code}.order_by('pk').values('pk')[:1]"
            return self.one_of(f"={one}", f"=Subquery({one})")
        return f"__in={query.code}" + self.one_of("", ".values('pk')")

    def related(self, model: str) -> Any:
        """Return the writer of a queryset of what is related to the row outside."""
        source, name = self.leading_to(model)
        query = self.sub()
        query.start(source, manager=False)
        outer = self.one_of("", "__pk")
        query.code += f".filter(Q(<{name}>{outer}=OuterRef('pk')))"
        relation = self.schema[source].relations[name]
        if relation.field:
            query.relations["", relation.field] = name
        if self.seldom():
            query.restrict()
        return query

    def exists(self, model: str) -> str:
        return f"{self.one_of('', '~')}Exists({self.related(model).code})"

    def subquery(self, model: str) -> str:
        """Return one column of one row of a subquery."""
        query = self.related(model)
        column = self.one_of(*self.schema[query.model].columns)
        rows = f"{query.code}.order_by('{column}', 'pk').values('{column}')"
        return f"Subquery({rows}[:1])"

    # What is annotated.

    def aggregate(self, model: str) -> str:
        """Return an aggregate that ignores repeated rows where there may be some."""
        path = self.path(model, AGGREGATE, many=True)
        is_exact = not self.loose and (bool(self.linked) or not self.relations)
        kind = self.one_of("Count", "Max", "Min", "Sum" if is_exact else "Max")
        options = ""
        if kind == "Count" and (not is_exact or self.seldom()):
            options = ", distinct=True"
        elif kind in ("Count", "Sum"):
            self.closed = True
        if self.seldom():
            condition = self.condition(model, AGGREGATE, 1, only=path.hops[-1:])
            options += f", filter={condition}"
        argument = path.code or "pk" if kind == "Count" else path.to("year")
        return f"{kind}('{argument}'{options})"

    def expression(self, model: str) -> str:
        kind = self.one_of("aggregate", "aggregate", "exists", "subquery", "F", "Case")
        if kind == "exists" and self.depth:
            return self.exists(model)
        if kind == "subquery" and self.depth:
            return self.subquery(model)
        if kind == "F":
            path, column = self.column(model, VALUE)
            return f"F('{path.to(column)}')"
        if kind == "Case":
            condition = self.condition(model, VALUE, 1)
            return f"Case(When({condition}, then=Value(1)), default=Value(0))"
        return self.aggregate(model)
