"""
What is answered otherwise than by one many-to-many for each model, and stays so.

The names are those of the table in ``docs/limits.md``. Each has a schema, links, a
question that the sides answer otherwise, and what to ask instead. ``paths``, and the
modules above it, write no code of these kinds.
"""

from .answers import Question
from .schema import CONNECTIONS, FIELDS

DIFFERENCES = {
    "`isnull=True`": (
        FIELDS,
        [("things", 1, "Apple", 1), ("things", 1, "Brick", 1)],
        Question("Box.objects.filter(<things_apple>__isnull=True, pk=1).count()"),
        Question("Box.objects.exclude(<things_apple>__isnull=False).count()"),
    ),
    "one row for each link": (
        FIELDS,
        [("things", 1, "Apple", 1), ("things", 1, "Brick", 1)],
        Question("Box.objects.filter(Q(<things_apple>=1) | Q(pk=1))"),
        Question("Box.objects.filter(Q(<things_apple>=1) | Q(pk=1)).distinct()"),
    ),
    "one link for all conditions": (
        FIELDS,
        [("things", 1, "Apple", 1), ("things", 1, "Brick", 1)],
        Question("Box.objects.filter(<things_apple>__pk=1, <things_brick>__title='x')"),
        Question(
            "Box.objects.filter(<things_apple>__pk=1).filter(<things_brick>__title='x')"
        ),
    ),
    "`first()` without an order": (
        FIELDS,
        [("things", 1, "Apple", 2), ("things", 1, "Apple", 1)],
        Question("Box.objects.get(pk=1)<.things_apple>.first()"),
        Question("Box.objects.get(pk=1)<.things_apple>.order_by('pk').first()"),
    ),
    "managers of connections": (
        CONNECTIONS,
        [("stars", 1, "Depot", 1), ("stars", 2, "Depot", 1)],
        Question("Coder.objects.get(pk=1)<.stars>.annotate(n=Count('<fans>'))"),
        Question("Depot.objects.filter(<fans>=1).annotate(n=Count('<fans>'))"),
    ),
}
