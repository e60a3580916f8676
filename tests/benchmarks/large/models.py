"""Twenty sources and 280 other models, as many of them linked as the contender says."""

import os

from django.db import models

CONTENDER = os.environ["GM2M_BENCHMARK_CONTENDER"]
SOURCES, OTHERS, TARGETS = 20, 280, 3


def model(name, **fields):
    meta = type("Meta", (), {"app_label": "large"})
    return type(
        name,
        (models.Model,),
        {
            "__module__": __name__,
            "Meta": meta,
            "name": models.CharField(max_length=100),
            **fields,
        },
    )


def links(number):
    """Return the fields of one source."""
    first = number * TARGETS
    targets = [f"Other{first + position}" for position in range(TARGETS)]
    name = f"sources{number}"
    match CONTENDER:
        case "gm2m":
            from gm2m import GM2MField

            return {"targets": GM2MField(*targets, related_name=name)}
        case "as_many":
            return {"targets": models.ManyToManyField(targets[0], related_name=name)}
        case "as_capable":
            return {
                f"targets{position}": models.ManyToManyField(target, related_name=name)
                for position, target in enumerate(targets)
            }
    return {}


for number in range(OTHERS):
    globals()[f"Other{number}"] = model(f"Other{number}")
for number in range(SOURCES):
    globals()[f"Source{number}"] = model(f"Source{number}", **links(number))
#: A model that no field leads to.
Bystander = globals()[f"Other{OTHERS - 1}"]
