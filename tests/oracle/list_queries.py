"""Random questions about mixed lists."""

from typing import Any

from hypothesis import strategies as st

from .answers import Question
from .paths import NOT
from .queries import Query
from .schema import COLUMNS, KEYS


class ListQuery(Query):
    """A mixed list that is being written."""

    def targets(self) -> list[str]:
        return [name for name in KEYS if name in self.schema]

    def list_of_box(self) -> str:
        number, field = self.one_of(1, 2, 3), self.one_of("things", "others")
        ours = f"Box.objects.get(pk={number}).{field}.all()"
        code = f"«{ours}¦Lists({number}, '{field}')»"
        self.field = field
        return code

    def list_condition(self, depth: int = 2) -> str:
        kind = self.one_of("leaf", "and", "or", "not")
        if depth and kind == "not":
            return f"~{self.list_condition(depth - 1)}"
        if depth and kind != "leaf":
            sides = [self.list_condition(depth - 1) for _ in range(2)]
            return f"({(' | ' if kind == 'or' else ' & ').join(sides)})"
        model = self.one_of(*self.targets())
        path, column = model.lower(), self.one_of("title", "year")
        value = self.one_of(*COLUMNS[column])
        key = self.one_of(*self.schema[model].keys)
        query = self.sub()
        query.start(model)
        query.code += f".filter({query.condition(model, NOT)})"
        return self.one_of(
            f"Q(Model={model})",
            f"Q({path}__{column}={value})",
            f"Q({path}__{column}__gt={value})",
            f"Q({path}__in=[{key}])",
            f"Q({path}__in={query.code})",
        )

    def narrowed_list(self) -> str:
        code = self.list_of_box()
        method = self.one_of("", "filter", "exclude")
        return f"{code}.{method}({self.list_condition()})" if method else code

    def list_question(self) -> Question:
        code = self.narrowed_list()
        field = self.field
        how = self.one_of("", "&", "|", "^", "union", "intersection", "difference")
        if how:
            other = self.narrowed_list()
            other = other.replace(self.field, field)
            code = (
                f"({code} {how} {other})" if how in "&|^" else f"{code}.{how}({other})"
            )
        if how and self.seldom():
            code += f".filter({self.list_condition()})"
        end = self.one_of("", "", ".count()", ".exists()", "model", "holders")
        if end == "model":
            end = f".instances_of({self.one_of(*self.targets())})"
        elif end == "holders":
            boxes = f"set(Box.objects.filter({field}__in={code}))"
            return Question(f"«{boxes}¦({code}).holders('{field}')»")
        return Question(f"{code}{end}")


@st.composite
def list_questions(draw: Any, schema: Any, linked: dict[str, str]) -> Question:
    return ListQuery(draw, schema, linked, depth=1).list_question()
