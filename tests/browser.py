"""
The admin of the example project, in a real browser.

Not collected by itself: it needs Chromium and its driver (Debian's ``chromium`` and
``chromium-driver``) and Selenium. ``nox -s browser`` runs it; with ``GM2M_SCREENSHOTS``
set to a directory it leaves the pictures of the documentation there.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from .test_example_project import EXAMPLE, ROOT, Example

SCREENSHOTS = os.environ.get("GM2M_SCREENSHOTS")
#: As many objects of each model there are.
MANY = 5_000

POPULATE = f"""
import datetime
from django.contrib.auth.models import Permission, User
from library.models import Concert, Movie, Opera, Person, Viewer

User.objects.create_superuser("chief", password="x")
clerk = User.objects.create_user("clerk", password="x", is_staff=True)
for name in ("view_viewer", "change_viewer", "view_movie"):
    clerk.user_permissions.add(Permission.objects.get(codename=name))
emeka = Viewer.objects.get(name="Emeka")
emeka.preferred_videos.add(Movie.objects.get(title="Persona"))
person = Person.objects.create(name="Nobody")
for number in range({MANY}):
    Movie.objects.create(title=f"Zebra movie {{number:04}}", year=2000, director=person)
Opera.objects.bulk_create(
    Opera(title=f"Zebra opera {{number:04}}", year=1900, composer=person)
    for number in range({MANY})
)
Concert.objects.bulk_create(
    Concert(
        slug=f"zebra-{{number:04}}",
        title=f"Zebra concert {{number:04}}",
        venue="Zoo",
        date=datetime.date(2000, 1, 1),
    )
    for number in range({MANY})
)
"""


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    example = Example(tmp_path_factory.mktemp("example"))
    example.manage("demo")
    example.run(
        "from django.db import transaction\n"
        f"with transaction.atomic():\n    exec({POPULATE!r})"
    )
    return example


@pytest.fixture(scope="session")
def server(example):
    """The address of the example project, served."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "library_site.settings",
        "EXAMPLE_DATABASE": str(example.database),
        "PYTHONPATH": os.pathsep.join([str(EXAMPLE), str(ROOT)]),
    }
    command = [sys.executable, str(EXAMPLE / "manage.py"), "runserver", "--noreload"]
    with subprocess.Popen(
        [*command, str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for(url)
            yield url
        finally:
            process.terminate()


def wait_for(url):
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{url}/admin/login/"):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


class Visitor:
    """Somebody at the admin."""

    def __init__(self, driver, url, example):
        self.driver, self.url, self.example = driver, url, example
        self.wait = WebDriverWait(driver, 10)

    def open(self, path):
        self.driver.get(f"{self.url}/admin/{path}")

    def log_in(self, name):
        self.open("login/")
        self.driver.delete_all_cookies()
        self.open("login/?next=/admin/")
        self.one("#id_username").send_keys(name)
        self.one("#id_password").send_keys("x", Keys.ENTER)
        self.until(lambda: self.all("#user-tools"))

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def until(self, condition):
        return self.wait.until(lambda driver: condition())

    def picture(self, name, selector=None):
        """Leave a picture for the documentation, if it is asked for."""
        if SCREENSHOTS:
            path = str(Path(SCREENSHOTS) / f"{name}.png")
            if selector:
                self.one(selector).screenshot(path)
            else:
                self.driver.save_screenshot(path)

    # The widget.

    def open_viewer(self, name):
        self.open(f"library/viewer/{self.viewer(name)['pk']}/change/")
        self.until(lambda: self.all(".select2-search__field"))

    def type(self, text):
        """Type into the search box and wait for the answer."""
        box = self.one(".field-preferred_videos .select2-search__field")
        box.click()
        box.send_keys(text)
        self.answered()

    def answered(self):
        self.until(
            lambda: (
                self.all(".select2-results__option")
                and not self.all(".loading-results")
                and not self.all(".select2-results__option--load-more.loading-results")
            )
        )
        time.sleep(0.4)  # The widget waits for more to be typed before it asks.
        self.until(lambda: not self.all(".loading-results"))

    def groups(self):
        """Return the results, by the headings they are under."""
        return {
            group.find_element(By.CSS_SELECTOR, ".select2-results__group").text: [
                option.text
                for option in group.find_elements(
                    By.CSS_SELECTOR, ".select2-results__option"
                )
            ]
            for group in self.all(".select2-results__option[role=group]")
        }

    def pick(self, text):
        for option in self.all(".select2-results__option[role=option]"):
            if option.text == text:
                option.click()
                return
        raise AssertionError(f"{text!r} is not among {self.groups()}")

    def chosen(self):
        """Return the labels of what is chosen."""
        return [
            element.get_attribute("title")
            for element in self.all(".select2-selection__choice")
        ]

    def save(self):
        # Taking something away opens the list of results, over the buttons.
        if self.all(".select2-container--open"):
            self.one(".select2-search__field").send_keys(Keys.ESCAPE)
        self.one("[name=_continue]").click()
        self.until(lambda: self.all(".messagelist .success"))

    def viewer(self, name):
        """Return what the database knows of a viewer."""
        said = self.example.run(
            "import json\nfrom library.models import Viewer\n"
            f"viewer = Viewer.objects.get(name={name!r})\n"
            "print(json.dumps({'pk': viewer.pk, 'videos': "
            "[target.title for target in viewer.preferred_videos.all()]}))"
        )
        return json.loads(said)


@pytest.fixture(scope="session")
def driver():
    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=1180,820",
        "--lang=en-GB",
    ):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def visitor(driver, server, example):
    visitor = Visitor(driver, server, example)
    yield visitor
    errors = [
        entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"
    ]
    assert [e for e in errors if "favicon" not in e["message"]] == []


@pytest.fixture
def chief(visitor):
    visitor.log_in("chief")
    return visitor


def test_search_pick_save_reopen_remove(chief):
    chief.open_viewer("Bruno")
    before = chief.viewer("Bruno")["videos"]
    assert len(chief.chosen()) == len(before)
    chief.type("john")
    assert list(chief.groups()) == ["Movies", "Operas", "Concerts"]
    chief.picture("admin-search")
    chief.one(".select2-search__field").send_keys(Keys.BACKSPACE * 4)
    chief.type("zebra")
    groups = chief.groups()
    assert list(groups) == ["Movies", "Operas", "Concerts"]
    assert groups["Movies"][0] == "Movie: Zebra movie 0000 (2000)"
    chief.pick("Movie: Zebra movie 0001 (2000)")
    for term, label in [
        ("opera 4999", "Opera: Zebra opera 4999 (1900)"),
        ("concert 2500", "Concert: Zebra concert 2500 (2000)"),
    ]:
        chief.type(term)
        chief.pick(label)
    assert len(chief.chosen()) == len(before) + 3
    chief.save()
    after = [
        *before,
        "Zebra movie 0001",
        "Zebra opera 4999",
        "Zebra concert 2500",
    ]
    assert chief.viewer("Bruno")["videos"] == after

    chief.open_viewer("Bruno")
    assert chief.chosen()[-3:] == [
        "Movie: Zebra movie 0001 (2000)",
        "Opera: Zebra opera 4999 (1900)",
        "Concert: Zebra concert 2500 (2000)",
    ]
    chief.picture("admin-chosen")
    gone = next(
        element
        for element in chief.all(".select2-selection__choice")
        if "opera 4999" in element.get_attribute("title")
    )
    gone.find_element(By.CSS_SELECTOR, ".select2-selection__choice__remove").click()
    assert len(chief.chosen()) == len(after) - 1
    chief.save()
    after.remove("Zebra opera 4999")
    assert chief.viewer("Bruno")["videos"] == after


def test_keyboard_alone(chief):
    chief.open_viewer("Devi")
    before = chief.viewer("Devi")["videos"]

    def focused():
        return chief.driver.switch_to.active_element

    chief.one("#id_name").send_keys(Keys.TAB)
    assert "select2-search__field" in focused().get_attribute("class")
    focused().send_keys("zebra opera 0003")
    chief.answered()
    focused().send_keys(Keys.ENTER)
    assert chief.chosen()[-1] == "Opera: Zebra opera 0003 (1900)"
    # The last one is taken back, and another taken in its place.
    focused().send_keys("zebra concert 000")
    chief.answered()
    focused().send_keys(Keys.ARROW_DOWN, Keys.ENTER)
    assert chief.chosen()[-1] == "Concert: Zebra concert 0001 (2000)"
    for _ in range(4):
        focused().send_keys(Keys.TAB)
        if focused().get_attribute("name") == "_save":
            break
    focused().send_keys(Keys.ENTER)
    chief.until(lambda: chief.all(".messagelist .success"))
    assert chief.viewer("Devi")["videos"] == [
        *before,
        "Zebra opera 0003",
        "Zebra concert 0001",
    ]


def test_somebody_who_may_view_movies_alone(visitor):
    visitor.log_in("clerk")
    before = visitor.viewer("Emeka")["videos"]
    visitor.open_viewer("Emeka")
    assert visitor.chosen() == ["Movie: Persona (1966)"]
    visitor.picture("admin-fewer-permissions")
    source = visitor.driver.page_source
    for hidden in ("Don Giovanni", "James Brown", "When We Were Kings"):
        assert hidden not in source
    visitor.type("zebra")
    assert list(visitor.groups()) == ["Movies"]
    visitor.pick("Movie: Zebra movie 0000 (2000)")
    visitor.save()
    assert visitor.viewer("Emeka")["videos"] == [*before, "Zebra movie 0000"]
    # All that may be seen goes, and nothing else.
    for _ in visitor.chosen():
        visitor.one(".select2-selection__choice__remove").click()
    assert visitor.chosen() == []
    visitor.save()
    left = [title for title in before if title != "Persona"]
    assert visitor.viewer("Emeka")["videos"] == left


def test_many_objects(chief):
    start = time.monotonic()
    chief.open_viewer("Freya")
    assert len(chief.driver.page_source) < 100_000
    chief.type("zebra")
    first = chief.groups()
    assert sum(map(len, first.values())) < 30
    assert time.monotonic() - start < 10
    # At the end of the list, more is fetched.
    seen = len(chief.all(".select2-results__option[role=option]"))
    results = chief.one(".select2-results__options")
    for _ in range(5):
        chief.driver.execute_script(
            "arguments[0].scrollTop = arguments[0].scrollHeight", results
        )
        time.sleep(0.5)
    more = chief.all(".select2-results__option[role=option]")
    assert len(more) > seen
    texts = [option.text for option in more]
    assert len(set(texts)) == len(texts)


def test_list_and_filter(chief):
    chief.open("library/viewer/")
    chief.picture("admin-list")
    row = next(r for r in chief.all("#result_list tbody tr") if "Ada" in r.text)
    assert "Tosca (1900), Man on Wire (2008), The Last Waltz (1976)" in row.text
    entries = [link.text for link in chief.all("#changelist-filter a")]
    assert {"Movies", "Documentaries", "Operas", "Concerts"} <= set(entries)
    next(a for a in chief.all("#changelist-filter a") if a.text == "Operas").click()
    names = [row.text.split()[0] for row in chief.all("#result_list tbody tr th")]
    assert {"Ada", "Chiara", "Emeka", "Freya"} <= set(names)
    assert "Bruno" not in names


def test_playlist(chief):
    pk = chief.example.run(
        "from library.models import Playlist\nprint(Playlist.objects.first().pk)"
    ).strip()
    chief.open(f"library/playlist/{pk}/change/")
    chief.until(lambda: chief.all(".inline-group .select2-selection"))
    before = len(chief.all(".inline-related tr.has_original"))
    assert "content_type" not in chief.driver.page_source
    # A row that is added searches as well.
    chief.one(".inline-group .add-row a").click()
    last = chief.all(".inline-group tr.dynamic-playlistitem_set")[-1]
    last.find_element(By.CSS_SELECTOR, ".select2-selection").click()
    chief.one(".select2-container--open .select2-search__field").send_keys("zebra")
    chief.answered()
    assert list(chief.groups()) == ["Movies", "Operas", "Concerts"]
    chief.picture("admin-inline")
    chief.pick("Opera: Zebra opera 0000 (1900)")
    last.find_element(By.CSS_SELECTOR, "[name$=position]").send_keys("9")
    chief.save()
    assert len(chief.all(".inline-related tr.has_original")) == before + 1
    assert "Opera: Zebra opera 0000 (1900)" in chief.driver.page_source
