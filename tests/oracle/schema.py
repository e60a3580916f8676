"""
What random queries are about: models, their columns and keys, and their relations.

In the code of a query the mark ``<relation>`` stands for the name of a relation in
lookups, ``<.relation>`` for the queryset of its manager and ``<:relation>`` for what
is prefetched.
``«ours¦theirs»`` is other code on either side.
"""

import re
from typing import NamedTuple


class Relation(NamedTuple):
    """A relation to the model `to`, with its names on either side."""

    to: str
    #: In lookups, and the manager: the library's, then Django's.
    names: tuple[str, str]
    managers: tuple[str, str] = ("", "")
    #: The generic field whose links to other models the library joins as well.
    field: str = ""
    #: On the other model, the same relation the other way round.
    back: str = ""
    many: bool = True


class Model(NamedTuple):
    """A model, with values for conditions on its columns and its keys, as code."""

    columns: dict[str, list[str]]
    keys: list[str]
    relations: dict[str, Relation]


SIDES = "«([^«»¦]*)¦([^«»¦]*)»"
TITLES = ["'x'", "'y'"]
YEARS = ["1", "2"]
NUMBERS = ["1", "2", "3"]
UUIDS = ["UUID(int=1)", "UUID(int=2)", "UUID(int=3)"]
#: Texts that are those of other models' keys.
CODES = ["'1'", "'2'", "'00000000-0000-0000-0000-000000000001'"]
COLUMNS = {"title": TITLES, "year": YEARS}
KEYS = {
    "Box": NUMBERS,
    "Apple": NUMBERS,
    "Brick": UUIDS,
    "Coin": CODES,
    "Drum": NUMBERS,
}
SOURCES = {"things": ("holder", "holders"), "others": ("keeper", "keepers")}


def foreign_key(name: str, to: str, *, many: bool = False) -> Relation:
    return Relation(to, (name, name), many=many)


def box() -> Model:
    """The source, with a relation to each model of either field."""
    relations = {"favourite": foreign_key("favourite", "Apple")}
    for field in SOURCES:
        for to in KEYS:
            name = f"{field}_{to.lower()}"
            relations[name] = Relation(
                to,
                (f"{field}__{to.lower()}", name),
                (f"{field}.instances_of({to})", name),
                field=field,
            )
    relations |= sources("Box")
    return Model(COLUMNS, NUMBERS, relations)


def sources(name: str) -> dict[str, Relation]:
    """The relations from a target to the sources by either field."""
    found = {}
    for field, (query_name, accessor) in SOURCES.items():
        theirs = f"{field}_of_{name.lower()}"
        found[theirs] = Relation(
            "Box",
            (query_name, theirs),
            (accessor, theirs),
            back=f"{field}_{name.lower()}",
        )
    return found


def target(name: str) -> Model:
    relations = {"maker": foreign_key("maker", "Maker"), **sources(name)}
    if name == "Apple":
        relations["box"] = foreign_key("box", "Box", many=True)
    return Model(COLUMNS, KEYS[name], relations)


#: Sources, targets and what these lead to.
FIELDS = {
    "Box": box(),
    **{name: target(name) for name in KEYS if name != "Box"},
    "Maker": Model(
        {"name": TITLES, "year": YEARS},
        NUMBERS,
        {
            name.lower(): foreign_key(name.lower(), name, many=True)
            for name in KEYS
            if name != "Box"
        },
    ),
}


def narrowed(schema: dict[str, Model], names: set[str]) -> dict[str, Model]:
    """Return `schema` with some of its models alone, so that their paths meet often."""
    return {
        name: model._replace(
            relations={
                key: relation
                for key, relation in model.relations.items()
                if relation.to in names
            }
        )
        for name, model in schema.items()
        if name in names
    }


def without(schema: dict[str, Model], name: str) -> dict[str, Model]:
    """Return `schema` without a relation, whichever way round."""
    return {
        label: model._replace(
            relations={
                key: relation
                for key, relation in model.relations.items()
                if key != name and relation.back != name
            }
        )
        for label, model in schema.items()
    }


def attached(to: str, name: str, back: str) -> Relation:
    names = (name, f"m2m_{name}")
    return Relation(to, names, names, back=back)


#: Connections, by the names that are attached.
CONNECTIONS = {
    "Coder": Model(
        COLUMNS,
        NUMBERS,
        {
            "stars": attached("Depot", "stars", "fans"),
            "follows": attached("Coder", "follows", "followers"),
            "followers": attached("Coder", "followers", "follows"),
            "friends": attached("Coder", "friends", "friends"),
            "depot": foreign_key("depot", "Depot"),
        },
    ),
    "Depot": Model(
        COLUMNS,
        UUIDS,
        {
            "fans": attached("Coder", "fans", "stars"),
            "coder": foreign_key("coder", "Coder", many=True),
        },
    ),
}


def as_code(text: str, schema: dict[str, Model], side: int) -> str:
    """Return `text` with the names of one side: 0 the library's, 1 Django's."""
    relations = {}
    for model in schema.values():
        relations |= model.relations

    def name(mark: re.Match[str]) -> str:
        relation = relations[mark[2]]
        if mark[1] == ".":
            manager = relation.managers[side]
            return f".{manager}" if manager.endswith(")") else f".{manager}.all()"
        if mark[1] == ":":
            return relation.managers[side].partition(".")[0]
        return relation.names[side]

    while "«" in text:
        text = re.sub(SIDES, lambda mark: mark[side + 1], text)
    return re.sub(r"<([.:]?)(\w+)>", name, text)
