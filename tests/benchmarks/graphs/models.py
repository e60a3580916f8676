"""The objects and edges of one contender."""

import os

from django.db import models

CONTENDER = os.environ["GM2M_BENCHMARK_CONTENDER"]

if CONTENDER == "dag":
    from django_postgresql_dag.models import edge_factory, node_factory

    class Edge(edge_factory("Node", concrete=False)):
        pass

    class Node(node_factory(Edge)):
        name = models.CharField(max_length=20)

else:

    class Node(models.Model):
        name = models.CharField(max_length=20)

        # They are compared, not shown.
        __str__ = models.Model.__str__

    if CONTENDER == "recursion":

        class Edge(models.Model):
            start = models.ForeignKey(Node, models.CASCADE, related_name="outgoing")
            end = models.ForeignKey(Node, models.CASCADE, related_name="incoming")

            __str__ = models.Model.__str__
