"""The objects of the oracle, and links between them on both sides."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib.contenttypes.models import ContentType

from gm2m.connections import get_relationship

from .models import Apple, Box, Brick, Coder, Coin, Depot, Drum, Maker
from .schema import CODES

#: Which field, the number of a source, a target's model and number.
Link = tuple[str, int, str, int]

TARGETS = {"Box": Box, "Apple": Apple, "Brick": Brick, "Coin": Coin, "Drum": Drum}
TITLES, YEARS = ["x", "y", "x"], [1, 2, None]


def key(model: str, number: int):
    """Return the key of one of three objects: the same for several models."""
    if model in ("Brick", "Depot"):
        return UUID(int=number)
    return CODES[number - 1].strip("'") if model == "Coin" else number


def make_objects() -> None:
    """Make three objects of each model. Some columns are empty."""
    Maker.objects.bulk_create(
        Maker(pk=number, name=title, year=number)
        for number, title in enumerate(TITLES, 1)
    )
    rows = [*enumerate(zip(TITLES, YEARS, strict=True), 1)]
    for shift, (name, model) in enumerate(TARGETS.items()):
        if model is Box:
            continue
        model.objects.bulk_create(
            model(
                pk=key(name, number),
                title=title,
                year=year,
                maker_id=[1, 2, None][(number + shift) % 3],
            )
            for number, (title, year) in rows
        )
    Box.objects.bulk_create(
        Box(
            pk=number,
            title=title,
            year=year or 2,
            favourite_id=[2, 1, None][number - 1],
        )
        for number, (title, year) in rows
    )
    Depot.objects.bulk_create(
        Depot(pk=key("Depot", number), title=title, year=year)
        for number, (title, year) in rows
    )
    Coder.objects.bulk_create(
        Coder(pk=number, title=title, year=year, depot_id=year and UUID(int=year))
        for number, (title, year) in rows
    )


def link(links: Iterable[Link]) -> None:
    """Link the same objects on both sides: ``("things", 1, "Coin", 2)``."""
    rows: dict[type, list] = {}
    for field, source, model, number in links:
        pk = key(model, number)
        if field in ("things", "others"):
            through = Box._meta.get_field(field).remote_field.through
            found = ContentType.objects.get_for_model(TARGETS[model])
            rows.setdefault(through, []).append(
                through(gm2m_src_id=source, gm2m_ct=found, gm2m_pk=str(pk))
            )
            m2m = Box._meta.get_field(f"{field}_{model.lower()}")
        else:
            coder = Coder.objects.get(pk=source)
            other = (Depot if model == "Depot" else Coder).objects.get(pk=pk)
            get_relationship(f"oracle_{field}").create_connection(coder, other)
            m2m = Coder._meta.get_field(f"m2m_{field}")
        through = m2m.remote_field.through
        pairs = [(source, pk)]
        if field == "friends" and source != pk:
            pairs.append((pk, source))
        rows.setdefault(through, []).extend(
            through(**{m2m.m2m_column_name(): a, m2m.m2m_reverse_name(): b})
            for a, b in pairs
        )
    for model, found in rows.items():
        model.objects.bulk_create(found)
