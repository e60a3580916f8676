"""
A positive and a negated condition beside each other: as many-to-many relations over
tables of their own answer, whatever table they share here.
"""

import itertools
import pickle
from types import SimpleNamespace

import pytest
from django.db.models import Case, Count, Exists, F, OuterRef, Q, Sum, When

from .app.models import (
    Concert,
    Critic,
    Documentary,
    Friend,
    Movie,
    Opera,
    Person,
    Playlist,
    User,
    Video,
)
from .lithub.models import Account, Repo

#: The titles of what is linked, by model: every combination that can differ.
LINKED = {
    "none": {},
    "x": {"movie": ["x"]},
    "y": {"movie": ["y"]},
    "x y": {"movie": ["x", "y"]},
    "tosca": {"opera": ["tosca"]},
    "x tosca": {"movie": ["x"], "opera": ["tosca"]},
    "x aida": {"movie": ["x"], "opera": ["aida"]},
    "y both": {"movie": ["y"], "opera": ["tosca", "aida"]},
    "x y gala": {"movie": ["x", "y"], "concert": ["gala"]},
    "all": {"movie": ["x", "y"], "opera": ["tosca", "aida"], "concert": ["gala"]},
}
#: Models, and two titles of each.
TITLES = {
    "movie": ("x", "y"),
    "opera": ("tosca", "aida"),
    "concert": ("gala", "recital"),
}


@pytest.fixture
def shelf(db):
    """Users with all kinds of links, and their targets by title."""
    targets = {
        "x": Movie.objects.create(title="x"),
        "y": Movie.objects.create(title="y"),
        "tosca": Opera.objects.create(title="tosca"),
        "aida": Opera.objects.create(title="aida"),
        # The same key as text as that of a movie.
        "gala": Concert.objects.create(pk=str(Movie.objects.earliest("pk").pk)),
        "recital": Concert.objects.create(pk="recital", title="recital"),
    }
    Concert.objects.filter(title="").update(title="gala")
    for name, linked in LINKED.items():
        user = User.objects.create(name=name)
        user.preferred_videos.add(
            *(targets[one] for one in itertools.chain(*linked.values()))
        )
    return SimpleNamespace(**targets, targets=targets)


def names(queryset):
    return sorted(set(queryset.values_list("name", flat=True)))


def conditions(shelf, model, title):
    """Return the ways to ask for a target of `model`."""
    target = shelf.targets[title]
    lookup = f"preferred_videos__{model}"
    return [
        Q(**{f"{lookup}__title": title}),
        Q(**{lookup: target}),
        Q(**{f"{lookup}__in": [target]}),
        Q(**{f"{lookup}__in": type(target).objects.filter(title=title)}),
        Q(preferred_videos=target),
        Q(preferred_videos__in=[target]),
        Q(preferred_videos__in=type(target).objects.filter(title=title)),
    ]


def has(linked, model, title):
    return title in linked.get(model, ())


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(TITLES, 2)])
def test_of_two_models(shelf, one, other):
    for title, unwanted in itertools.product(TITLES[one], TITLES[other]):
        with_one = {name for name in LINKED if has(LINKED[name], one, title)}
        without = {name for name in LINKED if not has(LINKED[name], other, unwanted)}
        wanted, refused = (
            conditions(shelf, one, title),
            conditions(shelf, other, unwanted),
        )
        for positive, negative in zip(
            wanted, [*refused[3:], *refused[:3]], strict=True
        ):
            label = f"{positive} {negative}"
            both = names(User.objects.filter(positive, ~negative))
            assert both == sorted(with_one & without), label
            assert names(User.objects.filter(~negative, positive)) == both, label
            assert names(User.objects.exclude(~positive | negative)) == both, label
        # By the field alone it cannot be told of which model the first condition is.
        for positive, negative in zip(wanted[:4], refused[2:6], strict=True):
            either = names(User.objects.filter(positive | ~negative))
            assert either == sorted(with_one | without), f"{positive} {negative}"


@pytest.mark.parametrize(("model", "titles"), TITLES.items())
def test_of_one_model_they_are_about_one_link(shelf, model, titles):
    title, unwanted = titles
    # What a many-to-many answers: some link, to neither the one nor nothing.
    several = Q(**{f"preferred_videos__{model}__title__in": titles})
    expected = [name for name in LINKED if has(LINKED[name], model, title)]
    for refused in conditions(shelf, model, unwanted):
        found = User.objects.filter(several, ~refused)
        assert names(found) == sorted(expected), refused
        rows = found.values_list(f"preferred_videos__{model}__title", flat=True)
        assert set(rows) <= {title}
        assert names(pickle.loads(pickle.dumps(found))) == sorted(expected)
    never = Q(**{f"preferred_videos__{model}__title": title})
    assert names(User.objects.filter(never, ~never)) == []


def test_of_one_model_either(shelf):
    """Links to other models are no links to be compared."""
    x, y = Q(preferred_videos__movie__title="x"), Q(preferred_videos__movie__title="y")
    expected = [name for name in LINKED if LINKED[name].get("movie") != ["y"]]
    assert names(User.objects.filter(x | ~y)) == sorted(expected)


def test_conditions_of_an_earlier_call_are_about_other_links(shelf):
    x, y = Q(preferred_videos__movie__title="x"), Q(preferred_videos__movie__title="y")
    expected = ["x", "x aida", "x tosca"]
    assert names(User.objects.filter(x).filter(~y)) == expected
    assert names(User.objects.filter(x).exclude(y)) == expected
    # As in Django, which knows the links of the first call by their table's name.
    assert names(User.objects.filter(x).filter(x, ~y)) == expected


def test_whether_there_is_a_link_to_another_model(shelf):
    x, opera = (
        Q(preferred_videos__movie__title="x"),
        Q(preferred_videos__opera__isnull=False),
    )
    expected = ["x", "x y", "x y gala"]
    assert names(User.objects.filter(x, ~opera)) == expected
    without = [name for name in LINKED if "opera" not in LINKED[name]]
    assert names(User.objects.filter(x | ~opera)) == sorted(
        {*without, "x tosca", "x aida", "all"}
    )
    anything = Q(preferred_videos__isnull=False)
    assert names(User.objects.filter(Q(name="x") | ~anything)) == ["none", "x"]


def test_three_models(shelf):
    found = User.objects.filter(
        Q(preferred_videos__movie__title="x"),
        ~Q(preferred_videos__opera__title="tosca"),
        ~Q(preferred_videos__concert__title="gala"),
    )
    assert names(found) == ["x", "x aida", "x y"]
    found = User.objects.filter(
        Q(preferred_videos__movie__title="x"),
        ~(
            Q(preferred_videos__opera__title="tosca")
            | Q(
                preferred_videos__movie__title="x", preferred_videos__concert=shelf.gala
            )
        ),
    )
    assert names(found) == ["x", "x aida", "x y"]


def test_aggregates(shelf):
    tosca = Q(preferred_videos__opera__title="tosca")
    found = User.objects.filter(Q(preferred_videos__movie__title="x"), ~tosca)
    counted = found.annotate(n=Count("preferred_videos__movie"))
    assert {user.name: user.n for user in counted} == {
        "x": 1,
        "x aida": 1,
        "x y": 1,
        "x y gala": 1,
    }
    # Each link is one to tosca or not.
    counted = User.objects.annotate(n=Count("preferred_videos", filter=~tosca))
    assert {user.name: user.n for user in counted} == {
        name: sum(map(len, linked.values())) - has(linked, "opera", "tosca")
        for name, linked in LINKED.items()
    }
    # No link at all is none to tosca either.
    no = User.objects.annotate(
        n=Sum(Case(When(~Q(preferred_videos__opera=shelf.tosca), then=1), default=0))
    )
    assert no.get(name="none").n == 1
    assert no.get(name="tosca").n == 0


def test_joined_rows_stay_what_they_are_in_other_queries(shelf):
    """Queries are combined, nested and used as subqueries, with other aliases."""
    x, y = Q(preferred_videos__movie__title="x"), Q(preferred_videos__movie__title="y")
    tosca = Q(preferred_videos__opera__title="tosca")
    one = User.objects.filter(x, ~tosca)
    same = User.objects.filter(x | y, ~x)
    with_x = ["x", "x aida", "x y", "x y gala"]
    with_y = ["all", "x y", "x y gala", "y", "y both"]
    assert names(one) == with_x
    assert names(same) == with_y
    assert names(User.objects.filter(pk__in=one)) == with_x
    assert names(User.objects.filter(pk__in=same)) == with_y
    assert names(User.objects.filter(Exists(same.filter(pk=OuterRef("pk"))))) == with_y
    assert names(one | same) == sorted({*with_x, *with_y})
    assert names(User.objects.filter(y) & one) == ["x y", "x y gala"]
    assert names(User.objects.filter(tosca) & same) == ["all", "y both"]
    movies = Movie.objects.filter(user__in=same, title="y")
    assert set(movies.values_list("user__name", flat=True)) >= set(with_y)
    assert same.distinct().count() == 5
    assert same.filter(pk__in=one).exclude(preferred_videos=shelf.gala).count() == 1


def test_the_query_joins_no_table_more(shelf):
    sql = str(
        User.objects.filter(
            Q(preferred_videos__movie=shelf.x), ~Q(preferred_videos__opera=shelf.tosca)
        ).query
    )
    # The table of users at the start, and that of links without and within.
    assert sql.count("JOIN") == 1
    assert sql.count("FROM") == 2


def test_from_a_target(db):
    movies = {
        name: Movie.objects.create(title=name) for name in ("one", "two", "three")
    }
    ann, ben = (User.objects.create(name=name) for name in ("ann", "ben"))
    ann.preferred_videos.add(movies["one"], movies["two"])
    ben.preferred_videos.add(movies["two"], movies["three"])

    def titles(*conditions):
        found = Movie.objects.filter(*conditions).values_list("title", flat=True)
        return sorted(set(found))

    is_ann, is_ben = Q(user__name="ann"), Q(user__name="ben")
    # As a many-to-many: somebody who is not Ben.
    assert titles(is_ann | is_ben, ~is_ben) == ["one", "two"]
    assert titles(is_ann, ~is_ben) == ["one", "two"]
    assert titles(is_ann, ~Q(user=ben)) == ["one", "two"]
    assert titles(~is_ben) == ["one"]


def test_a_relation_to_itself(db):
    """One table leads from a friend to friends, and to those whose friend it is."""
    ann, ben, cid = (Friend.objects.create(name=name) for name in ("ann", "ben", "cid"))
    ann.friends.add(ben, cid)
    ben.friends.add(ann)
    cid.friends.add(cid)

    def found(*conditions):
        return names(Friend.objects.filter(*conditions))

    likes_ben, liked_by_ben = Q(friends__friend=ben), Q(befriended_by=ben)
    assert found(likes_ben) == ["ann"]
    assert found(likes_ben, ~liked_by_ben) == []
    assert found(likes_ben, ~Q(befriended_by=cid)) == ["ann"]
    assert found(likes_ben, ~Q(befriended_by__name="ben")) == []
    assert found(Q(befriended_by=ann), ~Q(friends__friend=ann)) == ["cid"]
    assert found(Q(befriended_by=ann), ~Q(friends=ann)) == ["cid"]


def test_two_ways_to_the_same_table(shelf):
    """The links are those of one video's lists, and of another's."""
    first, second = (Video.objects.create(title=name) for name in ("first", "second"))
    for name, linked in {
        "one": [first],
        "two": [second],
        "both": [first, second],
    }.items():
        Playlist.objects.create(name=name).items.add(*linked, shelf.tosca)
    # From a playlist, to its videos, and to those of other lists with them.
    lists = Playlist.objects.filter(
        Q(items__video__playlists__name="two"), ~Q(items__video__title="first")
    )
    assert names(lists) == ["both", "two"]
    lists = Playlist.objects.filter(
        Q(items__video__playlists__name="two"), ~Q(items__opera__title="aida")
    )
    assert names(lists) == ["both", "two"]
    lists = Playlist.objects.filter(
        Q(playlistitem__note=""), ~Q(items__opera__title="tosca")
    )
    assert names(lists) == []


def test_from_children_and_through_other_models(shelf):
    critic = Critic.objects.create(name="critic", paper="Le Monde")
    critic.preferred_videos.add(shelf.x)
    report = Documentary.objects.create(title="report")
    critic.preferred_videos.add(report)
    x = Q(preferred_videos__movie__title="x")
    found = Critic.objects.filter(x, ~Q(preferred_videos__opera__title="tosca"))
    assert names(found) == ["critic"]
    found = Critic.objects.filter(x, ~Q(preferred_videos__documentary=report))
    assert names(found) == []
    director = Person.objects.create(name="director")
    Movie.objects.filter(title="x").update(director=director)
    Opera.objects.filter(title="tosca").update(composer=director)
    # One model that leads to the same table twice.
    people = Person.objects.filter(
        Q(movie__user__name="x"), ~Q(opera__user__name="x aida")
    )
    assert names(people) == ["director"]
    people = Person.objects.filter(
        Q(movie__user__name="x"), ~Q(opera__user__name="tosca")
    )
    assert names(people) == []


def test_outer_references_and_other_columns(shelf):
    movies = Movie.objects.filter(
        Exists(
            User.objects.filter(
                Q(preferred_videos__movie=OuterRef("pk")),
                ~Q(preferred_videos__opera__title="tosca"),
            )
        )
    )
    assert sorted(movies.values_list("title", flat=True)) == ["x", "y"]
    shelf.y.title = "y both"
    shelf.y.save()
    found = User.objects.filter(
        Q(preferred_videos__opera__title="tosca"),
        ~Q(preferred_videos__movie__title=F("name")),
    )
    assert names(found) == ["all", "tosca", "x tosca"]


# Connections: every relationship has the same table.

STARS = {"ann": "rs", "ben": "r", "cid": "s", "dan": "r", "eve": ""}
FOLLOWS = {"ann": ["ben", "cid"], "ben": ["cid"], "cid": ["ann"], "dan": [], "eve": []}
FRIENDS = {"ann": ["ben"], "ben": ["ann"], "cid": ["dan"], "dan": ["cid"], "eve": []}
FOLLOWERS = {
    name: [other for other in FOLLOWS if name in FOLLOWS[other]] for name in FOLLOWS
}
CONNECTED = {
    "stars": STARS,
    "follows": FOLLOWS,
    "followers": FOLLOWERS,
    "friends": FRIENDS,
}


@pytest.fixture
def network(db, define):
    define("negated_follow", Account, Account).attach("follows", "followers")
    define("negated_star", Account, Repo).attach("stars", "fans")
    define("negated_friend", Account, Account, symmetric=True).attach("friends")
    accounts = {name: Account.objects.create(name=name) for name in STARS}
    repos = {name: Repo.objects.create(name=name) for name in "rst"}
    for name, account in accounts.items():
        account.stars.add(*(repos[one] for one in STARS[name]))
        account.follows.add(*(accounts[one] for one in FOLLOWS[name]))
        account.friends.add(*(accounts[one] for one in FRIENDS[name]))
    return SimpleNamespace(
        accounts=accounts, objects={**accounts, **repos}, **accounts, **repos
    )


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(CONNECTED, 2)])
def test_of_two_relationships(network, one, other):
    ends = {name: "rst" if name == "stars" else STARS for name in CONNECTED}
    for wanted, unwanted in itertools.product(ends[one], ends[other]):
        with_one = {name for name in STARS if wanted in CONNECTED[one][name]}
        without = {name for name in STARS if unwanted not in CONNECTED[other][name]}
        for positive, negative in itertools.product(
            (Q(**{one: network.objects[wanted]}), Q(**{f"{one}__name": wanted})),
            (
                Q(**{other: network.objects[unwanted]}),
                Q(**{f"{other}__name": unwanted}),
            ),
        ):
            everybody = Account.objects.all()
            found = names(everybody.filter(positive, ~negative))
            assert found == sorted(with_one & without)
            found = names(everybody.filter(positive | ~negative))
            assert found == sorted(with_one | without)
            mine = network.ann.follows.all()
            found = names(mine.filter(positive, ~negative))
            assert found == sorted(with_one & without & {"ben", "cid"})


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(CONNECTED, 2)])
def test_no_connection_of_another_relationship(network, one, other):
    nobody = ~Q(**{f"{other}__isnull": False})
    without = {name for name in STARS if not CONNECTED[other][name]}
    for wanted in "rst" if one == "stars" else STARS:
        positive = Q(**{one: network.objects[wanted]})
        with_one = {name for name in STARS if wanted in CONNECTED[one][name]}
        found = Account.objects.filter(positive, nobody)
        assert names(found) == sorted(with_one & without)
        found = Account.objects.filter(positive, Q(**{f"{other}__isnull": True}))
        assert names(found) == sorted(with_one & without)


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(CONNECTED, 2)])
def test_counts_where_another_relationship_is_not(network, one, other):
    unwanted = "r" if other == "stars" else "ann"
    negative = ~Q(**{other: network.objects[unwanted]})
    counted = Account.objects.annotate(n=Count(one, filter=negative, distinct=True))
    # Joins to both: those that are connected with others, or with nobody.
    assert {account.name: account.n for account in counted} == {
        name: len(CONNECTED[one][name])
        if set(CONNECTED[other][name]) - {unwanted} or not CONNECTED[other][name]
        else 0
        for name in STARS
    }


def test_of_one_relationship_they_are_about_one_connection(network):
    r, s = Q(stars__name="r"), Q(stars__name="s")
    assert names(Account.objects.filter(r | s, ~s)) == ["ann", "ben", "dan"]
    assert names(Account.objects.filter(r, ~s)) == ["ann", "ben", "dan"]
    assert names(Account.objects.filter(r).filter(~s)) == ["ben", "dan"]


def test_querysets_of_connections(network):
    """Their own table is the one that the conditions join."""
    stars = network.ann._meta.get_field("stars").relationship
    follows = network.ann._meta.get_field("follows").relationship
    found = stars.connections.filter(
        Q(negated_star_from__follows=network.cid),
        ~Q(negated_star_from__stars__name="s"),
    )
    assert [row.from_object.name for row in found] == ["ben"]
    found = follows.connections.filter(
        Q(negated_follow_from__stars=network.r), ~Q(negated_follow_to__stars=network.r)
    )
    pairs = sorted((row.from_object.name, row.to_object.name) for row in found)
    assert pairs == [("ann", "cid"), ("ben", "cid")]
