"""
The mixed queryset: rows of a through model that are read as their targets.

``user.preferred_videos.all()`` is a queryset of the through model. Conditions,
ordering and columns are those of the links; iteration yields the targets, in the
order of the links, in one query for the rows and one per content type
(``fetching``). What a queryset of links cannot do is in ``unsupported``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db.models import F, Model, Q, QuerySet
from django.db.models.query import MAX_GET_RESULTS

from .fetching import ReferenceIterable
from .generics import Instance, Target_co
from .link_order import LinkOrderQuery
from .lookups import OfModel
from .set_operations import CombinableQuerySet
from .targets import instances_of
from .unsupported import several_models

if TYPE_CHECKING:
    from .fields import GM2MField

#: As many links are read at once in the search for one whose target exists.
SEARCH_SIZE = 100


class LinkSubquery(LinkOrderQuery):
    """
    A mixed queryset as the value of a lookup.

    The lookups of the field it comes from select what they need. All others would
    take the links' keys for those of targets, and are refused.
    """

    gm2m: GM2MField

    @property
    def has_select_fields(self) -> bool:
        if not super().has_select_fields:
            raise TypeError(several_models(self.gm2m))
        return True


class GM2MQuerySet(CombinableQuerySet[Target_co]):
    """
    The targets of a ``GM2MField``.

    Evaluation costs one query and one more per content type among the links.
    ``count()``, ``exists()``, ``values()`` and conditions are about the links, in one
    query. See ``django.db.models.QuerySet`` for what is not documented here.
    """

    #: Whether a serializer is about to ask for what it writes, by ``only("pk")``.
    _for_serializer = False

    # Conditions.

    def _filter_or_exclude_inplace(self, negate: bool, args: Any, kwargs: Any) -> None:
        condition = self._with_models(Q(*args, **kwargs))
        # Not self.query, which calls this method for a filter that was put off.
        self._query.add_q(~condition if negate else condition)

    def _with_models(self, condition: Q) -> Q:
        """Return `condition` with ``Model`` and ``Model__in`` turned into lookups."""
        children: list[Any] = []
        child: Any
        for child in condition.children:
            if isinstance(child, Q):
                child = self._with_models(child)
            elif isinstance(child, tuple):
                child = self._with_model(*child)
            children.append(child)
        result = Q(*children, _connector=condition.connector)
        return ~result if condition.negated else result

    def _with_model(self, name: str, value: Any) -> Any:
        """Return one condition, as ``_with_models()`` does."""
        if name not in ("Model", "Model__in"):
            self._refuse_own_key(name, value)
            self._refuse_unknown(name)
            return name, value
        models = [value] if name == "Model" else value
        if isinstance(models, (str, type)):
            raise TypeError(
                f"{self._gm2m}: the value of Model__in must be an iterable of models, "
                f"not {models!r}."
            )
        return OfModel(
            F(self._gm2m.links.content_type.name),
            self._gm2m,
            [self._gm2m.target_model(model) for model in models],
        )

    def complex_filter(self, filter_obj: Any) -> GM2MQuerySet:
        if isinstance(filter_obj, Q):
            filter_obj = self._with_models(filter_obj)
        result: GM2MQuerySet = super().complex_filter(filter_obj)
        return result

    def values(self, *fields: Any, **expressions: Any) -> Any:
        for field in fields:
            self._refuse_own_key(field)
            self._refuse_unknown(field)
        return super().values(*fields, **expressions)

    def values_list(self, *fields: Any, **options: Any) -> Any:
        for field in fields:
            self._refuse_own_key(field)
            self._refuse_unknown(field)
        return super().values_list(*fields, **options)

    def order_by(self, *fields: Any) -> Any:
        for field in fields:
            if isinstance(field, str) and field != "?":
                self._refuse_unknown(field.lstrip("+-"))
        return super().order_by(*fields)

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Any:
        query = super().resolve_expression(*args, **kwargs)
        if query.has_select_fields:
            return query  # Of values, of which it says what they are.
        query = query.chain(klass=LinkSubquery)
        query.gm2m = self._gm2m
        return query

    resolve_expression.queryset_only = True  # type: ignore[attr-defined]

    @overload
    def instances_of(self, model: type[Instance]) -> QuerySet[Instance]: ...

    @overload
    def instances_of(self, model: str) -> QuerySet[Any]: ...

    def instances_of(self, model: type[Model] | str) -> QuerySet[Any]:
        """
        Return a plain queryset of the targets that are of `model`, a class or a name
        such as ``"app.Movie"``.

        It is in the order of the model's ``Meta.ordering``, else of the links. One
        query when evaluated. Raises ``TypeError`` for what is no model that can be
        linked.
        """
        target = self._gm2m.target_model(model)
        # Not our own values(), which take nobody's "pk" for that of links.
        links = QuerySet.values(self._only(), "pk")
        return instances_of(
            self._gm2m,
            target,
            {"pk__in": links},
            self._db,
            self._hints,
            links_once=self._links_once,
        )

    # Single targets. A row whose target is gone does not count.

    def _first(self) -> Target_co | None:
        """Return the first target that exists, or ``None``."""
        if self._result_cache is not None:
            return self._result_cache[0] if self._result_cache else None
        rows = list(self[:1]._rows(False, SEARCH_SIZE))
        if not rows:
            return None
        for target in self._targets(rows):
            return target
        return next(self.iterator(chunk_size=SEARCH_SIZE), None)

    def first(self) -> Target_co | None:
        if self._fields is not None:
            return super().first()
        return (self if self.ordered else self.order_by("pk"))._first()

    def last(self) -> Target_co | None:
        if self._fields is not None:
            return super().last()
        return (self.reverse() if self.ordered else self.order_by("-pk"))._first()

    def _earliest(self, *fields: str) -> Any:
        ordering = fields or self.model._meta.get_latest_by
        if self._fields is not None or not ordering:
            return super()._earliest(*fields)  # type: ignore[misc]
        names = (ordering,) if isinstance(ordering, str) else ordering
        clone: GM2MQuerySet = self._chain()  # type: ignore[attr-defined]
        clone.query.clear_ordering(force=True)
        clone.query.add_ordering(*names)
        target = clone._first()
        if target is None:
            raise self._does_not_exist()
        return target

    def _does_not_exist(self) -> Exception:
        return self.model.DoesNotExist(  # type: ignore[no-any-return]
            f"No target of {self._gm2m} matches the given query."
        )

    def get(self, *args: Any, **kwargs: Any) -> Target_co:
        if self._fields is not None:
            return super().get(*args, **kwargs)
        is_whole = self.query.combinator and not (args or kwargs)
        clone: GM2MQuerySet[Target_co] = (
            self if is_whole else self.filter(*args, **kwargs)
        )
        if self.query.combinator or self.query.is_sliced:
            targets = list(clone)
        else:
            rows = list(clone[:MAX_GET_RESULTS]._rows(False, MAX_GET_RESULTS))
            targets = list(self._targets(rows))
            if len(targets) < 2 and len(rows) == MAX_GET_RESULTS:
                targets = list(islice(clone.iterator(chunk_size=SEARCH_SIZE), 2))
        if len(targets) == 1:
            return targets[0]
        if not targets:
            raise self._does_not_exist()
        raise self.model.MultipleObjectsReturned(
            f"get() returned more than one target of {self._gm2m}."
        )

    def contains(self, obj: Model) -> bool:
        self._not_support_combined_queries("contains")  # type: ignore[attr-defined]
        if self._fields is not None:
            return super().contains(obj)
        try:
            target = self._gm2m.target_of(obj, to_write=False)
        except (TypeError, ValueError):
            if getattr(obj, "pk", None) is None or isinstance(obj, type):
                raise
            return False  # An object that cannot be linked.
        if self._result_cache is not None:
            kin, linked_as = self._gm2m.kin_of(target.model), self._gm2m.linked_as
            targets: Iterable[Any] = self._result_cache
            return any(
                obj.pk == found.pk and linked_as(type(found)) in kin
                for found in targets
            )
        return bool(self.instances_of(target.model).filter(pk=obj.pk).exists())

    # How targets are fetched.

    def iterator(self, chunk_size: int | None = None) -> Iterator[Target_co]:
        if chunk_size is None and self._target_lookups:
            raise ValueError(
                "chunk_size must be provided when using QuerySet.iterator() after "
                "prefetch_related()."
            )
        return super().iterator(chunk_size)

    def prefetch_related(self, *lookups: Any) -> GM2MQuerySet:
        """
        Prefetch what is related to the targets; each model that has the relation.

        ``GenericPrefetch("preferred_videos", [Movie.objects.only("title"), …])``, with
        the name of the field, says how the targets of some models are fetched.
        """
        self._not_support_combined_queries("prefetch_related")  # type: ignore[attr-defined]
        clone: GM2MQuerySet = self._chain()  # type: ignore[attr-defined]
        if lookups == (None,):
            clone._target_lookups, clone._target_querysets = (), {}
            return clone
        names = (self._gm2m.name, self._gm2m.links.generic_name)
        for lookup in lookups:
            if isinstance(lookup, GenericPrefetch) and lookup.prefetch_through in names:
                querysets: Any = lookup.querysets  # type: ignore[attr-defined]
                given = self._gm2m.querysets_by_model(querysets)
                clone._target_querysets = {**clone._target_querysets, **given}
            else:
                clone._target_lookups += (lookup,)
        return clone

    def only(self, *fields: Any) -> GM2MQuerySet:
        if fields != ("pk",):
            return self._refuse("only", self._by_model("only"))
        clone: GM2MQuerySet = self._chain()  # type: ignore[attr-defined]
        if self._for_serializer:
            clone._iterable_class = ReferenceIterable
        else:
            clone._only_keys = True
        return clone

    def defer(self, *fields: Any) -> GM2MQuerySet:
        return self._refuse("defer", self._by_model("defer"))

    def select_related(self, *fields: Any) -> GM2MQuerySet:
        if fields != (None,):
            return self._refuse("select_related", self._by_model("select_related"))
        clone: GM2MQuerySet = self._chain()  # type: ignore[attr-defined]
        return clone

    def _by_model(self, method: str) -> str:
        return (
            f'prefetch_related(GenericPrefetch("{self._gm2m.name}", '
            f"[Model.objects.{method}(…), …]))"
        )
