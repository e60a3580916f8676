"""The system checks of a field: what they say, and what they do not say."""

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.core import checks
from django.core.management import call_command
from django.core.validators import validate_slug
from django.db import connection, models
from django.test.utils import isolate_apps, override_settings

from gm2m import GM2MField

KEYS_THAT_WORK = (
    "Keys may be integers, UUIDs, text or dates in a text column, integers or UUIDs "
    "in a column of their own type."
)


@pytest.fixture(autouse=True)
def loading(registry):
    """Models are declared while an application is loaded, in a registry of the test."""
    registry.models_ready = registry.ready = False


class Links(models.Model):
    """What a through model needs beside the key to its source."""

    content_type = models.ForeignKey(ContentType, models.CASCADE, related_name="+")
    object_id = models.CharField(max_length=40)
    target = GenericForeignKey()

    class Meta:
        abstract = True
        app_label = "app"


def field_of(model, name="things"):
    return model._meta.get_field(name)


def check(model, **kwargs):
    """Check `model`, as Django does when all models are loaded."""
    apps = model._meta.apps
    apps.models_ready = apps.ready = True
    apps.clear_cache()
    return model.check(**kwargs)


def ids(model):
    return [message.id for message in check(model)]


def source_of(field, **attrs):
    """Return a source called ``Source`` whose field `things` is `field`."""
    return type(
        "Source", (models.Model,), {"__module__": __name__, "things": field, **attrs}
    )


def through_of(*bases, **attrs):
    """Return a through model called ``Link``."""
    return type("Link", bases or (Links,), {"__module__": __name__, **attrs})


def key_to(model="Source", **options):
    return models.ForeignKey(model, models.CASCADE, related_name="+", **options)


def accessor_clash(model, name, other, *, of="app.Target", accessor="clash"):
    field = field_of(model, name)
    return checks.Error(
        f"Reverse accessor '{accessor}' of {of} for '{field}' clashes with reverse "
        f"accessor for '{other}'.",
        hint="Add or change a related_name argument to the definition for "
        f"'{field}' or '{other}'.",
        obj=field,
        id="gm2m.E204",
    )


def query_name_clash(model, name, other, *, query_name="clash"):
    field = field_of(model, name)
    return checks.Error(
        f"Reverse query name '{query_name}' for '{field}' clashes with reverse query "
        f"name for '{other}'.",
        hint="Add or change a related_name or related_query_name argument to the "
        f"definition for '{field}' or '{other}'.",
        obj=field,
        id="gm2m.E205",
    )


def accessor_field_clash(model, clash, *, accessor="clash", target="app.Target"):
    field = field_of(model)
    return checks.Error(
        f"Reverse accessor '{target}.{accessor}' for '{field}' clashes with field name "
        f"'{clash}'.",
        hint=f"Rename field '{clash}', or add/change a related_name argument to the "
        f"definition for field '{field}'.",
        obj=field,
        id="gm2m.E202",
    )


def query_name_field_clash(model, clash, *, query_name="clash"):
    field = field_of(model)
    return checks.Error(
        f"Reverse query name '{query_name}' for '{field}' clashes with field name "
        f"'{clash}'.",
        hint=f"Rename field '{clash}', or add/change a related_name or "
        f"related_query_name argument to the definition for field '{field}'.",
        obj=field,
        id="gm2m.E203",
    )


def unfit(model, message, hint=KEYS_THAT_WORK):
    return checks.Error(message, hint=hint, obj=field_of(model), id="gm2m.E206")


class TestOptions:
    def test_unique(self):
        Source = source_of(GM2MField(unique=True))
        assert check(Source) == [
            checks.Error(
                "GM2MFields cannot be unique.", obj=field_of(Source), id="gm2m.E001"
            )
        ]

    def test_content_types_are_not_installed(self):
        Source = source_of(GM2MField())
        with override_settings(INSTALLED_APPS=["gm2m", "tests.app"]):
            assert check(Source) == [
                checks.Error(
                    "GM2MFields need Django's content types.",
                    hint="Add 'django.contrib.contenttypes' to INSTALLED_APPS.",
                    obj=field_of(Source),
                    id="gm2m.E002",
                )
            ]

    def test_app_is_not_installed(self):
        Source = source_of(GM2MField())
        apps = ["django.contrib.contenttypes", "tests.app"]
        with override_settings(INSTALLED_APPS=apps):
            assert check(Source) == [
                checks.Warning(
                    "The app of GM2MField is not installed: relations are not found "
                    "again after a restart, and migrations cannot change the key "
                    "column.",
                    hint="Add 'gm2m' to INSTALLED_APPS.",
                    obj=field_of(Source),
                    id="gm2m.W001",
                )
            ]

    def test_null_has_no_effect(self):
        assert ids(source_of(GM2MField(null=True))) == ["fields.W340"]

    def test_validators_are_not_called(self):
        Source = source_of(GM2MField(validators=[validate_slug]))
        assert ids(Source) == ["fields.W341"]

    def test_comment_has_no_effect(self):
        assert ids(source_of(GM2MField(db_comment="Linked things"))) == ["fields.W346"]

    def test_nothing_is_wrong_with_the_other_options(self):
        class Target(models.Model):
            pass

        Source = source_of(
            GM2MField(
                Target,
                verbose_name="linked",
                help_text="What is linked.",
                blank=True,
                editable=False,
                serialize=False,
                db_constraint=False,
                db_table="links",
                for_concrete_model=False,
                on_delete=models.PROTECT,
                limit_choices_to={"pk": 1},
                pk_maxlength=40,
            )
        )
        assert check(Source) == []
        assert check(Target) == []

    def test_a_field_of_an_abstract_model_is_checked_in_its_children(self):
        class Tagged(models.Model):
            things = GM2MField(unique=True)

            class Meta:
                abstract = True

        class Page(Tagged):
            pass

        class Image(Tagged):
            pass

        for model in (Page, Image):
            (error,) = check(model)
            assert (error.id, error.obj) == ("gm2m.E001", field_of(model))

    def test_a_field_is_not_checked_again_in_children_and_proxies(self):
        Source = source_of(GM2MField(unique=True))

        class Child(Source):
            pass

        class Proxy(Source):
            class Meta:
                proxy = True

        assert ids(Source) == ["gm2m.E001"]
        assert check(Child) == []
        assert check(Proxy) == []


class TestThrough:
    """Where the through model does not have what makes a link."""

    @staticmethod
    def told(source, id, message, hint):
        """Return whether that, and nothing else, is wrong with the field."""
        field = field_of(source)
        expected = checks.Error(message, hint=hint, obj=field, id=id)
        assert check(source) == [expected]
        return True

    def test_is_not_installed(self):
        Source = source_of(GM2MField(through="Missing"))
        assert self.told(
            Source,
            "gm2m.E101",
            "app.Source.things has the through model 'Missing', which is not "
            "installed.",
            "Add its app to INSTALLED_APPS, or mend the name.",
        )

    def test_is_in_an_app_that_is_not_installed(self):
        Source = source_of(GM2MField(through="missing.Link"))
        assert ids(Source) == ["gm2m.E101"]

    def test_is_of_another_registry(self):
        with isolate_apps("tests.app"):
            Elsewhere = through_of(source=key_to())
        Source = source_of(GM2MField(through=Elsewhere))
        assert ids(Source) == ["gm2m.E101"]

    def test_has_no_key_to_the_source(self):
        class Other(models.Model):
            pass

        Source = source_of(GM2MField(through="Link"))
        through_of(other=key_to("Other"))
        assert self.told(
            Source,
            "gm2m.E102",
            "app.Source.things has the through model 'app.Link', which has no foreign "
            "key to 'app.Source'.",
            "Add one.",
        )

    def test_has_several_keys_to_the_source(self):
        Source = source_of(GM2MField(through="Link"))
        through_of(source=key_to(), former=key_to())
        assert self.told(
            Source,
            "gm2m.E103",
            "app.Source.things has the through model 'app.Link', which has more than "
            "one foreign key to 'app.Source'.",
            "Name the one to use first in through_fields.",
        )

    def test_has_no_generic_key(self):
        Source = source_of(GM2MField(through="Link"))
        through_of(models.Model, source=key_to())
        assert self.told(
            Source,
            "gm2m.E104",
            "app.Source.things has the through model 'app.Link', which has no generic "
            "foreign key.",
            "Add one.",
        )

    def test_has_several_generic_keys(self):
        Source = source_of(GM2MField(through="Link"))
        through_of(source=key_to(), other=GenericForeignKey())
        assert self.told(
            Source,
            "gm2m.E105",
            "app.Source.things has the through model 'app.Link', which has more than "
            "one generic foreign key.",
            "Name the one to use second in through_fields.",
        )

    @pytest.mark.parametrize(
        "names", [[], ["source"], ["source", ""], ["", "target"], ["source"] + [""] * 3]
    )
    def test_too_few_names(self, names):
        Source = source_of(GM2MField(through="Link", through_fields=names))
        through_of(source=key_to())
        assert self.told(
            Source,
            "gm2m.E106",
            "app.Source.things has a through_fields option that names less than two "
            "fields.",
            "Name the source key and the generic key: through_fields=['<source>', "
            "'<target>'].",
        )

    @pytest.mark.parametrize(
        "names",
        [
            ["missing", "target"],
            ["source", "target", "missing"],
            ["source", "target", "content_type", "missing"],
        ],
        ids=["source key", "content type", "key"],
    )
    def test_has_no_such_field(self, names):
        Source = source_of(GM2MField(through="Link", through_fields=names))
        through_of(source=key_to())
        assert self.told(
            Source,
            "gm2m.E107",
            "app.Source.things needs the field 'missing', which its through model "
            "'app.Link' does not have.",
            "Mend through_fields, or the generic foreign key.",
        )

    def test_generic_key_has_no_such_field(self):
        Source = source_of(GM2MField(through="Link"))
        through_of(
            models.Model,
            source=key_to(),
            content_type=key_to(ContentType),
            target=GenericForeignKey("content_type", "missing"),
        )
        assert self.told(
            Source,
            "gm2m.E107",
            "app.Source.things needs the field 'missing', which its through model "
            "'app.Link' does not have.",
            "Mend through_fields, or the generic foreign key.",
        )

    @pytest.mark.parametrize("name", ["note", "other", "content_type", "target", "id"])
    def test_named_field_is_no_key_to_the_source(self, name):
        class Other(models.Model):
            pass

        Source = source_of(GM2MField(through="Link", through_fields=[name, "target"]))
        through_of(
            source=key_to(),
            other=key_to("Other"),
            note=models.CharField(max_length=10),
        )
        assert self.told(
            Source,
            "gm2m.E108",
            f"app.Source.things names '{name}' in through_fields, which is no foreign "
            "key from 'app.Link' to 'app.Source'.",
            "Name the source key first in through_fields.",
        )

    def test_names_in_the_wrong_order(self):
        Source = source_of(
            GM2MField(through="Link", through_fields=["target", "source"])
        )
        through_of(source=key_to())
        assert ids(Source) == ["gm2m.E108"]

    def test_has_no_such_generic_key(self):
        Source = source_of(
            GM2MField(through="Link", through_fields=["source", "missing"])
        )
        through_of(source=key_to())
        assert self.told(
            Source,
            "gm2m.E109",
            "app.Source.things names 'missing' in through_fields, which its through "
            "model 'app.Link' does not have.",
            "Name a generic foreign key second in through_fields.",
        )

    @pytest.mark.parametrize("name", ["object_id", "content_type", "source", "tags"])
    def test_named_field_is_no_generic_key(self, name):
        Source = source_of(GM2MField(through="Link", through_fields=["source", name]))
        through_of(source=key_to(), tags=GenericRelation(ContentType))
        assert self.told(
            Source,
            "gm2m.E110",
            f"app.Source.things names '{name}' in through_fields, which is no generic "
            "foreign key of 'app.Link'.",
            "Name a generic foreign key second in through_fields.",
        )

    @pytest.mark.parametrize(
        ("names", "wrong", "right"),
        [
            (["note"], "note", "content_type"),
            (["source", "object_id"], "source", "content_type"),
            (["object_id", "content_type"], "object_id", "content_type"),
            (["other_type"], "other_type", "content_type"),
            (["content_type", "note"], "note", "object_id"),
        ],
    )
    def test_named_fields_are_not_those_of_the_generic_key(self, names, wrong, right):
        """The four names have to belong together, or links would lead elsewhere."""
        names = ["source", "target", *names]
        Source = source_of(GM2MField(through="Link", through_fields=names))
        through_of(
            source=key_to(),
            note=models.CharField(max_length=10),
            other_type=key_to(ContentType),
        )
        assert self.told(
            Source,
            "gm2m.E110",
            f"app.Source.things names '{wrong}' in through_fields, where its generic "
            f"foreign key 'target' uses '{right}'.",
            "Leave out the last two names, or name the fields it uses.",
        )

    def test_all_is_told_that_does_not_depend_on_the_through(self):
        Source = source_of(
            GM2MField(
                "Measure", through="Missing", unique=True, related_query_name="a__b"
            )
        )

        class Measure(models.Model):
            value = models.FloatField(primary_key=True)

        assert ids(Source) == ["gm2m.E001", "fields.E309", "gm2m.E101"]

    def test_is_as_it_should_be(self):
        Source = source_of(GM2MField("Target", through="Link"))

        class Target(models.Model):
            pass

        Link = through_of(source=key_to())
        assert check(Source) == check(Link) == check(Target) == []

    @pytest.mark.parametrize("length", [2, 3, 4])
    def test_names_tell_which_of_several(self, length):
        names = ["source", "target", "content_type", "object_id"][:length]
        Source = source_of(
            GM2MField("Target", through="Link", through_fields=tuple(names))
        )

        class Target(models.Model):
            pass

        Link = through_of(
            source=key_to(),
            former=key_to(),
            other_type=key_to(ContentType),
            other_id=models.IntegerField(),
            other=GenericForeignKey("other_type", "other_id"),
        )
        assert check(Source) == check(Link) == []

    def test_key_may_lead_to_a_proxy_of_the_source(self):
        Source = source_of(GM2MField(through="Link"))

        class Proxy(Source):
            class Meta:
                proxy = True

        through_of(source=key_to("Proxy"))
        assert check(Source) == []

    def test_key_to_a_child_or_parent_of_the_source_is_another(self):
        class Parent(models.Model):
            pass

        Source = type(
            "Source",
            (Parent,),
            {"__module__": __name__, "things": GM2MField(through="Link")},
        )

        class Child(Source):
            pass

        through_of(source=key_to(), parent=key_to("Parent"), child=key_to("Child"))
        assert check(Source) == []
        assert field_of(Source).m2m_field_name() == "source"

    def test_may_inherit_its_fields(self):
        Source = source_of(GM2MField(through="Link"))

        class Row(Links):
            source = key_to()

        Link = through_of(Row)
        assert check(Source) == check(Link) == []

    def test_of_one_model_may_serve_two_fields(self):
        Source = source_of(
            GM2MField(through="Link", related_name="sources"),
            others=GM2MField(
                through="LinkProxy",
                related_name="+",
                through_fields=["source", "target"],
            ),
        )
        Link = through_of(source=key_to())

        class LinkProxy(Link):
            class Meta:
                proxy = True

        assert check(Source) == []


class TestRelatedModels:
    def test_is_not_installed(self):
        Source = source_of(GM2MField("Missing"))
        assert check(Source) == [
            checks.Error(
                "Field defines a relation with model 'Missing', which is either not "
                "installed, or is abstract.",
                obj=field_of(Source),
                id="fields.E300",
            )
        ]

    def test_is_in_an_app_that_is_not_installed(self):
        Source = source_of(GM2MField("missing.Model"))
        assert check(Source) == [
            checks.Error(
                "Field defines a relation with model 'missing.Model', which is either "
                "not installed, or is abstract.",
                obj=field_of(Source),
                id="fields.E300",
            )
        ]

    def test_is_abstract(self):
        class Abstract(models.Model):
            class Meta:
                abstract = True

        assert ids(source_of(GM2MField("Abstract"))) == ["fields.E300"]

    def test_is_of_another_registry(self):
        with isolate_apps("tests.app"):
            Elsewhere = type("Elsewhere", (models.Model,), {"__module__": __name__})
        assert ids(source_of(GM2MField(Elsewhere))) == ["fields.E300"]

    def test_is_swapped_out(self, settings):
        class Swapped(models.Model):
            class Meta:
                swappable = "TEST_SWAPPED_MODEL"

        class Replacement(models.Model):
            pass

        settings.TEST_SWAPPED_MODEL = "app.Replacement"
        Source = source_of(GM2MField(Swapped, Replacement))
        assert check(Source) == [
            checks.Error(
                "app.Source.things is declared for 'app.Swapped', which has been "
                "swapped out.",
                hint="Declare it for 'settings.TEST_SWAPPED_MODEL'.",
                obj=field_of(Source),
                id="gm2m.E201",
            )
        ]

    def test_is_swapped_out_and_named(self, settings):
        class Swapped(models.Model):
            class Meta:
                swappable = "TEST_SWAPPED_MODEL"

        settings.TEST_SWAPPED_MODEL = "somewhere.Else"
        assert ids(source_of(GM2MField("app.Swapped"))) == ["gm2m.E201"]

    @pytest.mark.parametrize("value", [None, "app.Swappable", "app.swappable"])
    def test_may_be_swappable(self, settings, value):
        class Swappable(models.Model):
            class Meta:
                swappable = "TEST_SWAPPABLE_MODEL"

        if value:
            settings.TEST_SWAPPABLE_MODEL = value
        assert check(source_of(GM2MField(Swappable))) == []


CLASHING_FIELDS = {
    "integer": lambda: models.IntegerField(),
    "foreign key": lambda: models.ForeignKey("Another", models.CASCADE),
    "one to one": lambda: models.OneToOneField("Another", models.CASCADE),
    "many to many": lambda: models.ManyToManyField("Another"),
    "generic many to many": lambda: GM2MField("Another"),
}
clashing_fields = pytest.mark.parametrize(
    "make", CLASHING_FIELDS.values(), ids=CLASHING_FIELDS
)


@pytest.fixture
def another():
    return type("Another", (models.Model,), {"__module__": __name__})


def target_with(name, field):
    return type("Target", (models.Model,), {"__module__": __name__, name: field})


@pytest.mark.usefixtures("another")
class TestNamesOfFields:
    """Where a target has a field of the accessor's or the query name."""

    @clashing_fields
    def test_accessor(self, make):
        target_with("source_set", make())
        Source = source_of(GM2MField("Target"))
        assert check(Source) == [
            accessor_field_clash(Source, "app.Target.source_set", accessor="source_set")
        ]

    @clashing_fields
    def test_query_name(self, make):
        target_with("source", make())
        Source = source_of(GM2MField("Target"))
        assert check(Source) == [
            query_name_field_clash(Source, "app.Target.source", query_name="source")
        ]

    @clashing_fields
    def test_related_name(self, make):
        target_with("clash", make())
        Source = source_of(GM2MField("Target", related_name="clash"))
        assert check(Source) == [
            accessor_field_clash(Source, "app.Target.clash"),
            query_name_field_clash(Source, "app.Target.clash"),
        ]

    @clashing_fields
    def test_related_query_name(self, make):
        target_with("clash", make())
        Source = source_of(
            GM2MField("Target", related_name="free", related_query_name="clash")
        )
        assert check(Source) == [query_name_field_clash(Source, "app.Target.clash")]

    def test_default_related_name(self):
        target_with("clash", models.IntegerField())
        meta = type("Meta", (), {"default_related_name": "clash"})
        Source = source_of(GM2MField("Target"), Meta=meta)
        assert ids(Source) == ["gm2m.E202", "gm2m.E203"]

    def test_placeholders_are_filled_in_first(self):
        target_with("app_source", models.IntegerField())
        Source = source_of(
            GM2MField("Target", related_name="%(app_label)s_%(model_name)s")
        )
        assert check(Source) == [
            accessor_field_clash(
                Source, "app.Target.app_source", accessor="app_source"
            ),
            query_name_field_clash(
                Source, "app.Target.app_source", query_name="app_source"
            ),
        ]

    def test_generic_relation_is_a_field(self):
        target_with("clash", GenericRelation(ContentType))
        Source = source_of(
            GM2MField("Target", related_name="clash", related_query_name="free")
        )
        assert check(Source) == [accessor_field_clash(Source, "app.Target.clash")]

    def test_field_of_the_parent_of_a_target(self):
        class Parent(models.Model):
            clash = models.IntegerField()

        class Target(Parent):
            pass

        Source = source_of(GM2MField(Target, related_name="clash"))
        assert check(Source) == [
            accessor_field_clash(Source, "app.Parent.clash"),
            query_name_field_clash(Source, "app.Parent.clash"),
        ]

    def test_every_target_that_has_one_is_told(self):
        class First(models.Model):
            clash = models.IntegerField()

        class Second(models.Model):
            pass

        class Third(models.Model):
            clash = models.IntegerField()

        Source = source_of(
            GM2MField(
                First, Second, Third, related_name="clash", related_query_name="free"
            )
        )
        assert check(Source) == [
            accessor_field_clash(Source, "app.First.clash", target="app.First"),
            accessor_field_clash(Source, "app.Third.clash", target="app.Third"),
        ]

    def test_a_field_may_clash_with_itself(self):
        Source = source_of(GM2MField("self", related_name="things"))
        assert check(Source) == [
            accessor_field_clash(
                Source,
                "app.Source.things",
                accessor="things",
                target="app.Source",
            ),
            query_name_field_clash(Source, "app.Source.things", query_name="things"),
        ]

    @clashing_fields
    @pytest.mark.parametrize("name", ["+", "clash+"])
    def test_hidden_relation_has_no_names(self, make, name):
        target_with("clash", make())
        Source = source_of(
            GM2MField("Target", related_name=name, related_query_name="clash")
        )
        assert check(Source) == []

    def test_names_of_the_source_do_not_matter_to_targets(self):
        target_with("things", models.IntegerField())
        Source = source_of(
            GM2MField("Target"),
            source_set=models.IntegerField(),
            source=models.IntegerField(),
        )
        assert check(Source) == []

    def test_other_targets_do_not_matter(self):
        target_with("source_set", models.IntegerField())
        assert check(source_of(GM2MField("Another"))) == []

    def test_column_of_a_key_is_no_name_of_a_field(self):
        target_with("source", key_to("Another"))
        Source = source_of(
            GM2MField("Target", related_name="free", related_query_name="source_id")
        )
        assert check(Source) == []


@pytest.mark.usefixtures("another")
class TestNamesOfRelations:
    """Where a target has another relation of the accessor's or the query name."""

    @pytest.fixture
    def target(self):
        return type("Target", (models.Model,), {"__module__": __name__})

    OTHERS = {
        "foreign key": lambda **names: models.ForeignKey(
            "Target", models.CASCADE, **names
        ),
        "one to one": lambda **names: models.OneToOneField(
            "Target", models.CASCADE, **names
        ),
        "many to many": lambda **names: models.ManyToManyField("Target", **names),
        "generic many to many": lambda **names: GM2MField("Target", **names),
    }
    others = pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)

    @staticmethod
    def other_source(field):
        return type("Other", (models.Model,), {"__module__": __name__, "rel": field})

    @others
    def test_both_names(self, target, make):
        self.other_source(make(related_name="clash"))
        Source = source_of(GM2MField(target, related_name="clash"))
        assert check(Source) == [
            accessor_clash(Source, "things", "app.Other.rel"),
            query_name_clash(Source, "things", "app.Other.rel"),
        ]

    @others
    def test_accessor(self, target, make):
        self.other_source(make(related_name="clash", related_query_name="one"))
        Source = source_of(
            GM2MField(target, related_name="clash", related_query_name="two")
        )
        assert check(Source) == [accessor_clash(Source, "things", "app.Other.rel")]

    @others
    def test_query_name(self, target, make):
        self.other_source(make(related_name="one", related_query_name="clash"))
        Source = source_of(
            GM2MField(target, related_name="two", related_query_name="clash")
        )
        assert check(Source) == [query_name_clash(Source, "things", "app.Other.rel")]

    @others
    def test_names_of_their_own(self, target, make):
        Other = self.other_source(make(related_name="one"))
        Source = source_of(GM2MField(target, related_name="two"))
        assert check(Source) == check(Other) == []

    @others
    def test_names_that_nobody_chose(self, target, make):
        Other = self.other_source(make())
        Source = source_of(GM2MField(target))
        assert check(Source) == check(Other) == []

    @others
    @pytest.mark.parametrize(
        ("ours", "theirs"), [("+", "clash"), ("clash", "+"), ("clash+", "other+")]
    )
    def test_hidden_relation_has_no_names(self, target, make, ours, theirs):
        Other = self.other_source(make(related_name=theirs))
        Source = source_of(GM2MField(target, related_name=ours))
        assert check(Source) == check(Other) == []

    @pytest.mark.parametrize("kind", ["foreign key", "one to one", "many to many"])
    def test_django_tells_of_the_other_side(self, target, kind):
        Other = self.other_source(self.OTHERS[kind](related_name="clash"))
        source_of(GM2MField(target, related_name="clash"))
        messages = {message.id: message.msg for message in check(Other)}
        assert messages == {
            "fields.E304": "Reverse accessor 'Target.clash' for 'app.Other.rel' "
            "clashes with reverse accessor for 'app.Source.things'.",
            "fields.E305": "Reverse query name for 'app.Other.rel' clashes with "
            "reverse query name for 'app.Source.things'.",
        }

    def test_django_does_not_tell_of_the_other_side_of_a_free_name(self, target):
        Other = self.other_source(self.OTHERS["foreign key"]())
        source_of(GM2MField(target, related_name="others"))
        assert check(Other) == []

    def test_one_way_key_back(self, target):
        """A model that has both a key to the target and the field."""
        Source = source_of(GM2MField(target), first=models.ManyToManyField(target))
        assert [error for error in check(Source) if error.id.startswith("gm2m")] == [
            accessor_clash(Source, "things", "app.Source.first", accessor="source_set"),
            query_name_clash(Source, "things", "app.Source.first", query_name="source"),
        ]

    def test_relation_of_the_parent_of_a_target(self, target):
        class Child(target):
            pass

        self.other_source(self.OTHERS["foreign key"](related_name="clash"))
        Source = source_of(GM2MField(Child, related_name="clash"))
        assert check(Source) == [
            accessor_clash(Source, "things", "app.Other.rel", of="app.Child"),
            query_name_clash(Source, "things", "app.Other.rel"),
        ]

    def test_field_that_an_abstract_parent_gives_to_two_sources(self, target):
        class Tagged(models.Model):
            things = GM2MField(target, related_name="clash")

            class Meta:
                abstract = True

        class Page(Tagged):
            pass

        class Image(Tagged):
            pass

        assert check(Page) == [
            accessor_clash(Page, "things", "app.Image.things"),
            query_name_clash(Page, "things", "app.Image.things"),
        ]
        assert check(Image) == [
            accessor_clash(Image, "things", "app.Page.things"),
            query_name_clash(Image, "things", "app.Page.things"),
        ]

    @pytest.mark.parametrize("name", [None, "%(class)s_things", "%(model_name)s_all"])
    def test_field_of_an_abstract_parent_with_a_name_for_each(self, target, name):
        class Tagged(models.Model):
            things = GM2MField(target, related_name=name)

            class Meta:
                abstract = True

        class Page(Tagged):
            pass

        class Image(Tagged):
            pass

        assert check(Page) == check(Image) == []

    @pytest.mark.parametrize(
        "names",
        [
            ("Target", "Child", "Grandchild", "Proxy"),
            ("Proxy", "Grandchild", "Child", "Target"),
            ("Target", "Grandchild"),
            ("Child",),
        ],
        ids=" ".join,
    )
    def test_parents_and_children_declared_in_one_field(self, target, names):
        class Child(target):
            pass

        class Grandchild(Child):
            pass

        class Proxy(Grandchild):
            class Meta:
                proxy = True

        Source = source_of(GM2MField(*names))
        for model in (Source, target, Child, Grandchild, Proxy):
            assert check(model) == []

    @pytest.mark.parametrize("concrete", [True, False])
    def test_proxies(self, target, concrete):
        class Proxy(target):
            class Meta:
                proxy = True

        Source = source_of(GM2MField(target, Proxy, for_concrete_model=concrete))
        assert check(Source) == check(target) == check(Proxy) == []

    def test_one_model_twice(self, target):
        assert check(source_of(GM2MField(target, "Target", "app.Target"))) == []

    def test_the_source_itself(self):
        assert check(source_of(GM2MField("self"))) == []


class TestSisters:
    """Fields of one source: any target will have both of their relations."""

    def clashes(self, model, *names, **of):
        return [
            message
            for name, other in (names, names[::-1])
            for message in (
                accessor_clash(
                    model,
                    name,
                    f"app.{model.__name__}.{other}",
                    of="targets",
                    accessor=of.get("accessor", "clash"),
                ),
                query_name_clash(
                    model,
                    name,
                    f"app.{model.__name__}.{other}",
                    query_name=of.get("query_name", "clash"),
                ),
            )
        ]

    def test_without_names(self):
        Source = source_of(GM2MField(), others=GM2MField())
        assert check(Source) == self.clashes(
            Source, "things", "others", accessor="source_set", query_name="source"
        )

    def test_with_one_name_for_both(self):
        Source = source_of(
            GM2MField(related_name="clash"), others=GM2MField(related_name="clash")
        )
        assert check(Source) == self.clashes(Source, "things", "others")

    @pytest.mark.parametrize("declared", [False, True])
    def test_of_classes_of_their_own(self, declared):
        class Target(models.Model):
            pass

        first, second = (type(name, (GM2MField,), {}) for name in ("First", "Second"))
        targets = [Target] if declared else []
        Source = source_of(
            first(*targets, related_name="clash"),
            others=second(*targets, related_name="clash"),
        )
        assert check(Source) == self.clashes(Source, "things", "others")

    def test_with_declared_models_it_is_told_once(self):
        class Target(models.Model):
            pass

        Source = source_of(
            GM2MField(Target, related_name="clash"),
            others=GM2MField(Target, related_name="clash"),
        )
        assert check(Source) == self.clashes(Source, "things", "others")

    def test_models_declared_apart_do_not_help(self):
        """Other objects may be linked by either."""

        class First(models.Model):
            pass

        class Second(models.Model):
            pass

        Source = source_of(GM2MField(First), others=GM2MField(Second))
        assert check(Source) == self.clashes(
            Source, "things", "others", accessor="source_set", query_name="source"
        )

    def test_with_one_accessor(self):
        Source = source_of(
            GM2MField(related_name="clash", related_query_name="one"),
            others=GM2MField(related_name="clash", related_query_name="two"),
        )
        assert ids(Source) == ["gm2m.E204"] * 2

    def test_with_one_query_name(self):
        Source = source_of(
            GM2MField(related_name="one", related_query_name="clash"),
            others=GM2MField(related_name="two", related_query_name="clash"),
        )
        assert ids(Source) == ["gm2m.E205"] * 2

    def test_accessor_of_one_is_the_query_name_of_the_other(self):
        """The names are not looked up in the same place."""
        Source = source_of(
            GM2MField(related_name="one", related_query_name="two"),
            others=GM2MField(related_name="two", related_query_name="one"),
        )
        assert check(Source) == []

    def test_with_names_of_their_own(self):
        Source = source_of(
            GM2MField(related_name="one"),
            others=GM2MField(related_name="two"),
            rest=GM2MField(),
        )
        assert check(Source) == []

    def test_hidden(self):
        Source = source_of(
            GM2MField(related_name="+"),
            others=GM2MField(related_name="+"),
            rest=GM2MField(),
        )
        assert check(Source) == []

    def test_hidden_with_a_query_name(self):
        Source = source_of(
            GM2MField(related_name="+", related_query_name="same"),
            others=GM2MField(related_name="others", related_query_name="same"),
        )
        assert check(Source) == []

    def test_field_of_a_child_and_of_its_parent(self):
        class Parent(models.Model):
            things = GM2MField(related_name="clash")

        class Child(Parent):
            others = GM2MField(related_name="clash")

        assert check(Child) == [
            accessor_clash(Child, "others", "app.Parent.things", of="targets"),
            query_name_clash(Child, "others", "app.Parent.things"),
        ]

    def test_field_of_a_child_and_of_its_parent_without_names(self):
        class Parent(models.Model):
            things = GM2MField()

        class Child(Parent):
            others = GM2MField()

        assert check(Parent) == check(Child) == []

    def test_fields_of_two_sources_without_declared_models(self):
        """It would be wrong only if they met on a target, and is told there."""
        Source = source_of(GM2MField(related_name="same"))

        class Other(models.Model):
            things = GM2MField(related_name="same")

        assert check(Source) == check(Other) == []


class TestNamesOfOtherThings:
    def test_manager_of_a_target(self):
        class Target(models.Model):
            sources = models.Manager()

        Source = source_of(GM2MField(Target, related_name="sources"))
        assert check(Source) == [
            checks.Error(
                "Related name 'sources' for 'app.Source.things' clashes with the name "
                "of a model manager.",
                hint="Rename the model manager or change the related_name argument in "
                "the definition for field 'app.Source.things'.",
                obj=field_of(Source),
                id="fields.E348",
            )
        ]
        assert check(Target) == []

    def test_manager_of_a_target_does_not_matter_to_a_hidden_relation(self):
        class Target(models.Model):
            sources = models.Manager()

        Source = source_of(GM2MField(Target, related_name="+"))
        assert check(Source) == []

    def test_accessor_that_the_target_declares_itself(self):
        """It stays what it is, so there is no accessor."""

        class Target(models.Model):
            def source_set(self):
                return []

        Source = source_of(GM2MField(Target))
        assert check(Source) == [
            checks.Error(
                "Reverse accessor 'app.Target.source_set' for 'app.Source.things' "
                "clashes with the attribute of that name, which stays: there is no "
                "accessor.",
                hint="Rename the attribute, or add/change a related_name argument to "
                "the definition for field 'app.Source.things'.",
                obj=field_of(Source),
                id="gm2m.E202",
            )
        ]
        assert check(Target) == []
        assert Target().source_set() == []

    @pytest.mark.parametrize(
        "value",
        [property(lambda self: []), staticmethod(list), [], None],
        ids=["property", "static method", "list", "None"],
    )
    def test_attribute_of_any_kind(self, value):
        """``None`` is one too, as it is not overwritten either."""
        Target = target_with("source_set", value)
        assert ids(source_of(GM2MField(Target))) == ["gm2m.E202"]
        assert vars(Target)["source_set"] is value

    def test_attribute_of_a_mixin_or_a_parent(self):
        class Mixin:
            source_set = ()

        class Parent(Mixin, models.Model):
            pass

        class Target(Parent):
            pass

        assert ids(source_of(GM2MField(Target))) == ["gm2m.E202"]

    def test_attribute_does_not_matter_to_a_hidden_relation(self):
        Target = target_with("source_set", ())
        assert check(source_of(GM2MField(Target, related_name="+"))) == []

    def test_annotation_is_no_attribute(self):
        """Type checkers learn from it what the accessor is."""

        class Target(models.Model):
            source_set: models.Manager

        assert check(source_of(GM2MField(Target))) == []

    def test_attribute_with_the_query_name(self):
        """Lookups know fields alone."""
        Target = target_with("source", ())
        assert check(source_of(GM2MField(Target))) == []

    @pytest.mark.parametrize(
        "name",
        ["4th", "with-dash", "with space", "class", "é!", ".", "contains,comma", ""],
    )
    def test_invalid_related_name(self, name):
        Source = source_of(GM2MField(related_name=name))
        error = checks.Error(
            f"The name '{name}' is invalid related_name for field Source.things",
            hint="Related name must be a valid Python identifier or end with a '+'",
            obj=field_of(Source),
            id="fields.E306",
        )
        assert error in check(Source)

    @pytest.mark.parametrize("name", ["fine", "_fine", "ωδη", "fine2", "+", "a-b+"])
    def test_valid_related_name(self, name):
        assert check(source_of(GM2MField(related_name=name))) == []

    @pytest.mark.parametrize("option", ["related_name", "related_query_name"])
    def test_query_name_with_two_underscores(self, option):
        Source = source_of(GM2MField(**{option: "contains__double"}))
        assert check(Source) == [
            checks.Error(
                "Reverse query name 'contains__double' must not contain '__'.",
                hint="Add or change a related_name or related_query_name argument for "
                "this field.",
                obj=field_of(Source),
                id="fields.E309",
            )
        ]

    @pytest.mark.parametrize("option", ["related_name", "related_query_name"])
    def test_query_name_that_ends_with_an_underscore(self, option):
        Source = source_of(GM2MField(**{option: "ends_"}))
        assert check(Source) == [
            checks.Error(
                "Reverse query name 'ends_' must not end with an underscore.",
                hint="Add or change a related_name or related_query_name argument for "
                "this field.",
                obj=field_of(Source),
                id="fields.E308",
            )
        ]

    def test_query_name_of_a_hidden_relation_does_not_matter(self):
        Source = source_of(GM2MField(related_name="+", related_query_name="a__b_"))
        assert check(Source) == []


class TestTables:
    """The automatic through's table is nobody else's."""

    def test_of_a_model(self):
        class Other(models.Model):
            class Meta:
                db_table = "clash"

        Source = source_of(GM2MField(db_table="clash"))
        assert check(Source) == [
            checks.Error(
                "The field's intermediary table 'clash' clashes with the table name "
                "of 'app.Other'.",
                obj=field_of(Source),
                id="fields.E340",
            )
        ]

    def test_of_another_field(self):
        Source = source_of(
            GM2MField(db_table="clash", related_name="+"),
            others=GM2MField(db_table="clash", related_name="+"),
        )
        assert [(error.id, error.obj.name) for error in check(Source)] == [
            ("fields.E340", "things"),
            ("fields.E340", "others"),
        ]

    def test_of_a_many_to_many_field(self):
        Source = source_of(
            GM2MField(db_table="clash", related_name="+"),
            friends=models.ManyToManyField("self", db_table="clash"),
        )
        assert [(error.id, error.obj.name) for error in check(Source)] == [
            ("fields.E340", "things"),
            ("fields.E340", "friends"),
        ]

    def test_that_the_default_name_takes(self):
        class Other(models.Model):
            class Meta:
                db_table = "app_source_things"

        assert ids(source_of(GM2MField())) == ["fields.E340"]

    def test_routers_may_keep_them_apart(self, settings):
        settings.DATABASE_ROUTERS = ["tests.test_checks.AnyRouter"]

        class Other(models.Model):
            class Meta:
                db_table = "clash"

        assert ids(source_of(GM2MField(db_table="clash"))) == ["fields.W344"]

    def test_of_a_model_that_is_not_managed(self):
        class Other(models.Model):
            class Meta:
                db_table = "clash"
                managed = False

        assert check(source_of(GM2MField(db_table="clash"))) == []


class AnyRouter:
    """A router that says nothing."""


INTEGER_KEYS = [
    models.AutoField,
    models.BigAutoField,
    models.SmallAutoField,
    models.IntegerField,
    models.BigIntegerField,
    models.SmallIntegerField,
    models.PositiveIntegerField,
    models.PositiveBigIntegerField,
    models.PositiveSmallIntegerField,
]
UNSUPPORTED_KEYS = {
    "BinaryField": lambda: models.BinaryField(primary_key=True),
    "BooleanField": lambda: models.BooleanField(primary_key=True),
    "DateTimeField": lambda: models.DateTimeField(primary_key=True),
    "DecimalField": lambda: models.DecimalField(
        max_digits=9, decimal_places=2, primary_key=True
    ),
    "DurationField": lambda: models.DurationField(primary_key=True),
    "FloatField": lambda: models.FloatField(primary_key=True),
    "GenericIPAddressField": lambda: models.GenericIPAddressField(primary_key=True),
    "TimeField": lambda: models.TimeField(primary_key=True),
}


def target_with_key(field, name="Target"):
    return type(name, (models.Model,), {"__module__": __name__, "key": field})


class TestKeys:
    """Whether the key column can hold the keys of declared targets."""

    @pytest.mark.parametrize("kind", INTEGER_KEYS)
    @pytest.mark.parametrize("length", [1, 16])
    def test_integers_always_pass(self, kind, length):
        target = target_with_key(kind(primary_key=True))
        assert check(source_of(GM2MField(target, pk_maxlength=length))) == []

    @pytest.mark.parametrize("name", UNSUPPORTED_KEYS)
    def test_unsupported(self, name):
        target = target_with_key(UNSUPPORTED_KEYS[name]())
        Source = source_of(GM2MField(target))
        assert check(Source) == [
            unfit(
                Source,
                "app.Source.things cannot link 'app.Target': its primary key is a "
                f"{name}, which app.Source_things.gm2m_pk cannot hold.",
            )
        ]

    def test_composite(self):
        class Target(models.Model):
            pk = models.CompositePrimaryKey("left", "right")
            left = models.IntegerField()
            right = models.IntegerField()

        Source = source_of(GM2MField(Target))
        assert check(Source) == [
            unfit(
                Source,
                "app.Source.things cannot link 'app.Target': its primary key is a "
                "CompositePrimaryKey, which app.Source_things.gm2m_pk cannot hold.",
                "Link models whose key is one column: give this one such a key, and a "
                "UniqueConstraint over the columns of its composite one.",
            )
        ]

    def test_composite_of_the_source(self):
        """Django cannot make a foreign key to it, ours no more than its own."""
        Source = source_of(
            GM2MField(),
            pk=models.CompositePrimaryKey("left", "right"),
            left=models.IntegerField(),
            right=models.IntegerField(),
        )
        assert check(Source) == [
            checks.Error(
                "app.Source.things defines a relation involving model 'Source' which "
                "has a CompositePrimaryKey and such relations are not supported.",
                hint="Give 'app.Source' a primary key of one column, and a "
                "UniqueConstraint over the columns of this one.",
                obj=field_of(Source),
                id="fields.E347",
            )
        ]

    def test_composite_of_the_source_of_a_custom_through(self):
        class Link(models.Model):
            owner = models.ForeignKey("Source", models.CASCADE)
            kind = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
            key = models.CharField(max_length=16)
            item = GenericForeignKey("kind", "key")

        Source = source_of(
            GM2MField(through=Link),
            pk=models.CompositePrimaryKey("left", "right"),
            left=models.IntegerField(),
            right=models.IntegerField(),
        )
        assert [error.id for error in check(Source)] == ["fields.E347"]

    @pytest.mark.parametrize("length", [1, 16, 35])
    def test_uuid_is_too_long(self, length):
        target = target_with_key(models.UUIDField(primary_key=True))
        Source = source_of(GM2MField(target, pk_maxlength=length))
        assert check(Source) == [
            unfit(
                Source,
                "app.Source.things cannot link 'app.Target': its keys are UUIDs, of "
                f"36 characters, and the key column holds {length}.",
                "Set pk_maxlength to 36 or more.",
            )
        ]

    @pytest.mark.parametrize("length", [36, 255, None])
    def test_uuid_fits(self, length):
        target = target_with_key(models.UUIDField(primary_key=True))
        assert check(source_of(GM2MField(target, pk_maxlength=length))) == []

    def test_uuid_by_way_of_another_model(self):
        target_with_key(models.UUIDField(primary_key=True), "First")
        second = models.OneToOneField("First", models.CASCADE, primary_key=True)
        target_with_key(second, "Second")
        third = models.ForeignKey("Second", models.CASCADE, primary_key=True)
        # Django would rather have a one-to-one key, and says so.
        target_with_key(third, "Third")
        Source = source_of(GM2MField("Second", "Third"))
        assert [(error.id, error.msg.split("'")[1]) for error in check(Source)] == [
            ("gm2m.E206", "app.Second"),
            ("gm2m.E206", "app.Third"),
        ]

    def test_uuid_of_a_parent(self):
        class Parent(models.Model):
            id = models.UUIDField(primary_key=True)

        class Child(Parent):
            pass

        class Proxy(Child):
            class Meta:
                proxy = True

        Source = source_of(GM2MField(Child, Proxy))
        assert ids(Source) == ["gm2m.E206"] * 2

    def test_unsupported_by_way_of_another_model(self):
        target_with_key(models.FloatField(primary_key=True), "First")
        target_with_key(
            models.OneToOneField("First", models.CASCADE, primary_key=True), "Second"
        )
        Source = source_of(GM2MField("Second"))
        assert check(Source) == [
            unfit(
                Source,
                "app.Source.things cannot link 'app.Second': its primary key is a "
                "FloatField, which app.Source_things.gm2m_pk cannot hold.",
            )
        ]

    @pytest.mark.parametrize("length", [1, 9])
    def test_date_is_too_long(self, length):
        target = target_with_key(models.DateField(primary_key=True))
        Source = source_of(GM2MField(target, pk_maxlength=length))
        assert check(Source) == [
            unfit(
                Source,
                "app.Source.things cannot link 'app.Target': its keys are dates, of "
                f"10 characters, and the key column holds {length}.",
                "Set pk_maxlength to 10 or more.",
            )
        ]

    @pytest.mark.parametrize("length", [10, 16, None])
    def test_date_fits(self, length):
        target = target_with_key(models.DateField(primary_key=True))
        assert check(source_of(GM2MField(target, pk_maxlength=length))) == []

    def test_hidden_relation_needs_keys_as_well(self):
        target = target_with_key(models.FloatField(primary_key=True))
        Source = source_of(GM2MField(target, related_name="+"))
        assert ids(Source) == ["gm2m.E206"]

    def test_keys_and_names_are_told_together(self):
        class Target(models.Model):
            value = models.FloatField(primary_key=True)
            source_set = models.IntegerField()

        assert ids(source_of(GM2MField(Target))) == ["gm2m.E206", "gm2m.E202"]

    @pytest.mark.parametrize(
        ("field", "length"),
        [
            (lambda: models.CharField(max_length=17, primary_key=True), "17"),
            (lambda: models.SlugField(primary_key=True), "50"),
            (lambda: models.EmailField(primary_key=True), "254"),
            (lambda: models.TextField(primary_key=True), "any number of"),
        ],
        ids=["CharField", "SlugField", "EmailField", "TextField"],
    )
    def test_text_may_be_too_long(self, field, length):
        target = target_with_key(field())
        Source = source_of(GM2MField(target))
        assert check(Source) == [
            checks.Warning(
                f"app.Source.things links 'app.Target', whose keys may have {length} "
                "characters, while the key column holds 16.",
                hint="Raise pk_maxlength; longer keys are refused.",
                obj=field_of(Source),
                id="gm2m.W301",
            )
        ]

    @pytest.mark.parametrize(
        ("field", "length"),
        [
            (lambda: models.CharField(max_length=16, primary_key=True), 16),
            (lambda: models.CharField(max_length=1, primary_key=True), 1),
            (lambda: models.SlugField(primary_key=True), 50),
            (lambda: models.TextField(primary_key=True), None),
        ],
    )
    def test_text_fits(self, field, length):
        target = target_with_key(field())
        assert check(source_of(GM2MField(target, pk_maxlength=length))) == []

    def test_text_by_way_of_another_model(self):
        target_with_key(models.SlugField(primary_key=True), "First")
        target_with_key(
            models.OneToOneField("First", models.CASCADE, primary_key=True), "Second"
        )
        assert ids(source_of(GM2MField("Second"))) == ["gm2m.W301"]


class TestKeyColumnOfACustomThrough:
    @staticmethod
    def source(target_key, column):
        target_with_key(target_key)
        Source = source_of(GM2MField("Target", through="Link"))
        through_of(
            models.Model,
            source=key_to(),
            kind=key_to(ContentType),
            number=column,
            target=GenericForeignKey("kind", "number"),
        )
        return Source

    @pytest.mark.parametrize(
        ("key", "column", "name"),
        [
            (models.UUIDField, models.IntegerField, "UUIDField"),
            (models.IntegerField, models.UUIDField, "IntegerField"),
            (models.DateField, models.IntegerField, "DateField"),
            (models.SlugField, models.PositiveIntegerField, "SlugField"),
            (models.SlugField, models.UUIDField, "SlugField"),
            # No key of a target is compared as a floating number.
            (models.IntegerField, models.FloatField, "IntegerField"),
            (models.FloatField, models.FloatField, "FloatField"),
        ],
    )
    def test_is_of_another_kind(self, key, column, name):
        Source = self.source(key(primary_key=True), column())
        assert check(Source) == [
            unfit(
                Source,
                "app.Source.things cannot link 'app.Target': its primary key is a "
                f"{name}, which app.Link.number cannot hold.",
            )
        ]

    @pytest.mark.parametrize(
        ("key", "column"),
        [
            (models.BigAutoField, models.IntegerField),
            (models.IntegerField, models.PositiveBigIntegerField),
            (models.UUIDField, models.UUIDField),
            (models.UUIDField, models.TextField),
            (models.SlugField, models.TextField),
            (models.DateField, models.TextField),
        ],
    )
    def test_holds_the_keys(self, key, column):
        assert check(self.source(key(primary_key=True), column())) == []

    def test_may_be_a_foreign_key(self):
        target_with_key(models.SlugField(primary_key=True, max_length=16), "Other")
        Source = self.source(models.IntegerField(primary_key=True), key_to("Other"))
        assert check(Source) == []

    def test_is_too_short_for_uuids(self):
        Source = self.source(
            models.UUIDField(primary_key=True), models.CharField(max_length=32)
        )
        assert check(Source) == [
            unfit(
                Source,
                "app.Source.things cannot link 'app.Target': its keys are UUIDs, of "
                "36 characters, and the key column holds 32.",
                "Set max_length of app.Link.number to 36 or more.",
            )
        ]

    def test_may_be_too_short_for_text(self):
        Source = self.source(
            models.SlugField(primary_key=True), models.CharField(max_length=32)
        )
        assert check(Source) == [
            checks.Warning(
                "app.Source.things links 'app.Target', whose keys may have 50 "
                "characters, while the key column holds 32.",
                hint="Raise max_length of app.Link.number; longer keys are refused.",
                obj=field_of(Source),
                id="gm2m.W301",
            )
        ]


#: MySQL and MariaDB compare text by the collation of its column, and cannot index
#: text without a length. The other back ends have neither limit.
IS_MYSQL = connection.vendor == "mysql"
COLLATION = {"mysql": "utf8mb4_bin", "postgresql": "C", "sqlite": "BINARY"}


class TestDatabases:
    def test_key_of_any_length_cannot_be_indexed_on_mysql(self):
        Source = source_of(GM2MField(pk_maxlength=None))
        error = checks.Error(
            "app.Source.things has pk_maxlength=None, and the database 'default' "
            "cannot index a text column without a length.",
            hint="Set pk_maxlength to the length of the longest key.",
            obj=field_of(Source),
            id="gm2m.E207",
        )
        assert check(Source, databases=["default"]) == ([error] if IS_MYSQL else [])

    def test_each_database_is_told(self):
        Source = source_of(GM2MField(pk_maxlength=None))
        messages = check(Source, databases=["default", "other"])
        assert [
            (error.id, name)
            for error in messages
            for name in ("default", "other")
            if f"'{name}'" in error.msg
        ] == ([("gm2m.E207", "default"), ("gm2m.E207", "other")] if IS_MYSQL else [])

    def test_model_that_is_not_installed(self):
        Source = source_of(GM2MField("Nowhere"))
        messages = check(Source, databases=["default"])
        assert [message.id for message in messages] == ["fields.E300"]

    def test_database_that_the_field_is_not_in(self, settings):
        settings.DATABASE_ROUTERS = ["tests.test_integrity.NothingHere"]
        Source = source_of(GM2MField(pk_maxlength=None))
        assert check(Source, databases=["default"]) == []

    def test_key_column_of_a_custom_through_is_its_own_business(self):
        Source = source_of(GM2MField(through="Link"))
        through_of(
            models.Model,
            source=key_to(),
            content_type=key_to(ContentType),
            object_id=models.TextField(),
            target=GenericForeignKey(),
        )
        assert check(Source, databases=["default"]) == []

    def test_key_of_a_length_can_be_indexed(self):
        assert check(source_of(GM2MField()), databases=["default"]) == []

    def collated(self, **options):
        name = COLLATION[connection.vendor]
        target_with_key(
            models.CharField(primary_key=True, max_length=16, db_collation=name)
        )
        return source_of(GM2MField("Target", **options))

    def test_keys_are_compared_in_one_way_on_mysql(self):
        Source = self.collated()
        errors = check(Source, databases=["default"])
        if not IS_MYSQL:
            assert errors == []
            return
        assert errors == [
            checks.Error(
                "app.Source.things cannot link app.Target: its keys are compared by "
                "the collation 'utf8mb4_bin', app.Source_things.gm2m_pk by another. "
                "Use a through model whose key field has the same db_collation.",
                obj=field_of(Source),
                id="gm2m.E206",
            )
        ]

    def test_keys_of_one_collation(self):
        Source = self.collated(through="Link")
        name = COLLATION[connection.vendor]
        through_of(
            models.Model,
            source=key_to(),
            content_type=key_to(ContentType),
            object_id=models.CharField(max_length=16, db_collation=name),
            target=GenericForeignKey(),
        )
        assert check(Source, databases=["default"]) == []

    @pytest.mark.parametrize("databases", [None, []])
    def test_no_database_is_asked_about(self, databases):
        assert check(self.collated(), databases=databases) == []

    @pytest.mark.parametrize("databases", [None, []])
    def test_no_database_is_asked_about_lengths(self, databases):
        Source = source_of(GM2MField(pk_maxlength=None))
        assert check(Source, databases=databases) == []

    @pytest.mark.django_db
    @pytest.mark.parametrize("databases", [None, [], ["default"]])
    def test_no_query(self, databases, django_assert_num_queries):
        Source = self.collated()
        with django_assert_num_queries(0):
            check(Source, databases=databases)


class TestProject:
    """The project of the tests, as ``manage.py check`` sees it."""

    # A check of Django's asks the database what it supports, the first time.
    @pytest.mark.django_db(databases=["default", "other"])
    def test_is_clean(self):
        call_command("check", fail_level="INFO")

    # Other checks of databases read them.
    @pytest.mark.django_db(databases=["default", "other"])
    @pytest.mark.parametrize("alias", ["default", "other"])
    def test_is_clean_on_its_database(self, alias):
        call_command("check", databases=[alias], fail_level="INFO")
