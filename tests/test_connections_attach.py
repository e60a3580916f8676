"""Accessors that ``attach()`` gives: managers, lookups and prefetching."""

import pickle
import threading

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldError
from django.db import connection
from django.db.models import (
    Count,
    F,
    FilteredRelation,
    Prefetch,
    Q,
    prefetch_related_objects,
)
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gm2m.connections import Connection, connection_created, get_relationship
from tests.app.models import Opera, Poster
from tests.lithub.models import (
    Account,
    AccountProxy,
    Company,
    Page,
    Rating,
    Repo,
    Slot,
    Style,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def star(define):
    star = define("star", Account, Repo)
    star.attach("stars", "fans")
    return star


@pytest.fixture
def friend(define):
    friend = define("friend", Account, Account, symmetric=True)
    friend.attach("friends")
    return friend


def accounts(*names):
    return [Account.objects.create(name=name) for name in names]


def repos(*names):
    return [Repo.objects.create(name=name) for name in names]


# Attaching.


def test_relationships_of_apps_attach_themselves():
    found = get_relationship("star_repo")
    (ada,), (repo,) = accounts("ada"), repos("repo")
    found.create_connection(ada, repo)
    assert list(ada.starred_repos.all()) == [repo]
    assert list(repo.stargazers.all()) == [ada]


def test_what_is_on_the_models(star):
    assert Account.stars.relationship is star
    assert Account.stars.through is star.connection_model
    assert Account.stars.rel is Account._meta.get_field("stars")
    rel = Repo._meta.get_field("fans")
    assert rel.related_model is Account
    assert rel.many_to_many
    assert rel.auto_created
    assert rel.get_related_field() is Repo._meta.pk
    assert "stars" in {field.name for field in Account._meta.get_fields()}
    assert "stars" not in {field.name for field in Account._meta.many_to_many}
    with pytest.raises(TypeError, match=r"Use stars\.set\(\) instead"):
        Account(name="new").stars = []


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ((), TypeError, "needs a name"),
        ((None, None), TypeError, "needs a name"),
        ((7,), TypeError, "must be a string"),
        (("a b",), ValueError, "cannot be the name"),
        (("a__b",), ValueError, "cannot be the name"),
        (("a_",), ValueError, "cannot be the name"),
        (("name",), ValueError, "has something called 'name'"),
        ((None, "gone"), ValueError, "has something called 'gone'"),
        (("save",), ValueError, "has something called 'save'"),
        (("starred_repos",), ValueError, "has something called 'starred_repos'"),
    ],
)
def test_names_that_cannot_be(define, names, error, message):
    relationship = define("wrong", Account, Repo)
    before = vars(Account).keys()
    with pytest.raises(error, match=message):
        relationship.attach(*names)
    assert vars(Account).keys() == before
    relationship.attach("right", "right")
    with pytest.raises(ValueError, match="attached already"):
        relationship.attach("again")


def test_names_on_one_model(define, friend):
    follow = define("follow", Account, Account)
    with pytest.raises(ValueError, match="two names"):
        follow.attach("same", "same")
    follow.attach("follows", "followers")
    other = define("other", Account, Account, symmetric=True)
    with pytest.raises(ValueError, match="takes one name"):
        other.attach("one", "two")
    ada, bob = accounts("ada", "bob")
    ada.follows.add(bob)
    assert list(bob.followers.all()) == [ada]
    assert not ada.followers.exists()
    assert list(Account.objects.filter(follows=bob)) == [ada]
    assert list(Account.objects.filter(followers=ada)) == [bob]


def test_one_side_alone(define):
    like = define("like", Account, Page)
    like.attach(to_name="likers")
    (ada,), page = accounts("ada"), Page.objects.create()
    page.likers.add(ada)
    assert list(Page.objects.prefetch_related("likers").get().likers.all()) == [ada]
    with pytest.raises(FieldError) as error:
        list(Account.objects.filter(nothing=1))
    assert "+" not in str(error.value)


# Managers.


def test_writing(star):
    ada, bob = accounts("ada", "bob")
    one, two, three = repos("one", "two", "three")
    ada.stars.add(one, two)
    ada.stars.add(two)
    assert star.connections.count() == 2
    three.fans.add(ada, bob)
    assert set(ada.stars.all()) == {one, two, three}
    ada.stars.remove(one)
    kept = star.get_connection(ada, two)
    ada.stars.set([one, two])
    assert set(ada.stars.all()) == {one, two}
    assert star.get_connection(ada, two) == kept
    ada.stars.set([two], clear=True)
    assert star.get_connection(ada, two) != kept
    three.fans.set([])
    assert not three.fans.exists()
    two.fans.clear()
    assert not star.connections.exists()


def test_making_objects(star):
    (ada,) = accounts("ada")
    repo = ada.stars.create(name="new")
    assert list(ada.stars.all()) == [repo]
    assert ada.stars.get_or_create(name="new") == (repo, False)
    other, created = ada.stars.get_or_create(name="other")
    assert created
    found, created = ada.stars.update_or_create(name="other", defaults={"name": "x"})
    assert (found, created) == (other, False)
    assert set(ada.stars.values_list("name", flat=True)) == {"new", "x"}
    assert repo.fans.create(name="bob") in repo.fans.all()


@pytest.mark.parametrize("wrong", [None, 7, "1", Repo, Account, Repo(name="unsaved")])
def test_wrong_objects(star, wrong):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    ada.stars.add(one)
    for write in (
        lambda: ada.stars.add(two, wrong),
        lambda: ada.stars.set([two, wrong]),
        lambda: ada.stars.set([two, wrong], clear=True),
        lambda: ada.stars.remove(one, wrong),
    ):
        with pytest.raises((TypeError, ValueError)):
            write()
    assert list(ada.stars.all()) == [one]
    with pytest.raises(ValueError, match="is not saved"):
        Account(name="new").stars  # noqa: B018


def test_managers_are_those_of_the_model(star, define):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    ada.stars.add(one, two)
    assert list(ada.stars.named("one")) == [one]
    Repo.everything.filter(pk=two.pk).update(gone=True)
    assert list(ada.stars.all()) == [one]
    assert list(ada.stars) == [one]
    assert set(ada.stars(manager="everything").all()) == {one, two}


@pytest.mark.parametrize(
    ("write", "left"),
    [
        (lambda stars, hidden, given: stars.set([], **given), 0),
        (lambda stars, hidden, given: stars.set([], clear=True, **given), 0),
        (lambda stars, hidden, given: stars.clear(), 0),
        (lambda stars, hidden, given: stars.remove(hidden), 1),
        (lambda stars, hidden, given: stars.set([hidden], **given), 0),
        (lambda stars, hidden, given: stars.add(hidden, **given), 1),
    ],
    ids=["set", "set, clear", "clear", "remove", "set it", "add"],
)
@pytest.mark.parametrize("model", [Connection, Rating, Slot])
def test_connections_with_hidden_objects_are_kept(define, write, left, model):
    star = define("star", Account, Repo, connection_model=model)
    star.attach("stars")
    given = {}
    if model is Slot:
        times = dict.fromkeys(["start_time", "end_time"], timezone.now())
        given = {"through_defaults": times}
    (ada,), (shown, hidden) = accounts("ada"), repos("one", "two")
    ada.stars.add(shown, hidden, **given)
    kept = star.get_connection(ada, hidden).pk
    Repo.everything.filter(pk=hidden.pk).update(gone=True)
    write(ada.stars, hidden, given)
    assert star.connections.get(to_pk=hidden.pk).pk == kept
    assert list(ada.stars.all()) == [shown][:left]


def test_set_keeps_connections_with_objects_that_are_hidden_when_read(star):
    """As in Django, ``set()`` reads the manager; the others go by its conditions."""
    (ada,), (shown, hidden, gone) = accounts("ada"), repos("one", "two", "three")
    ada.stars.add(shown, hidden, gone)
    Repo.everything.filter(pk=hidden.pk).update(gone=True)
    Repo.everything.filter(pk=gone.pk)._raw_delete("default")
    stars = ada.stars(manager="as_read")
    stars.set([])
    assert get_relationship("star").connections.get().to_pk == str(hidden.pk)
    stars.clear()
    assert not get_relationship("star").connections.exists()


def test_an_end_has_objects_of_its_model(star):
    end = star.ends["to"]
    end.check_target_model(Repo)
    with pytest.raises(TypeError, match=r"has objects of lithub.Repo at this end"):
        end.check_target_model(Account)


def test_what_is_gone_is_not_hidden(star):
    (ada,), (gone, hidden) = accounts("ada"), repos("one", "two")
    ada.stars.add(gone, hidden)
    Repo.everything.filter(pk=gone.pk)._raw_delete("default")
    Repo.everything.filter(pk=hidden.pk).update(gone=True)
    ada.stars.clear()
    assert get_relationship("star").connections.get().to_pk == str(hidden.pk)


@pytest.mark.parametrize("first", [True, False])
def test_symmetric_connections_with_hidden_objects_are_kept(define, first):
    define("twin", Repo, Repo, symmetric=True).attach("twins")
    one, two, three = repos("one", "two", "three")
    two.twins.add(one, three)
    hidden, shown = (one, three) if first else (three, one)
    Repo.everything.filter(pk=hidden.pk).update(gone=True)
    assert list(two.twins.all()) == [shown]
    two.twins.remove(hidden)
    two.twins.clear()
    assert list(two.twins.all()) == []
    assert list(two.twins(manager="everything").all()) == [hidden]
    two.twins(manager="everything").clear()
    assert not get_relationship("twin").connections.exists()


def test_connecting_again_while_somebody_listens(star):
    def receiver(**kwargs):
        pass

    (ada,), (one,) = accounts("ada"), repos("one")
    connection_created.connect(receiver)
    try:
        for _ in range(2):
            ada.stars.add(one)
            ada.stars.set([one])
            get_relationship("star").create_connections([(ada, one)])
    finally:
        connection_created.disconnect(receiver)
    assert list(ada.stars.all()) == [one]


def test_keys_that_only_the_database_takes_for_equal(define):
    define("alike", Style, Style, symmetric=True).attach("alike")
    Style.objects.create(code="abc")
    other = Style.objects.create(code="xyz")
    Connection.objects.create(relationship_name="alike", from_pk="ABC", to_pk="xyz")
    prefetch_related_objects([other], "alike")
    assert list(other.alike.all()) == []


def test_reading_is_one_query(star, django_assert_num_queries):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    ada.stars.add(one, two)
    for read in (
        lambda: list(ada.stars.all()),
        lambda: ada.stars.count(),
        lambda: ada.stars.exists(),
        lambda: ada.stars.order_by("name").first(),
        lambda: list(ada.stars.filter(fans__name="ada")),
    ):
        with django_assert_num_queries(1):
            assert read()
    assert one in ada.stars.all()
    assert ada.stars.contains(two)


def test_asynchronous_twins(star):
    (ada,), (one, two) = accounts("ada"), repos("one", "two")

    async def work():
        await ada.stars.aadd(one)
        await ada.stars.aset([one, two])
        await ada.stars.aremove(one)
        assert [repo async for repo in ada.stars.all()] == [two]
        await ada.stars.acreate(name="new")
        await ada.stars.aget_or_create(name="new")
        await ada.stars.aupdate_or_create(name="new")
        assert await ada.stars.acount() == 2
        await ada.stars.aclear()

    async_to_sync(work)()
    assert not star.connections.exists()


def test_characteristics(define):
    rate = define("rate", Account, Repo, connection_model=Rating)
    rate.attach("rated", "raters")
    (ada,), (one, two) = accounts("ada"), repos("one", "two")
    ada.rated.add(one, through_defaults={"rank": 3})
    ada.rated.add(one, two, through_defaults={"rank": lambda: 5})
    ranks = rate.connections.order_by("rank").values_list("rank", flat=True)
    assert list(ranks) == [3, 5]
    with pytest.raises(TypeError, match="'nothing'"):
        ada.rated.add(two, through_defaults={"nothing": 1})


def test_the_same_several_times(define):
    slots = define("slots", Page, Style, connection_model=Slot)
    slots.attach("styles", "pages")
    page, style = Page.objects.create(), Style.objects.create(code="s")
    now = timezone.now()
    times = {"start_time": now, "end_time": now}
    slots.create_connections([(page, style), (page, style)], **times)
    assert list(page.styles.all()) == [style]
    (found,) = Page.objects.prefetch_related("styles")
    assert list(found.styles.all()) == [style]
    page.styles.add(style, through_defaults=times)
    assert slots.connections.count() == 2, "what is connected is left alone"
    # As over any many-to-many, a row for each connection.
    assert Page.objects.filter(styles=style).count() == 2


# Lookups.


def test_lookups(star):
    ada, bob, cyd = accounts("ada", "bob", "cyd")
    one, two = repos("one", "two")
    ada.stars.add(one, two)
    bob.stars.add(two)
    objects = Account.objects
    assert list(objects.filter(stars=one)) == [ada]
    assert list(objects.filter(stars=one.pk)) == [ada]
    assert list(objects.filter(stars__name="one")) == [ada]
    assert set(objects.filter(stars__in=[one, two])) == {ada, bob}
    assert set(objects.filter(stars__in=Repo.objects.filter(name="two"))) == {ada, bob}
    assert list(objects.filter(stars__isnull=True)) == [cyd]
    assert set(objects.filter(stars__isnull=False).distinct()) == {ada, bob}
    assert set(objects.exclude(stars=one)) == {bob, cyd}
    assert set(objects.exclude(stars__name="two")) == {cyd}
    assert set(objects.filter(Q(stars__name="one") | Q(name="cyd"))) == {ada, cyd}
    assert list(Repo.objects.filter(fans__name="bob")) == [two]
    assert list(Repo.objects.filter(fans__stars=one).order_by("pk")) == [one, two]
    counts = objects.annotate(n=Count("stars")).values_list("name", "n")
    assert set(counts) == {("ada", 2), ("bob", 1), ("cyd", 0)}
    assert set(objects.values_list("name", "stars__name")) == {
        ("ada", "one"),
        ("ada", "two"),
        ("bob", "two"),
        ("cyd", None),
    }
    assert set(objects.values_list("name", "stars")) == {
        ("ada", one.pk),
        ("ada", two.pk),
        ("bob", two.pk),
        ("cyd", None),
    }
    filtered = objects.annotate(
        named=FilteredRelation("stars", condition=Q(stars__name="two"))
    )
    assert set(filtered.filter(named__isnull=False)) == {ada, bob}
    with pytest.raises(ValueError, match='Must be "Repo" instance'):
        list(objects.filter(stars=ada))
    queryset = objects.filter(stars__name="one")
    assert list(pickle.loads(pickle.dumps(queryset))) == [ada]
    query = pickle.loads(pickle.dumps(queryset.query))
    assert list(Account.objects.all()) != list(queryset)
    again = Account.objects.all()
    again.query = query
    assert list(again) == [ada]


def test_symmetric_lookups(friend):
    ada, bob, cyd, dee, eve = accounts("ada", "bob", "cyd", "dee", "eve")
    friend.create_connections([(ada, bob), (cyd, bob), (dee, dee)])
    objects = Account.objects
    assert set(objects.filter(friends=bob)) == {ada, cyd}
    assert set(objects.filter(friends=bob.pk)) == {ada, cyd}
    assert list(objects.filter(friends=ada)) == [bob]
    assert list(objects.filter(friends=dee)) == [dee]
    assert set(objects.filter(friends__name__in=["ada", "bob"])) == {ada, bob, cyd}
    assert set(objects.filter(friends__in=[ada, bob])) == {ada, bob, cyd}
    assert list(objects.filter(friends__isnull=True)) == [eve]
    assert set(objects.filter(friends__isnull=False).distinct()) == {
        ada,
        bob,
        cyd,
        dee,
    }
    assert set(objects.exclude(friends=bob)) == {bob, dee, eve}
    assert set(objects.exclude(friends__name="ada")) == {ada, cyd, dee, eve}
    assert set(objects.filter(friends__friends=ada)) == {ada, cyd}
    assert set(objects.exclude(friends__friends__name="ada")) == {bob, dee, eve}
    counts = objects.annotate(n=Count("friends")).values_list("name", "n")
    assert set(counts) == {
        ("ada", 1),
        ("bob", 2),
        ("cyd", 1),
        ("dee", 1),
        ("eve", 0),
    }
    pairs = set(objects.values_list("name", "friends__name"))
    assert pairs == {
        ("ada", "bob"),
        ("bob", "ada"),
        ("bob", "cyd"),
        ("cyd", "bob"),
        ("dee", "dee"),
        ("eve", None),
    }
    filtered = objects.annotate(
        named=FilteredRelation("friends", condition=Q(friends__name="ada"))
    )
    assert list(filtered.filter(named__isnull=False)) == [bob]
    queryset = objects.filter(friends__name="ada")
    again = Account.objects.all()
    again.query = pickle.loads(pickle.dumps(queryset.query))
    assert list(again) == [bob]


def test_lookups_of_children_and_proxies(star):
    company = Company.objects.create(name="child")
    (repo,) = repos("repo")
    company.stars.add(repo)
    proxy = AccountProxy.objects.get()
    assert list(proxy.stars.all()) == [repo]
    assert list(Company.objects.filter(stars__name="repo")) == [company]
    assert list(AccountProxy.objects.filter(stars=repo)) == [proxy]
    assert list(Repo.objects.filter(fans=company)) == [repo]
    (found,) = Company.objects.prefetch_related("stars")
    assert list(found.stars.all()) == [repo]


def test_keys_of_other_kinds(define):
    show = define("show", Poster, Style)
    show.attach("styles", "posters")
    opera = Opera.objects.create(title="o")
    poster = Poster.objects.create(opera=opera)
    style = Style.objects.create(code="it's 100%", title="t")
    poster.styles.add(style)
    assert list(style.posters.all()) == [poster]
    assert list(Poster.objects.filter(styles__title="t")) == [poster]
    assert list(Style.objects.filter(posters__opera__title="o")) == [style]
    assert list(Style.objects.values_list("posters", flat=True)) == [opera.pk]
    (found,) = Style.objects.prefetch_related("posters")
    assert list(found.posters.all()) == [poster]
    (found,) = Poster.objects.prefetch_related("styles")
    assert list(found.styles.all()) == [style]


# Prefetching.


def test_prefetching(star, django_assert_num_queries):
    ada, bob, _cyd = accounts("ada", "bob", "cyd")
    one, two = repos("one", "two")
    ada.stars.add(one, two)
    bob.stars.add(two)
    with django_assert_num_queries(3):
        rows = Account.objects.order_by("name").prefetch_related("stars__fans")
        found = [{repo: set(repo.fans.all()) for repo in a.stars.all()} for a in rows]
        assert [a.stars.count() for a in rows] == [2, 1, 0]
    assert found == [{one: {ada}, two: {ada, bob}}, {two: {ada, bob}}, {}]
    cached = rows[0]
    cached.stars.remove(one)
    assert list(cached.stars.all()) == [two]
    queryset = Repo.objects.filter(name="two")
    rows = Account.objects.order_by("name").prefetch_related(
        Prefetch("stars", queryset, to_attr="twos")
    )
    assert [account.twos for account in rows] == [[two], [two], []]


@pytest.mark.parametrize("name", ["star", "friend"])
def test_prefetching_slices(star, friend, name):
    ada, bob = accounts("ada", "bob")
    others = repos(*"abcde") if name == "star" else accounts(*"vwxyz")
    relationship = get_relationship(name)
    attribute = "stars" if name == "star" else "friends"
    relationship.create_connections((one, two) for one in (ada, bob) for two in others)
    queryset = type(others[0]).objects.order_by("-name")[1:3]
    rows = Account.objects.filter(pk__in=[ada.pk, bob.pk]).prefetch_related(
        Prefetch(attribute, queryset, to_attr="some")
    )
    expected = [others[3], others[2]]
    assert [one.some for one in rows] == [expected] * 2


def test_prefetching_symmetric_relationships(friend, django_assert_num_queries):
    ada, bob, cyd, dee = accounts("ada", "bob", "cyd", "dee")
    friend.create_connections([(ada, bob), (cyd, bob), (cyd, ada), (dee, dee)])
    with django_assert_num_queries(4):
        rows = Account.objects.prefetch_related("friends")
        found = {account: set(account.friends.all()) for account in rows}
    assert found == {ada: {bob, cyd}, bob: {ada, cyd}, cyd: {ada, bob}, dee: {dee}}
    shared = [friend for account in rows for friend in account.friends.all()]
    assert len(set(map(id, shared))) == len(shared), "no two share an object"
    rows = Account.objects.order_by("name").prefetch_related(
        Prefetch("friends", Account.objects.order_by("-name"))
    )
    assert [f.name for f in rows[1].friends.all()] == ["cyd", "ada"]


def test_prefetching_takes_one_queryset(star):
    (ada,) = accounts("ada")
    with pytest.raises(ValueError, match="should have a length of 1"):
        ada.stars.get_prefetch_querysets([ada], [Repo.objects.all()] * 2)


def test_symmetric_managers(friend):
    ada, bob, cyd = accounts("ada", "bob", "cyd")
    ada.friends.add(bob, cyd)
    bob.friends.add(ada)
    assert friend.connections.count() == 2
    assert list(bob.friends.all()) == [ada]
    bob.friends.remove(ada)
    assert list(ada.friends.all()) == [cyd]
    cyd.friends.set([bob, cyd])
    assert set(cyd.friends.all()) == {bob, cyd}
    assert not ada.friends.exists()


def test_an_f_expression(star):
    ada, _bob = accounts("ada", "bob")
    (repo,) = repos("ada")
    ada.stars.add(repo)
    assert list(Account.objects.filter(stars__name=F("name"))) == [ada]


@pytest.mark.django_db(databases=["default", "other"])
def test_another_database(star):
    ada = Account.objects.using("other").create(name="ada")
    repo = Repo.objects.using("other").create(name="repo")
    ada.stars.add(repo)
    assert ada.stars.get() == repo
    assert ada.stars.all().db == "other"
    assert ada.stars.db_manager("other").get() == repo
    (found,) = Account.objects.using("other").prefetch_related("stars")
    assert list(found.stars.all()) == [repo]
    assert not star.connections.exists()


@pytest.mark.django_db(transaction=True)
def test_attaching_while_others_read(define):
    (ada,), (repo,) = accounts("ada"), repos("repo")
    get_relationship("star_repo").create_connection(ada, repo)
    done, errors, reads = threading.Event(), [], []

    def read():
        while not done.is_set():
            try:
                assert Account._meta.get_field("starred_repos").many_to_many
                found = Account.objects.filter(starred_repos__name="repo")
                reads.append(list(found) == [ada])
            except Exception as error:
                errors.append(error)
        connection.close()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(40):
        define(f"new{number}", Account, Repo).attach(f"a{number}", f"b{number}")
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert reads
    assert all(reads)


def test_attaching_makes_no_query(define):
    with CaptureQueriesContext(connection) as queries:
        define("quiet", Account, Repo).attach("quiet_ones")
    assert not len(queries)
