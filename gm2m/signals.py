"""
Signals of the generic many-to-many field.

``deleting`` is sent while a deletion is collected, before anything is deleted, by the
policies of ``gm2m.deletion`` whose name says ``SIGNAL``: once per relation, from either
side, if there are rows. Collecting alone sends it too, as the admin's confirmation page
does; and another relation may still refuse the deletion. Its arguments:

``sender``
    the ``GM2MField``;
``del_objs``
    the objects that are being deleted;
``rel_objs``
    the rows of the through model that link them;
``using``
    the alias of the database;
``origin``
    the model instance or queryset from which the deletion started.

What a receiver returns matters to ``CASCADE_SIGNAL_VETO`` alone.
"""

from django.dispatch import Signal

deleting = Signal()
