"""
An oracle: Django's own ``ManyToManyField`` beside the library, on the same objects.

``models``
    one model with both kinds of relations, and the models that they lead to;
``schema``
    what relations there are, by their names on either side;
``worlds``
    the objects, and links between them on both sides;
``paths``, ``expressions``, ``queries``, ``list_queries``
    random queries, written as code in which relations have marks for names;
``lists``
    what Django has beside a mixed list;
``answers``
    what such code answers on either side, and how a difference is shown;
``differences``
    what stays different, as ``docs/limits.md`` lists it.
"""
