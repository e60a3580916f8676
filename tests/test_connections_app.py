"""The app of connections: admin, checks, command, template tags, migrations."""

from io import StringIO

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import NestedObjects
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, models
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from gm2m.connections import AbstractConnection, Connection
from gm2m.connections.apps import ConnectionsConfig
from gm2m.connections.checks import check_databases, check_relationships
from gm2m.connections.defined import relationships
from gm2m.connections.disorder import Reversed
from gm2m.connections.management.commands import connections_doctor
from gm2m.connections.templatetags.connections import METHODS
from tests.app.models import Concert, Track
from tests.lithub.models import Account, Edge, Page, Rating, Repo, Slot, Style

pytestmark = pytest.mark.django_db


@pytest.fixture
def star(define):
    return define("star", Account, Repo, verbose_name="stars")


@pytest.fixture
def pair(star):
    account, repo = Account.objects.create(name="ada"), Repo.objects.create(name="r")
    star.create_connection(account, repo)
    return account, repo


# The admin.


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    return client


URL = "/admin/gm2m_connections/connection/"


def test_the_list(client, star, pair, django_assert_num_queries):
    def read():
        page = client.get(URL)
        assert page.status_code == 200
        return page.content.decode()

    text = read()
    assert "ada" in text
    assert "stars" in text
    with django_assert_num_queries(7) as few:
        read()
    others = Repo.objects.bulk_create(Repo(name=str(number)) for number in range(20))
    others = Repo.objects.filter(pk__in=[repo.pk for repo in others])
    star.create_connections((pair[0], repo) for repo in others)
    with django_assert_num_queries(len(few)):
        read()


def test_the_list_shows_nothing_for_an_object_that_is_gone(client, star, pair):
    Repo.objects.filter(pk=pair[1].pk)._raw_delete("default")
    page = client.get(URL)
    assert page.status_code == 200
    assert 'field-to_object">-<' in page.content.decode()


def test_the_list_can_be_filtered_and_searched(client, star, pair, define):
    like = define("like", Account, Page)
    like.create_connection(pair[0], Page.objects.create())
    page = client.get(URL, {"relationship_name": "like"})
    assert [one.relationship_name for one in page.context["cl"].result_list] == ["like"]
    page = client.get(URL, {"q": str(pair[0].pk)})
    assert len(page.context["cl"].result_list) == 2


def test_connections_are_added_and_changed(client, star, pair):
    account, repo = pair
    other = Repo.objects.create(name="other")
    data = {
        "relationship_name": "star",
        "from_pk": str(account.pk),
        "to_pk": str(other.pk),
        "date_0": "2026-11-20",
        "date_1": "12:00:00",
    }
    assert client.post(f"{URL}add/", data).status_code == 302
    assert star.connection_exists(account, other)
    page = client.post(f"{URL}add/", data)
    assert page.status_code == 200, "it is there already"
    page = client.post(f"{URL}add/", {**data, "to_pk": "0"})
    assert "There is no such object." in page.content.decode()
    page = client.post(f"{URL}add/", {**data, "relationship_name": "nothing"})
    assert page.status_code == 200
    made = star.get_connection(account, repo)
    assert client.get(f"{URL}{made.pk}/change/").status_code == 200
    assert client.post(f"{URL}{made.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not star.connection_exists(account, repo)


def test_the_list_shows_what_the_user_may_view(star, pair, define, monkeypatch):
    like = define("like", Account, User)
    like.create_connection(pair[0], User.objects.create_user("secret"))
    clerk = User.objects.create_user("clerk", is_staff=True)
    basis = Permission.objects.get(codename="view_connection")
    clerk.user_permissions.set([basis])
    client = Client()

    def read():
        client.force_login(User.objects.get(username="clerk"))
        page = client.get(URL)
        assert page.status_code == 200
        return page.content.decode()

    text = read()
    assert ">ada<" not in text
    assert "secret" not in text
    assert f'field-from_object">{pair[0].pk}<' in text
    clerk.user_permissions.add(
        Permission.objects.get(
            codename="view_account", content_type__app_label="lithub"
        )
    )
    assert ">ada<" in read()
    assert "secret" not in read()
    # This model has an admin, which may hide some.
    clerk.user_permissions.add(
        Permission.objects.get(codename="view_user", content_type__app_label="auth")
    )
    assert "secret" in read()
    monkeypatch.setattr(
        type(admin.site.get_model_admin(User)),
        "get_queryset",
        lambda self, request: User.objects.none(),
    )
    assert "secret" not in read()


def test_the_list_can_be_sorted_by_its_objects(client, star, pair):
    for column in ("2", "-3"):
        assert client.get(URL, {"o": column}).status_code == 200


def test_what_is_deleted_together_is_shown(star, pair):
    for obj in pair:
        collector = NestedObjects(using="default")
        collector.collect([obj])
        assert collector.nested() == [obj, [star.connections.get()]]


# Template tags.


def render(text, **context):
    return Template("{% load connections %}" + text).render(Context(context))


#: What a template may call: it reads.
READS = {
    *METHODS,
    "reachable_ids_from",
    "reachable_ids_to",
    "spelled",
    "using",
    "value_of",
    "own_types_of",
    "types_of",
    "check_target",
    "check_target_model",
}


def test_templates_change_nothing(star, pair, define):
    star.attach("starred", "stargazers_too")
    things = [star, *star.ends.values(), *star.attachments.values()]
    for thing in things:
        for name in dir(type(thing)):
            method = getattr(type(thing), name)
            if name[0] == "_" or not callable(method) or isinstance(method, type):
                continue
            is_told = getattr(method, "alters_data", False)
            assert is_told or name in READS, f"{thing}: {name}"
    text = "".join(
        "{{ " + f"relationship.{path}" + " }}"
        for path in (
            "withdraw",
            "ends.from.withdraw",
            "ends.to.publish",
            "attachments.from.withdraw",
            "attach",
        )
    )
    assert render(text, relationship=star) == ""
    assert hasattr(Account, "starred")
    assert list(pair[0].starred.all()) == [pair[1]]


def test_template_tags(star, pair):
    account, repo = pair
    context = {"account": account, "repo": repo, "star": star}
    assert render('{% connected_objects "star" account as x %}{{ x.0 }}', **context)
    for tag, result in {
        '{% connected_objects "star" account as x %}{{ x.get.name }}': "r",
        "{% connected_to_objects star repo as x %}{{ x.get.name }}": "ada",
        '{% connection_exists "star" account repo %}': "True",
        '{% distance_between "star" account repo limit=3 %}': "1",
        '{% connections "star" as x %}{{ x.count }}': "1",
        '{% get_connection "star" account repo as x %}{{ x.to_object }}': "r",
        '{% path_between "star" account repo as x %}{{ x|length }}': "2",
        '{% mutual "star" account account as x %}{{ x.count }}': "1",
        '{% reachable_from "star" account 2 as x %}{{ x.items|length }}': "1",
        '{% mutual_to "star" repo as x %}{{ x.count }}': "1",
        '{% reachable_to "star" repo None as x %}{{ x.items|length }}': "1",
        '{% distance_between "star" account repo None %}': "1",
        "{{ star.create_connection }}{{ star.connections.count }}": "1",
    }.items():
        assert render(tag, **context) == result


@pytest.mark.parametrize(
    "who", [AnonymousUser(), SimpleLazyObject(AnonymousUser), None]
)
def test_nobody_is_connected_with_anything(star, pair, who):
    for tag, result in {
        "connected_objects star who": "<QuerySet []>",
        "connected_object_ids star from_obj=who": "<QuerySet []>",
        "connected_to_objects star who": "<QuerySet []>",
        "connected_to_object_ids star who": "<QuerySet []>",
        "connections_from_object star who": "<QuerySet []>",
        "connections_to_object star to_obj=who": "<QuerySet []>",
        "connection_exists star who repo": "False",
        "connection_exists star from_obj=account to_obj=who": "False",
        "are_connected star who repo": "False",
        "distance_between star who repo limit=3": "None",
        "get_connection star account who": "None",
        "path_between star who repo": "None",
        "mutual star who account": "<QuerySet []>",
        "mutual star account account who": "<QuerySet []>",
        "mutual_to star repo who": "<QuerySet []>",
        "reachable_from star who": "{}",
        "reachable_to star to_obj=who": "{}",
    }.items():
        text = (
            f"{{% {tag} as x %}}{{% autoescape off %}}{{{{ x }}}}{{% endautoescape %}}"
        )
        context = {"star": star, "who": who, "account": pair[0], "repo": pair[1]}
        assert render(text, **context).replace("<Connection", "<") == result


def test_what_is_missing_in_a_template_is_an_error(star):
    with pytest.raises(TypeError, match="at its 'from' end; got ''"):
        render('{% connected_objects "star" nothing %}')


def test_every_method_that_reads_has_a_tag(star):
    assert all(callable(getattr(star, method)) for method in METHODS)


# The command.


def doctor(*args):
    """Return what the command says, and its exit status."""
    output = StringIO()
    try:
        call_command("connections_doctor", *args, stdout=output)
    except SystemExit as error:
        return output.getvalue(), error.code
    return output.getvalue(), 0


def orphan(star, pair):
    """Delete the objects of a connection behind Django's back."""
    account, repo = pair
    other = Repo.objects.create(name="other")
    kept = star.create_connection(account, other)
    Repo.objects.filter(pk=repo.pk)._raw_delete("default")
    junk = Connection.objects.create(
        relationship_name="star", from_pk=account.pk + 1, to_pk=other.pk
    )
    Connection.objects.filter(pk=junk.pk).update(from_pk="junk")
    return kept


def test_the_doctor_finds_and_mends(star, pair):
    assert doctor() == ("Nothing found.\n", 0)
    kept = orphan(star, pair)
    said, status = doctor()
    assert said == (
        "star: connections whose 'from' object, of lithub.Account, is gone: 1.\n"
        "star: connections whose 'to' object, of lithub.Repo, is gone: 1.\n"
    )
    assert status == 1
    assert star.connections.count() == 3
    said, status = doctor("star", "--fix")
    assert said.count("Removed 1.") == 2
    assert status == 0
    assert star.connections.get() == kept
    assert doctor("star") == ("Nothing found.\n", 0)


def test_the_doctor_looks_at_each_connection_once(star, monkeypatch):
    account = Account.objects.create()
    repos = [Repo.objects.create(name=str(number)) for number in range(7)]
    for repo in repos:
        star.create_connection(account, repo)
    Repo.objects.filter(pk__in=[repo.pk for repo in repos[::2]])._raw_delete("default")
    monkeypatch.setattr(connections_doctor, "BATCH_SIZE", 3)
    with CaptureQueriesContext(connection) as queries:
        said, status = doctor("star", "--fix")
    assert (said.splitlines()[1], status) == ("  Removed 4.", 0)
    assert {one.to_pk for one in star.connections} == {str(r.pk) for r in repos[1::2]}
    deletions = [query for query in queries if query["sql"].startswith("DELETE")]
    assert len(deletions) == 3


def test_hidden_objects_are_not_gone(star, pair):
    Repo.objects.update(gone=True)
    assert doctor() == ("Nothing found.\n", 0)


def test_the_doctor_knows_relationships():
    with pytest.raises(CommandError, match="No relationship is called 'nothing'"):
        doctor("nothing")


@pytest.mark.parametrize(
    ("model", "make"),
    [
        (Concert, lambda: Concert.objects.create(code="it's")),
        (Page, Page.objects.create),
    ],
)
def test_the_doctor_knows_all_keys(define, model, make):
    like = define("like", model, model)
    one, two = make(), Account.objects.create() and model.objects.first()
    like.create_connection(one, two)
    like.connections.update(from_pk="x")
    assert "'from' object" in doctor("like")[0]
    assert "'to' object" not in doctor("like")[0]


def test_the_doctor_knows_key_columns_of_other_types(define):
    edge = define("edge", Account, Account, connection_model=Edge)
    ada = Account.objects.create()
    edge.create_connection(ada, ada)
    Edge.objects.create(relationship_name="edge", from_pk=ada.pk, to_pk=0)
    said, _status = doctor("edge", "--fix")
    assert "Removed 1." in said
    assert edge.connections.count() == 1


# Checks.


def messages(id=None):
    found = check_relationships(None, databases=["default", "other"])
    return [one for one in found if one.id == id or id is None]


def test_nothing_is_wrong(star):
    assert messages() == []
    assert check_databases(None, ["default"]) == []
    # Relationships belong to no app.
    assert check_relationships([apps.get_app_config("lithub")]) == []
    assert check_databases([apps.get_app_config("lithub")], ["default"]) == []


@pytest.fixture
def loading(monkeypatch, define):
    """As `define`, while models are being loaded."""

    def loading(*args, **options):
        monkeypatch.setattr(apps, "models_ready", False)
        try:
            return define(*args, **options)
        finally:
            monkeypatch.undo()

    yield loading
    pending = apps._pending_operations
    pending.pop(("nowhere", "model"), None)


def test_a_model_that_never_comes(loading):
    lost = loading("lost", Account, "nowhere.Model")
    assert messages() == [
        checks.Error(
            "The relationship 'lost (lithub.Account -> nowhere.Model)' cannot be used: "
            "one of its models is not installed.",
            hint="Mend the names, or add the app to INSTALLED_APPS.",
            obj="lost",
            id="gm2m.E501",
        )
    ]
    with pytest.raises(Exception, match=r"its models .* are not all installed"):
        lost.connections  # noqa: B018
    assert doctor() == ("Nothing found.\n", 0)


def test_a_model_that_turns_out_to_be_wrong(loading):
    wrong = loading("wrong", "lithub.Account", "app.Measure")
    (message,) = messages()
    assert message.id == "gm2m.E502"
    assert "primary key is a FloatField" in message.msg
    with pytest.raises(Exception, match="primary key is a FloatField"):
        wrong.create_connection(Account.objects.create(), 1)


def test_accessors_of_a_relationship_that_turns_out_to_be_wrong(loading, monkeypatch):
    monkeypatch.setattr(apps, "models_ready", False)
    wrong = loading("wrong", "lithub.Account", "app.Measure")
    monkeypatch.setattr(apps, "models_ready", False)
    wrong.attach("measures", "accounts")
    monkeypatch.undo()
    assert [message.id for message in messages()] == ["gm2m.E502"]
    assert not hasattr(Account, "measures")
    with pytest.raises(Exception, match="primary key is a FloatField"):
        wrong.attach("measures", "accounts")


def test_keys_that_may_be_too_long(define):
    define("wide", Page, Style)
    assert messages() == [
        checks.Warning(
            "The relationship 'wide (lithub.Page -> lithub.Style)' connects objects of "
            "'lithub.Style', whose keys may be longer than the 255 characters of "
            "'gm2m_connections.Connection.to_pk'.",
            hint="Longer keys are refused. Use a connection_model with a wider column.",
            obj="wide",
            id="gm2m.W501",
        )
    ]


def test_missing_indexes(registry, monkeypatch):
    class Slow(AbstractConnection):
        class Meta:
            app_label = "app"

    monkeypatch.setattr(
        "gm2m.connections.checks.connection_models", lambda: [Slow, Connection, Slot]
    )
    assert messages() == [
        checks.Warning(
            "'app.Slow' has no index that begins with 'relationship_name' and "
            f"'{name}'.",
            hint="Let its Meta inherit from AbstractConnection.Meta.",
            obj=Slow,
            id="gm2m.W502",
        )
        for name in ("from_pk", "to_pk")
    ]


def test_dangling_connections(star, pair):
    orphan(star, pair)
    assert check_databases(None, ["default"]) == [
        checks.Warning(
            "The relationship 'star (lithub.Account -> lithub.Repo)' has connections "
            f"in the database 'default' whose '{side}' object is gone: 1.",
            hint="Remove them with 'manage.py connections_doctor star --database "
            "default --fix'.",
            obj="star",
            id="gm2m.W503",
        )
        for side in ("from", "to")
    ]


def test_connections_of_no_relationship():
    Connection.objects.create(relationship_name="old", from_pk="1", to_pk="2")
    assert check_databases(None, ["default"]) == [
        checks.Warning(
            "'gm2m_connections.Connection' has connections in the database 'default' "
            "of 'old', which is not defined.",
            hint="Define the relationship, or delete them.",
            obj=Connection,
            id="gm2m.W504",
        )
    ]


def test_key_columns_of_other_types(define):
    define("edge", Account, Account, connection_model=Edge)
    assert messages() == []


def test_text_keys_of_another_collation(define):
    """Where text is compared by collations, keys must not be mixed."""
    if connection.vendor != "mysql":
        define("track", Track, Account)
        assert messages() == []
        return
    track = define("track", Track, Account)
    # In either database.
    assert [one.id for one in messages()] == ["gm2m.E502"] * 2
    song = Track.objects.create(code="é")
    for write in (
        lambda: track.create_connection(song, Account.objects.create()),
        lambda: track.create_connections([(song, Account.objects.create())]),
    ):
        with pytest.raises(TypeError, match="are compared by the collation"):
            write()


def test_what_cannot_be_read_is_not_known_to_be_gone(star, pair, monkeypatch):
    def fail(*args):
        raise DatabaseError("no such table")

    orphan(star, pair)
    monkeypatch.setattr("gm2m.connections.integrity.Side.count_astray", fail)
    monkeypatch.setattr("gm2m.connections.checks.undefined_names", fail)
    assert check_databases(None, ["default"]) == []
    with pytest.raises(CommandError, match="star cannot be read: no such table"):
        doctor("star")


class Elsewhere:
    """Repositories are in no database of ours, connections in one."""

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return model_name != "repo" and db == "default"


@pytest.mark.django_db(databases=["default", "other"])
def test_what_is_elsewhere_is_not_known_to_be_gone(star, pair, settings):
    orphan(star, pair)
    settings.DATABASE_ROUTERS = [Elsewhere()]
    (message,) = check_databases(None, ["default", "other"])
    assert "'from' object is gone" in message.msg


# Migrations.


def test_migrations_are_complete():
    output = StringIO()
    call_command(
        "makemigrations", "gm2m_connections", "--check", "--dry-run", stdout=output
    )
    assert "No changes" in output.getvalue()


def test_the_app():
    config = apps.get_app_config("gm2m_connections")
    assert isinstance(config, ConnectionsConfig)
    assert Connection._meta.label == "gm2m_connections.Connection"
    assert isinstance(Connection._meta.pk, models.BigAutoField)


def test_indexes_are_in_the_database():
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(
            cursor, Connection._meta.db_table
        ).values()
    columns = [one["columns"] for one in found if one["index"] or one["unique"]]
    assert ["relationship_name", "from_pk", "to_pk"] in columns
    assert ["relationship_name", "to_pk", "from_pk"] in columns
    assert [index.fields for index in Slot._meta.indexes] == [
        ["relationship_name", "from_pk", "to_pk"],
        ["relationship_name", "to_pk", "from_pk"],
    ]


RELATIONSHIPS = """
from gm2m.connections import define_relationship

follow = define_relationship("follow", "library.Person", "library.Person")
follow.attach("follows", "followers")
"""
MODELS = """
from gm2m.connections import AbstractConnection

class Person(models.Model):
    name = models.CharField(max_length=100)

class Loan(AbstractConnection):
    due = models.DateField()

    class Meta(AbstractConnection.Meta):
        pass
"""
#: Relationships of the models' own module, defined while models are being loaded.
AT_IMPORT = """
from gm2m.connections import define_relationship

lend = define_relationship("lend", Person, Person, connection_model="library.Loan")
early = define_relationship("early", "library.Later", Person)
early.attach("earlies", "laters")

class Later(models.Model):
    pass
"""
WORK = """
from library.relationships import follow
ada, bob = (Person.objects.create(name=name) for name in ("ada", "bob"))
ada.follows.add(bob)
print(list(Person.objects.filter(followers__name="ada").values_list("name")))
lend.create_connection(ada, bob, due="2026-11-20")
early.create_connection(Later.objects.create(), ada)
print(ada.laters.count(), lend.connections.count())
bob.delete()
print(follow.connections.count(), lend.connections.count())
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_a_project(project, first):
    """From nothing to a project that works, wherever the app stands in the settings."""
    own = ["library"]
    ours = ["django.contrib.contenttypes", "gm2m", "gm2m.connections"]
    project.settings(apps=[*ours, *own] if first else [*own, *ours])
    project.models(MODELS + AT_IMPORT)
    project.write("library/relationships.py", RELATIONSHIPS)
    project.manage("makemigrations", "library")
    project.manage("migrate")
    assert "No changes" in project.manage("makemigrations", "--check")
    assert "no issues" in project.manage("check", "--database", "default")
    assert project.run(WORK) == "[('bob',)]\n1 1\n0 0\n"
    project.manage("migrate", "gm2m_connections", "zero")


def test_nothing_is_left(star):
    assert set(relationships) == {"star", "star_repo"}
    assert timezone.now()


# What came by update() or by SQL.


def swap(rows):
    """Write pairs in the other order, as ``save()`` would not."""
    for row in rows:
        type(row).objects.filter(pk=row.pk).update(from_pk=row.to_pk, to_pk=row.from_pk)


@pytest.mark.parametrize("model", [Connection, Edge])
def test_the_doctor_puts_symmetric_pairs_in_order(define, model):
    friend = define("friend", Account, Account, symmetric=True, connection_model=model)
    nine, ten, eleven = (Account.objects.create(pk=pk) for pk in (9, 10, 11))
    friend.create_connections([(nine, ten), (ten, eleven), (nine, nine)])
    assert doctor("friend") == ("Nothing found.\n", 0)
    swap(friend.connections.all())
    (message,) = check_databases(None, ["default"])
    assert message.id == "gm2m.W506"
    assert "has in the database 'default' connections whose two keys are" in message.msg
    assert message.hint == (
        "Put them in order with 'manage.py connections_doctor friend --database "
        "default --fix'."
    )
    said, status = doctor("friend")
    assert said == "friend: connections whose two keys are in the other order: 2.\n"
    assert status == 1
    # One of them was made again.
    friend.create_connection(ten, eleven)
    said, status = doctor("friend", "--fix")
    assert said.splitlines()[1:] == ["  Put in order 2."]
    assert status == 0
    assert {(str(one.from_pk), str(one.to_pk)) for one in friend.connections} == {
        ("10", "9"),
        ("10", "11"),
        ("9", "9"),
    }
    assert friend.connections.count() == 3
    assert check_databases(None, ["default"]) == []


def test_the_order_is_that_of_code_points(define):
    """Whatever the collation of the database says."""
    alike = define("alike", Style, Style, symmetric=True)
    styles = [
        Style.objects.create(code=code) for code in ("B", "a", "_", "Z", "10", "9")
    ]
    alike.create_connections((one, two) for one in styles for two in styles)
    assert doctor("alike") == ("Nothing found.\n", 0)


def test_the_doctor_keeps_what_it_cannot_put_in_order(define):
    friend = define("friend", Account, Account, symmetric=True)
    nine, ten = (Account.objects.create(pk=pk) for pk in (9, 10))
    friend.create_connection(nine, ten)
    Connection.objects.update(from_pk="junk", to_pk="9")
    found = Reversed(friend, Connection)
    assert found.count("default") == 1
    assert found.mend("default") == 0
    assert Connection.objects.get().from_pk == "junk"


def test_what_cannot_be_read_is_not_known_to_be_in_disorder(star, pair, monkeypatch):
    def fail(*args):
        raise DatabaseError("no such table")

    monkeypatch.setattr("gm2m.connections.disorder.Disorder.count", fail)
    assert check_databases(None, ["default"]) == []
    with pytest.raises(CommandError, match="star cannot be read: no such table"):
        doctor("star")


def test_the_doctor_moves_what_is_in_another_table(define, star, pair):
    rate = define("rate", Account, Repo, connection_model=Rating)
    date = star.connections.get().date
    Connection.objects.update(relationship_name="rate")
    (message,) = check_databases(None, ["default"])
    assert message.id == "gm2m.W506"
    assert "where nobody looks for them: it has lithub.Rating: 1" in message.msg
    said, status = doctor("rate")
    assert status == 1
    assert "in gm2m_connections.Connection, where nobody looks for them" in said
    said, status = doctor("rate", "--fix")
    assert said.splitlines()[1:] == ["  Moved 1."]
    assert status == 0
    assert rate.get_connection(*pair).date == date
    assert not Connection.objects.exists()


def test_the_doctor_keeps_what_cannot_be_moved(define, star, pair):
    define("slots", Account, Repo, connection_model=Slot)
    define("rate", Account, Repo, connection_model=Rating)
    other = star.create_connection(pair[0], Repo.objects.create(name="other"))
    Connection.objects.update(relationship_name="slots")
    said, status = doctor("slots", "--fix")
    assert said.splitlines()[1:] == ["  Moved 0."]
    assert status == 1
    assert Connection.objects.count() == 2
    Connection.objects.update(relationship_name="rate")
    Connection.objects.filter(pk=other.pk).update(from_pk="junk")
    said, status = doctor("rate", "--fix")
    assert said.splitlines()[1:] == ["  Moved 1."]
    assert (status, Connection.objects.get().pk) == (1, other.pk)
