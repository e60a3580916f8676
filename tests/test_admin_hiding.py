"""
What a user of the admin may not see is hidden where it is shown, and nowhere else: the
objects that are saved and that the project's code sees have all their links.
"""

from types import ModuleType

import pytest
from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.contrib.auth.models import User as Account
from django.db.models.signals import post_save, pre_delete
from django.http import QueryDict
from django.test import RequestFactory
from django.urls import path, set_urlconf

from gm2m.admin import GM2MAdminMixin
from gm2m.identifiers import identifier
from tests.admin_sites import OperaAdmin, TitleAdmin
from tests.app.models import Estate, Movie, Opera, Relic, Reliquary, User

pytestmark = [pytest.mark.django_db]

SECRET = "Secret opera"
ALL = {"Alien", "Aida", SECRET}


@pytest.fixture
def alien():
    return Movie.objects.create(title="Alien")


@pytest.fixture
def jack(alien):
    user = User.objects.create(name="Jack")
    aida, secret = (Opera.objects.create(title=title) for title in ("Aida", SECRET))
    user.preferred_videos.add(alien, aida, secret)
    return user


def titles(user):
    return {target.title for target in user.preferred_videos.all()}


class SeeingAdmin(GM2MAdminMixin, admin.ModelAdmin):
    """It notes what its hooks see."""

    list_display = ["name", "preferred_videos", "listed"]
    seen: dict

    def listed(self, obj):
        return f"{obj.preferred_videos.count()} in all"

    def see(self, name, obj):
        self.seen[name] = titles(obj)

    def save_form(self, request, form, change):
        self.see("save_form", form.instance)
        return super().save_form(request, form, change)

    def save_model(self, request, obj, form, change):
        self.see("save_model", obj)
        super().save_model(request, obj, form, change)

    def save_related(self, request, form, formsets, change):
        self.see("save_related", form.instance)
        super().save_related(request, form, formsets, change)

    def delete_model(self, request, obj):
        self.see("delete_model", obj)
        super().delete_model(request, obj)

    def render_change_form(self, request, context, **kwargs):
        self.see("render_change_form", context["adminform"].form.instance)
        return super().render_change_form(request, context, **kwargs)

    def get_object(self, *args):
        obj = super().get_object(*args)
        self.see("get_object", obj)
        return obj


def admin_of(model=User, base=SeeingAdmin, **options):
    """Return an admin of its own, on a site of its own to which the URLs lead."""
    site = admin.AdminSite()
    all_sites.discard(site)  # System checks are not about it.
    site.register(Movie, TitleAdmin)
    site.register(Opera, OperaAdmin)
    site.register(Relic, VisibleRelics)
    site.register(model, type("Admin", (base,), {**options, "seen": {}}))
    urls = ModuleType("urls")
    urls.urlpatterns = [path("admin/", site.urls)]
    set_urlconf(urls)
    return site.get_model_admin(model)


@pytest.fixture(autouse=True)
def urls():
    yield
    set_urlconf(None)


class VisibleRelics(admin.ModelAdmin):
    def get_queryset(self, request):
        return super().get_queryset(request).exclude(name="Secret")


def request_for(data=None):
    factory = RequestFactory()
    request = factory.get("/") if data is None else factory.post("/", data)
    request.user = Account.objects.create_superuser("root")
    request._dont_enforce_csrf_checks = True
    request.session, request._messages = {}, Messages()
    return request


class Messages(list):
    def add(self, *args):
        self.append(args)


def page(answer):
    return answer.render().content.decode()


def test_hooks_and_signals_see_all_links_when_another_field_is_saved(jack):
    """The field is read-only: it is shown in part, and saved as it is."""
    model_admin = admin_of(readonly_fields=["preferred_videos"])

    def receiver(instance, **kwargs):
        model_admin.see("post_save", instance)

    post_save.connect(receiver, sender=User)
    try:
        answer = model_admin.change_view(request_for({"name": "J"}), str(jack.pk))
    finally:
        post_save.disconnect(receiver, sender=User)
    assert answer.status_code == 302
    names = {"get_object", "save_form", "save_model", "post_save", "save_related"}
    assert model_admin.seen == dict.fromkeys(names, ALL)
    assert titles(jack) == ALL


def test_code_that_sets_what_it_sees_loses_nothing(jack):
    class Admin(SeeingAdmin):
        def save_model(self, request, obj, form, change):
            super().save_model(request, obj, form, change)
            obj.preferred_videos.set(obj.preferred_videos.all())

    model_admin = admin_of(base=Admin, readonly_fields=["preferred_videos"])
    model_admin.change_view(request_for({"name": "J"}), str(jack.pk))
    assert titles(jack) == ALL


def test_deleting(jack):
    model_admin = admin_of()

    def receiver(instance, **kwargs):
        model_admin.see("pre_delete", instance)

    pre_delete.connect(receiver, sender=User)
    try:
        model_admin.delete_view(request_for({"post": "yes"}), str(jack.pk))
    finally:
        pre_delete.disconnect(receiver, sender=User)
    names = {"get_object", "delete_model", "pre_delete"}
    assert model_admin.seen == dict.fromkeys(names, ALL)


def test_the_page_of_a_read_only_field_shows_what_may_be_seen(jack):
    def number(self, obj):
        return f"{obj.name} has some"

    readonly = ["preferred_videos", "number"]
    model_admin = admin_of(readonly_fields=readonly, number=number)
    html = page(model_admin.change_view(request_for(), str(jack.pk)))
    assert "Alien, Aida" in html
    assert "Jack has some" in html
    assert SECRET not in html
    names = {"get_object", "render_change_form"}
    assert model_admin.seen == dict.fromkeys(names, ALL)


def test_a_page_that_is_shown_again_with_errors(jack):
    model_admin = admin_of(readonly_fields=["preferred_videos"])
    html = page(model_admin.change_view(request_for({"name": ""}), str(jack.pk)))
    assert "Alien, Aida" in html
    assert SECRET not in html


def test_options_that_hooks_answer(jack):
    """Not the attributes, but what the methods return."""

    class Admin(SeeingAdmin):
        def get_readonly_fields(self, request, obj=None):
            return ("preferred_videos",)

        def get_list_display(self, request):
            return ("name", "preferred_videos")

        def get_list_display_links(self, request, list_display):
            return ["preferred_videos"]

        def get_list_filter(self, request):
            return ["preferred_videos"]

    model_admin = admin_of(base=Admin)
    html = page(model_admin.change_view(request_for(), str(jack.pk)))
    assert "Alien, Aida" in html
    Account.objects.all().delete()
    html = page(model_admin.changelist_view(request_for()))
    assert f'<a href="/admin/app/user/{jack.pk}/change/">Alien, Aida</a>' in html
    assert "preferred_videos__model=app.movie" in html
    assert SECRET not in html


def test_a_filter_by_objects_that_are_linked(jack):
    linked = ("preferred_videos__movie", admin.RelatedOnlyFieldListFilter)
    Movie.objects.create(title="Solaris")
    model_admin = admin_of(get_list_filter=lambda self, request: [linked])
    request = request_for()
    request.GET = QueryDict("_facets=True")
    html = page(model_admin.changelist_view(request))
    alien = Movie.objects.get(title="Alien")
    assert f"preferred_videos__movie__video_ptr__exact={alien.pk}" in html
    assert "Solaris" not in html
    assert SECRET not in html


def test_who_may_only_view(jack):
    model_admin = admin_of(has_change_permission=lambda self, request, obj=None: False)
    html = page(model_admin.change_view(request_for(), str(jack.pk)))
    assert "Alien, Aida" in html
    assert SECRET not in html


def test_lists_show_what_may_be_seen_and_their_callables_see_all(jack):
    model_admin = admin_of()
    html = page(model_admin.changelist_view(request_for()))
    assert "Alien, Aida" in html
    assert "3 in all" in html
    assert SECRET not in html


def test_a_list_whose_queryset_prefetches(jack):
    class Admin(SeeingAdmin):
        def get_queryset(self, request):
            return super().get_queryset(request).prefetch_related("preferred_videos")

    html = page(admin_of(base=Admin).changelist_view(request_for()))
    assert "Alien, Aida" in html
    assert "3 in all" in html
    assert SECRET not in html


def test_the_form_shows_what_may_be_seen_and_keeps_the_rest(jack, alien):
    class Form(admin_of().get_form(request_for())):
        def clean_preferred_videos(self):
            return sorted(self.cleaned_data["preferred_videos"], key=str)

    Account.objects.all().delete()
    model_admin = admin_of(get_form=lambda self, request, *args, **kwargs: Form)
    data = {"name": "J", "preferred_videos": [identifier(alien)]}
    answer = model_admin.change_view(request_for(data), str(jack.pk))
    assert answer.status_code == 302
    assert titles(jack) == {"Alien", SECRET}


# Inlines.


class ReliquaryInline(GM2MAdminMixin, admin.TabularInline):
    model = Reliquary
    fields = ["protected", "restricted"]
    readonly_fields = ["protected"]
    extra = 0


@pytest.fixture
def estate():
    estate = Estate.objects.create()
    reliquary = Reliquary.objects.create(estate=estate)
    relics = [Relic.objects.create(name=name) for name in ("Bone", "Secret")]
    reliquary.protected.add(*relics)
    return estate


def inline_data(*restricted):
    reliquary = Reliquary.objects.get()
    return {
        "reliquary_set-TOTAL_FORMS": 1,
        "reliquary_set-INITIAL_FORMS": 1,
        "reliquary_set-0-id": reliquary.pk,
        "reliquary_set-0-estate": reliquary.estate_id,
        "reliquary_set-0-restricted": [identifier(relic) for relic in restricted],
    }


@pytest.mark.parametrize("base", [SeeingAdmin, admin.ModelAdmin])
@pytest.mark.parametrize("case", ["changed", "viewed", "posted with an error"])
def test_inlines(base, case, estate):
    may_change = case != "viewed"
    inline = type(
        "Inline",
        (ReliquaryInline,),
        {"has_change_permission": lambda self, request, obj=None: may_change},
    )
    model_admin = admin_of(Estate, base, inlines=[inline], see=lambda *args: None)
    request = request_for(inline_data() if "error" in case else None)
    html = page(model_admin.change_view(request, str(estate.pk)))
    assert ">Bone<" in html
    assert "Secret" not in html


def test_what_the_save_of_an_inline_sees(estate):
    model_admin = admin_of(
        Estate, SeeingAdmin, inlines=[ReliquaryInline], see=lambda *args: 0
    )
    seen = []

    def receiver(instance, **kwargs):
        seen.append({relic.name for relic in instance.protected.all()})

    reliquary, bone = Reliquary.objects.get(), Relic.objects.get(name="Bone")
    post_save.connect(receiver, sender=Reliquary)
    try:
        answer = model_admin.change_view(request_for(inline_data(bone)), str(estate.pk))
    finally:
        post_save.disconnect(receiver, sender=Reliquary)
    assert answer.status_code == 302
    assert seen == [{"Bone", "Secret"}]
    assert reliquary.protected.count() == 2
    assert list(reliquary.restricted.all()) == [bone]


def test_an_inline_is_shown_in_part_once(estate, django_assert_num_queries):
    options = {"inlines": [ReliquaryInline], "see": lambda *args: None}
    model_admin = admin_of(Estate, SeeingAdmin, **options)
    answer = model_admin.change_view(request_for(), str(estate.pk))
    page(answer)
    (inline,) = answer.context_data["inline_admin_formsets"]
    with django_assert_num_queries(0):
        assert inline.formset.media
