"""Connections for other programs, and from them."""

import io
import itertools
import json
import time
from decimal import Decimal
from types import GeneratorType

import networkx
import pytest
from django.core.exceptions import FieldError
from django.core.management import CommandError, call_command
from django.db import models
from django.test.utils import isolate_apps

from gm2m.connections import AbstractConnection, RelationshipDoesNotExist
from gm2m.connections.export import export
from gm2m.connections.signals import connection_created
from tests.lithub.models import (
    Account,
    Edge,
    Page,
    Rating,
    Reply,
    Road,
    Slot,
    Style,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def follow(define):
    return define("follow", Account, Account, connection_model=Rating)


@pytest.fixture
def trio(follow):
    objs = [Account.objects.create(name=name) for name in "abc"]
    a, b, c = objs
    follow.create_connections([(a, b, {"rank": 1}), (b, c, {"rank": 2, "note": '"'})])
    return objs


# Export.


def test_dot(follow, trio):
    text = export(follow, "dot", rank=2)
    assert isinstance(text, GeneratorType)
    _a, b, c = (obj.pk for obj in trio)
    first, edge, last = "".join(text).splitlines()
    assert (first, last) == ('digraph "follow" {', "}")
    assert edge.startswith(f'  "{b}" -> "{c}" ["date"="')
    assert edge.endswith('"rank"="2", "note"="\\""];')


def test_dot_of_symmetric_and_of_two_models(define):
    lead = define("lead", Style, Style, symmetric=True)
    styles = [Style.objects.create(code=code) for code in ('a"b', "back\\", "ü\n")]
    lead.create_connections([(styles[0], styles[1]), (styles[1], styles[2])])
    text = "".join(export("lead", format="dot"))
    assert text.startswith('graph "lead" {')
    assert '"a\\"b" -- "back\\\\" [' in text
    shown = define("shown", Page, Style, connection_model=Reply)
    page = Page.objects.create()
    shown.create_connection(page, styles[0])
    text = "".join(export(shown, format="dot"))
    assert f'"lithub.Page:{page.pk}" -> "lithub.Style:a\\"b" [' in text
    assert "to_id" not in text, "NULL is no attribute"


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("model", [Rating, Road, Edge, None], ids=str)
def test_networkx_and_json_agree(define, symmetric, model):
    relationship = define(
        "r", Account, Account, symmetric=symmetric, connection_model=model
    )
    objs = [Account.objects.create() for _ in range(12)]
    pairs = [(0, 1), (1, 2), (11, 2), (3, 3), (0, 1), (9, 10)]
    for one, two in pairs:
        relationship.create_connection(objs[one], objs[two])
    graph = export("r", format="networkx")
    kind = networkx.MultiGraph if model is Road else networkx.Graph
    assert isinstance(graph, kind)
    assert graph.is_multigraph() == (model is Road)
    assert graph.is_directed() != symmetric
    assert graph.name == "r"
    assert graph.number_of_edges() == (6 if model is Road else 5)
    assert graph.has_edge(objs[11].pk, objs[2].pk)
    parts = export("r", format="json")
    assert isinstance(parts, GeneratorType)
    data = json.loads("".join(parts))
    assert {node["id"] for node in data["nodes"]} == {
        objs[key].pk for pair in pairs for key in pair
    }
    assert len(data["nodes"]) == 7
    again = networkx.node_link_graph(data, edges="edges")
    assert type(again) is type(graph)
    assert sorted(map(sorted, again.edges())) == sorted(map(sorted, graph.edges()))


def test_characteristics_and_keys_in_json(define):
    slots = define("slots", Page, Style, connection_model=Road)
    page, style = Page.objects.create(), Style.objects.create(code="ü")
    slots.create_connection(page, style, toll=Decimal("1.50"), minutes=None)
    data = json.loads("".join(export(slots)))
    (edge,) = data["edges"]
    assert edge["source"] == f"lithub.Page:{page.pk}"
    assert edge["target"] == "lithub.Style:ü"
    assert (edge["toll"], edge["minutes"], edge["steps"]) == ("1.50", None, 1)
    assert data["graph"] == {"name": "slots"}
    assert [node["id"] for node in data["nodes"]] == [edge["source"], edge["target"]]
    graph = export(slots, "networkx")
    ((one, two, values),) = graph.edges(data=True)
    assert (one, two) == (edge["source"], edge["target"])
    assert values["toll"] == Decimal("1.50")


def test_nothing_to_export(follow):
    assert json.loads("".join(export(follow)))["edges"] == []
    assert "".join(export(follow, "dot")) == 'digraph "follow" {\n}\n'
    assert len(export(follow, "networkx")) == 0


def test_keys_that_are_none_stay_as_they_are(follow, trio):
    follow.connections.filter(rank=1).update(from_pk="x1")
    graph = export(follow, "networkx")
    assert graph.has_edge("x1", trio[1].pk)


def test_what_cannot_be_exported(follow):
    with pytest.raises(ValueError, match=r"no format 'xml' .* 'dot', 'json', 'net"):
        export(follow, format="xml")
    with pytest.raises(RelationshipDoesNotExist):
        export("nothing")
    with pytest.raises(FieldError):
        export(follow, colour="red")


@isolate_apps("tests.lithub")
def test_characteristics_that_edges_have_otherwise(define):
    class Hop(AbstractConnection):
        source = models.CharField(max_length=10)

        class Meta:
            app_label = "lithub"

    hop = define("hop", Account, Account, connection_model=Hop)
    with pytest.raises(ValueError, match="'source' cannot be exported as JSON"):
        export(hop, format="json")


def test_values_without_a_form_in_json():
    from gm2m.connections.export import Encoder

    assert json.dumps([1 + 2j], cls=Encoder) == '["(1+2j)"]'


def test_export_is_streamed(follow, trio, django_assert_num_queries):
    with django_assert_num_queries(0):
        parts = export(follow)
    with django_assert_num_queries(2):
        assert len(list(parts)) > 4


# Import.


@pytest.fixture
def run(tmp_path):
    def run(name, text, *args):
        path = tmp_path / "edges.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        out = io.StringIO()
        call_command("connections_import", name, str(path), *args, stdout=out)
        return out.getvalue()

    return run


def test_import(follow, trio, run):
    a, b, c = (obj.pk for obj in trio)
    text = f'note,from,rank,to\r\n"x, y",{c},7,{a}\r\n\r\n,{a},,{c}\r\n,{a},9,{b}\r\n'
    assert run("follow", "\ufeff" + text) == "Imported 2 of 3.\n"
    found = follow.get_connection(trio[2], trio[0])
    assert (found.rank, found.note) == (7, "x, y")
    found = follow.get_connection(trio[0], trio[2])
    assert (found.rank, found.note) == (0, ""), "what they are by default"
    assert follow.get_connection(trio[0], trio[1]).rank == 1, "it was there"


def test_import_of_other_keys_and_values(define, run):
    define("shown", Page, Style, connection_model=Slot)
    page, style = Page.objects.create(), Style.objects.create(code="it's")
    text = (
        "from,to,start_time,end_time\n"
        f"{str(page.pk).upper()},it's,2026-01-01 10:00,2026-01-02T00:00+02:00\n"
    )
    assert run("shown", text) == "Imported 1 of 1.\n"
    slot = Slot.objects.get()
    assert (slot.from_object, slot.to_object) == (page, style)
    assert slot.start_time.hour == 10
    road = define("road", Account, Account, connection_model=Road)
    ada = Account.objects.create()
    run("road", f"from,to,minutes,toll\n{ada.pk},{ada.pk},,2.5\n")
    found = road.connections.get()
    assert (found.minutes, found.toll) == (None, Decimal("2.50"))
    reply = define("reply", Account, Account, connection_model=Reply)
    first = reply.create_connection(ada, ada)
    run("reply", f"from,to,to_id\n{ada.pk},{ada.pk},{first.pk}\n")
    run("reply", f"from,to,to_id\n{ada.pk},{ada.pk},\n")
    assert list(reply.connections.order_by("pk").values_list("to_id", flat=True)) == [
        None,
        first.pk,
        None,
    ]


def test_bad_lines_are_named_and_nothing_is_imported(follow, trio, run):
    heard = []
    connection_created.connect(
        lambda sender, **kwargs: heard.append(sender), sender=follow, weak=False
    )
    a, b, c = (obj.pk for obj in trio)
    gone = c + 100
    text = (
        f"from,to,rank\n{c},{a},1\n{a},x,1\n{a},{gone},1\n{a},{c},many\n{a},{c}\n"
        f'{gone},{gone + 1},1\n"{a}",,1\n{c},{b},1\n'
    )
    with pytest.raises(CommandError) as raised:
        run("follow", text)
    lines = str(raised.value).splitlines()
    assert lines[0] == "Nothing was imported."
    told = "\n".join(sorted(lines[1:]))
    for number, reason in {
        3: "'x' is no key of lithub.Account",
        4: f"there is no lithub.Account with the key '{gone}'",
        5: "“many” value must be an integer",
        6: "2 columns instead of 3",
        7: f"there is no lithub.Account with the key '{gone + 1}'",
        8: "'' is no key of lithub.Account",
    }.items():
        assert any(
            line.startswith(f"Line {number}: ") and reason in line for line in lines
        ), told
    assert len(lines) == 8
    assert follow.connections.count() == 2
    assert heard == []


def test_only_some_bad_lines_are_named(follow, run):
    with pytest.raises(CommandError) as raised:
        run("follow", "from,to\n" + "x,y\n" * 30)
    lines = str(raised.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "… and 10 more."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has nothing"),
        ("a,b\n", "it has a, b"),
        ("from,to,to\n", "each once"),
        ("from,to,colour\n1,1,red\n", "'colour' is no field of lithub.Rating"),
        ("from,to,from_pk\n1,1,1\n", "'from_pk' makes the connection itself"),
        ("from,to,relationship\n", "'relationship' makes the connection itself"),
        ('from,to\n"1,1\n', "Nothing was imported"),
        (b"from,to\n\xff,1\n", "Nothing was imported"),
    ],
)
def test_files_that_cannot_be_read(follow, run, text, message):
    with pytest.raises(CommandError, match=message):
        run("follow", text)


def test_what_cannot_be_imported(follow, trio, run, tmp_path):
    with pytest.raises(CommandError, match="No relationship is called 'nothing'"):
        run("nothing", "from,to\n")
    with pytest.raises(CommandError, match=r"Nothing was imported: .*missing"):
        call_command("connections_import", "follow", str(tmp_path / "missing.csv"))


def test_an_object_that_goes_between_checking_and_importing(
    follow, trio, run, monkeypatch
):
    from gm2m.connections.management.commands import connections_import

    a, _b, c = trio
    objects = connections_import.Command.objects
    calls = []

    def losing(self, side, keys):
        calls.append(side)
        if len(calls) == 3:
            Account.objects.filter(pk=c.pk)._raw_delete("default")
        return objects(self, side, keys)

    monkeypatch.setattr(connections_import.Command, "objects", losing)
    with pytest.raises(CommandError, match="with the key"):
        run("follow", f"from,to\n{a.pk},{c.pk}\n")
    assert not follow.connections.filter(from_pk=a.pk, to_pk=c.pk).exists()


def test_batches(define, run, monkeypatch):
    monkeypatch.setattr(
        "gm2m.connections.management.commands.connections_import.BATCH_SIZE", 10
    )
    follow = define("plain", Account, Account, symmetric=True)
    Account.objects.bulk_create(Account() for _ in range(26))
    keys = list(Account.objects.order_by("pk").values_list("pk", flat=True))
    lines = [f"{one},{two}" for one, two in itertools.pairwise(keys)]
    text = "\n".join(["from,to", *lines, *lines])
    assert run("plain", text) == "Imported 25 of 50.\n"
    assert follow.connections.count() == 25


def test_a_round_trip(follow, trio, run):
    """What is exported can be imported."""
    data = json.loads("".join(export(follow)))
    rows = [(edge["source"], edge["target"], edge["rank"]) for edge in data["edges"]]
    follow.connections.all().delete()
    text = "\n".join(["from,to,rank", *(",".join(map(str, row)) for row in rows)])
    assert run("follow", text) == "Imported 2 of 2.\n"
    assert follow.get_connection(trio[1], trio[2]).rank == 2


@pytest.mark.slow
def test_many_lines(define, run):
    """Twenty thousand lines in some seconds: a million in minutes."""
    define("many", Account, Account)
    Account.objects.bulk_create(Account() for _ in range(2_000))
    keys = list(Account.objects.order_by("pk").values_list("pk", flat=True))
    lines = [f"{one},{two}" for one in keys[:10] for two in keys]
    start = time.perf_counter()
    assert run("many", "\n".join(["from,to", *lines])) == "Imported 20000 of 20000.\n"
    assert time.perf_counter() - start < 60
