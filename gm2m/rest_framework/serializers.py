"""Model serializers that know their ``GM2MField``s."""

from __future__ import annotations

from typing import Any

from django.db import router, transaction
from django.db.models import Model
from django.utils.text import capfirst
from rest_framework.utils.field_mapping import needs_label

from ..fields import GM2MField
from ..offers import ChosenObjects
from .fields import GM2MRelatedField


class GM2MModelSerializerMixin:
    """
    For a ``ModelSerializer``, before it in the list of bases: each ``GM2MField`` of the
    model becomes a ``GM2MRelatedField``.

    In the example::

        class UserSerializer(GM2MModelSerializerMixin, ModelSerializer):
            class Meta:
                model = User
                fields = "__all__"

    A field with a custom through model is read-only, as it is for Django's own
    many-to-many fields, and so is one that declares no models. ``models`` in
    ``Meta.extra_kwargs`` make either writable. ``Meta.depth`` shows objects of the
    declared models as nested data, each with its ``identifier``.

    An object and its links are saved together or not at all.
    """

    #: The class of the fields; a subclass may offer other objects.
    serializer_gm2m_field = GM2MRelatedField

    def build_relational_field(self, field_name: str, relation_info: Any) -> Any:
        field = relation_info.model_field
        if isinstance(field, GM2MField):
            kwargs = relation_kwargs(field, relation_info.has_through_model)
            return self.serializer_gm2m_field, kwargs
        return super().build_relational_field(field_name, relation_info)  # type: ignore[misc]

    def build_nested_field(
        self, field_name: str, relation_info: Any, nested_depth: int
    ) -> Any:
        build: Any = super().build_nested_field  # type: ignore[misc]
        field = relation_info.model_field
        if not isinstance(field, GM2MField):
            nested, kwargs = build(field_name, relation_info, nested_depth)
            return with_mixin(nested), kwargs
        nested_serializers = {}
        for model in field.get_related_models():
            info = relation_info._replace(related_model=model)
            nested, _kwargs = build(field_name, info, nested_depth)
            nested_serializers[model] = with_identifier(with_mixin(nested))
        kwargs = relation_kwargs(field, read_only=True)
        return self.serializer_gm2m_field, {"serializers": nested_serializers, **kwargs}

    def include_extra_kwargs(
        self, kwargs: dict[str, Any], extra_kwargs: dict[str, Any]
    ) -> Any:
        if "models" in extra_kwargs:
            kwargs.pop("read_only", None)
        return super().include_extra_kwargs(kwargs, extra_kwargs)  # type: ignore[misc]

    def create(self, validated_data: dict[str, Any]) -> Any:
        """Create an object and its links, in one transaction."""
        using = router.db_for_write(self.Meta.model)  # type: ignore[attr-defined]
        with transaction.atomic(using=using):
            return super().create(validated_data)  # type: ignore[misc]

    def update(self, instance: Model, validated_data: dict[str, Any]) -> Any:
        """
        Update an object and its links, in one transaction. Links that a field did not
        offer stay, whatever was made of its value since it was validated.
        """
        validated_data = {**validated_data}
        for field in self._writable_fields:  # type: ignore[attr-defined]
            value = validated_data.get(field.source)
            chosen = getattr(field, "chosen", None)
            if isinstance(chosen, ChosenObjects) and value is not None:
                validated_data[field.source] = ChosenObjects(value, chosen.removable)
        using = router.db_for_write(type(instance), instance=instance)
        with transaction.atomic(using=using):
            return super().update(instance, validated_data)  # type: ignore[misc]


def relation_kwargs(field: GM2MField, read_only: bool) -> dict[str, Any]:
    """Return the arguments of the serializer field for `field`, as DRF derives them."""
    kwargs: dict[str, Any] = {"many": True}
    if needs_label(field, field.name):
        kwargs["label"] = capfirst(field.verbose_name)
    if field.help_text:
        kwargs["help_text"] = field.help_text
    if read_only or field.is_editable is False or not field.get_related_models():
        return {**kwargs, "read_only": True}
    if field.blank:
        return {**kwargs, "required": False}
    return {**kwargs, "allow_empty": False}


def with_mixin(nested: Any) -> Any:
    """Return the serializer class `nested` with the mixin, for its own GM2MFields."""
    return type(nested.__name__, (GM2MModelSerializerMixin, nested), {})


def with_identifier(nested: Any) -> Any:
    """
    Return the serializer class `nested` with a field ``identifier``, by which objects
    of several models are told apart, unless the model has one of that name.
    """
    names = {field.name for field in nested.Meta.model._meta.get_fields()}
    if "identifier" in names:
        return nested
    field = GM2MRelatedField(source="*", read_only=True)
    return type(nested.__name__, (nested,), {"identifier": field})
