"""``manage.py gm2m_convert_fixture``: XML of django-gm2m 1.x as Django reads it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any
from xml.dom.minidom import Document, Element, parse
from xml.parsers.expat import ExpatError
from xml.sax import SAXException

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.xml_serializer import DefusedExpatParser


class Command(BaseCommand):
    """Rewrite the links in an XML fixture that django-gm2m 1.x has written."""

    help = (
        "Rewrites an XML fixture that django-gm2m 1.x has dumped, so that Django can "
        "load it. What is in the new form already stays as it is. Other formats need "
        "no conversion."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("fixture", help="The file to read.")
        parser.add_argument(
            "-o",
            "--output",
            help="The file to write, which may be the same. Without it: the output.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["fixture"]
        try:
            with open(path, "rb") as file:
                document = parse(file, DefusedExpatParser())
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        # The last is what Python says of an empty file.
        except (ExpatError, SAXException, ValueError, TypeError) as error:
            raise CommandError(f"{path} is no XML that can be read: {error}") from error
        count = 0
        for link in links(document):
            convert(link, document)
            count += 1
        text = document.toxml(encoding="utf-8").decode()
        if options["output"] is None:
            self.stdout.write(text)
            return
        with open(options["output"], "w", encoding="utf-8") as output:
            output.write(text + "\n")
        self.stdout.write(f"{count} links converted.")


def links(document: Document) -> Iterator[Element]:
    """Yield the elements of links in the old form."""
    for field in document.getElementsByTagName("field"):
        # 1.x writes ordinary many-to-manys in the same form once more.
        if field.getAttribute("rel") == "GM2MRel":
            for link in field.getElementsByTagName("object"):
                if link.getElementsByTagName("contenttype"):
                    yield link


def convert(link: Element, document: Document) -> None:
    """
    Give `link` the form in which Django reads it: the label of the model goes before
    the key, or before the parts of the natural key.

    Raise ``CommandError`` if it has neither.
    """
    (content_type,) = link.getElementsByTagName("contenttype")
    label = [content_type.getAttribute(name) for name in ("app", "model")]
    natural = link.getElementsByTagName("natural")
    if natural:
        link.removeChild(content_type)
        if link.hasAttribute("pk"):
            link.removeAttribute("pk")
        for part in label:
            element = document.createElement("natural")
            element.appendChild(document.createTextNode(part))
            link.insertBefore(element, natural[0])
    elif link.hasAttribute("pk"):
        while link.firstChild:
            link.removeChild(link.firstChild)
        link.setAttribute("pk", f"{'.'.join(label)}:{link.getAttribute('pk')}")
    else:
        raise CommandError(
            f"{where(link)} has a link to an object of {'.'.join(label)} without its "
            "key: django-gm2m 1.x loses it where natural keys are asked for and the "
            "model has none. Dump again without --natural-foreign."
        )


def where(link: Element) -> str:
    """Return the object and the field of `link`."""
    field: Any = link.parentNode
    source = field.parentNode
    return (
        f"{source.getAttribute('model')}.{field.getAttribute('name')} of the object "
        f"{json.dumps(source.getAttribute('pk'))}"
    )
