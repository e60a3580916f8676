"""
A process of the large project, which times itself: its start, its first connection, its
checks, and what it does with a model that no field leads to.
"""

import io
import json
import sys
import time

REPEATED = 200


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def set_up():
    import django

    django.setup()


def main():
    times = {"import and setup()": seconds(set_up)}

    from django.core.management import call_command
    from django.db import connection

    from tests.benchmarks.large.models import Bystander

    name = connection.creation._get_test_db_name()
    if sys.argv[1] == "create":
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        return
    if sys.argv[1] == "destroy":
        connection.settings_dict["NAME"] = name
        connection.creation.destroy_test_db(name, verbosity=0)
        return
    connection.settings_dict["NAME"] = name
    times["the first connection"] = seconds(connection.ensure_connection)
    times["manage.py check"] = seconds(
        lambda: call_command("check", stdout=io.StringIO())
    )

    def query():
        for _ in range(REPEATED):
            Bystander.objects.filter(name="x").first()

    objs = Bystander.objects.bulk_create(Bystander() for _ in range(REPEATED))

    def delete():
        for obj in objs:
            obj.delete()

    query()
    times[f"{REPEATED} queries elsewhere"] = seconds(query)
    times[f"{REPEATED} deletions elsewhere"] = seconds(delete)
    print(json.dumps(times))


main()
