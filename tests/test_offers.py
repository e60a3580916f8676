"""
What a form may remove: what it has offered, whatever the project makes of the choice.
"""

import copy
import gc
import pickle
from operator import add

import pytest
from django import forms
from django.db.models import Model

from gm2m.forms import GM2MMultipleChoiceField
from gm2m.identifiers import identifier
from gm2m.offers import ChosenObjects
from tests.app.models import Movie, Opera, User, Video

pytestmark = pytest.mark.django_db

#: What code on the way from the form to the manager may do with what was chosen.
DERIVED = {
    "as it is": lambda objs: objs,
    "sorted": lambda objs: sorted(objs, key=str),
    "a comprehension": lambda objs: [obj for obj in objs if obj.title != "Ran"],
    "an empty comprehension": lambda objs: [obj for obj in objs if obj.title == "Ran"],
    "a slice": lambda objs: objs[:1],
    "an empty slice": lambda objs: objs[5:],
    "a set": set,
    "a tuple": tuple,
    "a generator": iter,
    "a copy": lambda objs: objs.copy(),
    "a deep copy": copy.deepcopy,
    "reversed": lambda objs: [*reversed(objs)],
    "more": lambda objs: [*objs, *objs],
    "a queryset": lambda objs: Movie.objects.filter(pk__in=[obj.pk for obj in objs]),
    "fetched again": lambda objs: [type(obj).objects.get(pk=obj.pk) for obj in objs],
}


@pytest.fixture
def alien():
    return Movie.objects.create(title="Alien")


@pytest.fixture
def jaws():
    return Movie.objects.create(title="Jaws")


@pytest.fixture
def aida():
    """An object of a model that the forms do not offer."""
    return Opera.objects.create(title="Aida")


@pytest.fixture
def hidden():
    """An object that the queryset on offer does not have."""
    return Movie.objects.create(title="Hidden")


@pytest.fixture
def jack(alien, jaws, aida, hidden):
    user = User.objects.create(name="Jack")
    user.preferred_videos.add(alien, jaws, aida, hidden)
    return user


def offering(change=None, **attributes):
    """Return a form that offers some movies, and makes something of what is chosen."""

    class Form(forms.ModelForm):
        preferred_videos = GM2MMultipleChoiceField(
            [Movie.objects.exclude(title="Hidden")], required=False
        )

        class Meta:
            model = User
            fields = ["name", "preferred_videos"]

    if change is not None:
        attributes["clean_preferred_videos"] = lambda form: change(
            form.cleaned_data["preferred_videos"]
        )
    return type("Form", (Form,), attributes)


def posted(form_class, user, *objs, **options):
    data = {"name": "Jack", "preferred_videos": [identifier(obj) for obj in objs]}
    form = form_class(data, instance=user, **options)
    assert form.is_valid(), form.errors
    return form


def linked(user):
    return {target.title for target in user.preferred_videos.all()}


@pytest.mark.parametrize("change", DERIVED.values(), ids=DERIVED)
def test_what_was_not_offered_stays_whatever_cleaning_returns(
    change, jack, alien, django_assert_num_queries
):
    form = posted(offering(change), jack, alien)
    left = {obj.title for obj in change(ChosenObjects([alien]))}
    form.save()
    assert linked(jack) == {"Aida", "Hidden", *left}


@pytest.mark.parametrize("change", DERIVED.values(), ids=DERIVED)
def test_nothing_chosen(change, jack):
    posted(offering(change), jack).save()
    assert linked(jack) == {"Aida", "Hidden"}


def test_a_clean_that_makes_the_cleaned_data_anew(jack, alien):
    def clean(form):
        data = form.cleaned_data
        return {**data, "preferred_videos": sorted(data["preferred_videos"], key=str)}

    posted(offering(clean=clean), jack, alien).save()
    assert linked(jack) == {"Aida", "Hidden", "Alien"}


def test_saving_in_two_steps(jack, alien):
    form = posted(offering(list), jack, alien)
    user = form.save(commit=False)
    user.save()
    form.save_m2m()
    assert linked(jack) == {"Aida", "Hidden", "Alien"}
    # Once more.
    jack.preferred_videos.add(Movie.objects.create(title="Late"))
    form.save_m2m()
    assert linked(jack) == {"Aida", "Hidden", "Alien"}


def test_setting_what_was_cleaned(jack, alien):
    form = posted(offering(list), jack, alien)
    jack.preferred_videos.set(form.cleaned_data["preferred_videos"])
    assert linked(jack) == {"Aida", "Hidden", "Alien"}


@pytest.mark.parametrize(
    "change", [sorted, list, set, lambda objs: [obj for obj in objs if obj]]
)
def test_setting_what_was_chosen_in_code(change, jack, alien):
    """The very objects that were chosen come from the offer, in whatever list."""
    if change is sorted:
        change = DERIVED["sorted"]
    form = posted(offering(), jack, alien)
    jack.preferred_videos.set(change(form.cleaned_data["preferred_videos"]))
    assert linked(jack) == {"Aida", "Hidden", "Alien"}


def test_clearing_first(jack, alien):
    """The links that come from the offer are made anew, and no others are touched."""
    rows = User.preferred_videos.through.objects.order_by("pk")
    before = dict(rows.values_list("gm2m_pk", "pk"))
    form = posted(offering(list), jack, alien)
    chosen = form.cleaned_data["preferred_videos"]
    jack.preferred_videos.set(chosen, clear=True)
    assert linked(jack) == {"Aida", "Hidden", "Alien"}
    after = dict(rows.values_list("gm2m_pk", "pk"))
    anew = {key for key, pk in after.items() if before[key] != pk}
    assert anew == {str(alien.pk)}
    jack.preferred_videos.set([alien], clear=True)
    assert linked(jack) == {"Alien"}


def test_formsets(jack, alien):
    formset_class = forms.modelformset_factory(User, offering(list), extra=0)
    data = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": jack.pk,
        "form-0-name": "Jack",
        "form-0-preferred_videos": [identifier(alien)],
    }
    formset = formset_class(data)
    formset.save(commit=False)
    formset.save_m2m()
    assert linked(jack) == {"Aida", "Hidden", "Alien"}


# A project's own lists.


def test_a_list_of_its_own_replaces_all(jack, alien, jaws):
    form = posted(offering(list), jack, alien)
    jack.preferred_videos.set([Movie.objects.get(pk=jaws.pk)])
    assert linked(jack) == {"Jaws"}
    form.save()
    jack.preferred_videos.set([])
    assert linked(jack) == set()


def test_a_form_that_is_not_valid_leaves_nothing_that_limits(jack, alien):
    data = {"name": "", "preferred_videos": [identifier(alien)]}
    form = offering(list)(data, instance=jack)
    assert not form.is_valid()
    field = User._meta.get_field("preferred_videos")
    field.save_form_data(jack, [])
    assert linked(jack) == set()


def test_what_an_instance_remembers_ends_with_the_form(jack, alien):
    form = posted(offering(list), jack, alien)
    (chooser,) = vars(jack._state)["gm2m_choosers"]
    assert chooser.owner() is form
    del form
    gc.collect()
    assert chooser.owner() is None
    assert chooser.chosen([alien], (alien,)) is None
    second = posted(offering(list), jack, alien)
    third = posted(offering(list), jack, alien)
    third["preferred_videos"]
    found = [one.owner() for one in vars(jack._state)["gm2m_choosers"]]
    assert found == [second, third]


def test_an_instance_can_be_pickled_and_copied(jack, alien):
    form = posted(offering(list), jack, alien)
    for twin in (pickle.loads(pickle.dumps(jack)), copy.deepcopy(jack)):
        assert isinstance(twin, Model)
        assert list(vars(twin._state)["gm2m_choosers"]) == []
    assert not vars(jack).keys() - vars(User.objects.get()).keys()
    form.save()


def test_a_field_that_the_form_has_lost(jack, alien):
    form = posted(offering(), jack, alien)
    chosen = list(form.cleaned_data["preferred_videos"])
    del form.fields["preferred_videos"]
    jack.preferred_videos.set(chosen)
    assert linked(jack) == {"Alien"}


# The list itself.


@pytest.mark.parametrize(
    "operation",
    [
        lambda objs: objs[:],
        lambda objs: objs[::-1],
        lambda objs: objs.copy(),
        copy.copy,
        copy.deepcopy,
        lambda objs: objs.__add__([]),
        lambda objs: add([], objs),
        lambda objs: objs * 2,
        lambda objs: 1 * objs,
    ],
    ids=range(9),
)
def test_list_operations_keep_the_offer(operation, jack, alien):
    field = GM2MMultipleChoiceField([Movie], required=False)
    chosen = operation(field.clean([identifier(alien)]))
    assert isinstance(chosen, ChosenObjects)
    assert set(chosen) == {alien}
    jack.preferred_videos.set(chosen)
    assert linked(jack) == {"Aida", "Alien"}


def test_its_items_are_objects(alien):
    assert ChosenObjects([alien])[0] is alien


def test_without_an_offer_it_replaces_all(jack, alien):
    jack.preferred_videos.set(ChosenObjects([alien]))
    assert linked(jack) == {"Alien"}


def test_parents_and_children_are_not_mixed_up(jack, alien):
    """Movies are on offer, not the videos that they are."""
    video = Video.objects.create(title="Plain")
    jack.preferred_videos.add(video)
    posted(offering(list), jack, alien).save()
    assert linked(jack) == {"Aida", "Hidden", "Alien", "Plain"}
