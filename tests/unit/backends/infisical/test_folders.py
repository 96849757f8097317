import pytest

from keyferry.backends.infisical import folders


@pytest.mark.parametrize("name", ["db", "team/db", "a/b/c", "a b", "ž", "a.b", "a:b", "..a"])
def test_a_name_of_parts_is_possible(name: str):
    assert folders.possible(name)


@pytest.mark.parametrize(
    "name", ["", "/", "/db", "db/", "a//b", ".", "..", "a/../b", "./a", " a", "a ", "a/ b", "a\nb"]
)
def test_what_could_lead_elsewhere_or_be_taken_for_another_is_no_name(name: str):
    assert not folders.possible(name)


@pytest.mark.parametrize(
    ("base", "folder", "key", "name"),
    [
        ("/", "/", "db", "db"),
        ("/", "/team", "db", "team/db"),
        ("/apps", "/apps", "db", "db"),
        ("/apps", "/apps/team", "db", "team/db"),
        ("/apps", "/apps-2", "db", None),
        ("/apps", "/", "db", None),
        ("/apps", "/other/apps", "db", None),
        ("/", "/", "team/db", None),
        ("/", "/", "..", None),
        ("/", "/../other", "db", None),
    ],
)
def test_a_secret_is_named_by_where_it_is_below_the_stores_folder(base: str, folder: str, key: str, name: str | None):
    assert folders.named(base, folder, key) == name


@pytest.mark.parametrize(("base", "name"), [("/", "db"), ("/", "a/b/db"), ("/apps", "db"), ("/apps", "a/b/db")])
def test_a_name_leads_back_to_where_it_came_from(base: str, name: str):
    folder, key = folders.split(base, name)
    assert folders.named(base, folder, key) == name


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["db"], ""),
        (["a/db"], "a"),
        (["a/db", "b/db"], ""),
        (["a/b/db", "a/b/api", "a/b/c/d"], "a/b"),
        (["a/b/db", "a/bc/db"], "a"),
        (["a/b", "a"], ""),
    ],
)
def test_what_names_share_is_whole_folders(names: list[str], folder: str):
    assert folders.common(names) == folder


@pytest.mark.parametrize(
    ("prefix", "folder"), [("", ""), ("acme", ""), ("acme/", "acme"), ("a/b/pre", "a/b"), ("../", ""), ("/x/", "")]
)
def test_a_prefix_narrows_by_its_folders(prefix: str, folder: str):
    assert folders.of_prefix(prefix) == folder
