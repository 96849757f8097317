"""The site is built without a warning, shows what GitHub shows, and loads nothing from anywhere else."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OUTSIDE = [ROOT / "README.md", ROOT / "examples" / "README.md", ROOT / "helm" / "keyferry" / "README.md"]
COUNTED = {"h1", "h2", "h3", "h4", "li", "table", "tr", "pre", "img"}
LOADING = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}
ELSEWHERE = re.compile(r"^(https?:)?//")
LINK = re.compile(r"\]\(([^)\s]+)\)")
BUILT_WITHIN = 60.0
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())


class Tags(HTMLParser):
    """The tags of a document with their attributes, and in how many entries of lists each stands."""

    def __init__(self, text: str, *, only: str = "") -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.depths: list[int] = []
        self.only, self.within, self.depth = only, not only, 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.within = self.within or tag == self.only
        if self.within:
            self.found.append((tag, dict(attrs)))
            self.depths.append(self.depth)
            self.depth += tag == "li"

    def handle_endtag(self, tag: str) -> None:
        if tag == self.only:
            self.within = False
        if self.within:
            self.depth -= tag == "li"


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """What `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILT_WITHIN,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """All that the site is made of, to be changed."""
    for folder in ("docs", "examples", "tests/site"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew; a link or an anchor that leads nowhere fails here."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def address(page: Path) -> str:
    """Where the site has a page."""
    path = page.relative_to(DOCS)
    return path.with_name(path.name.replace("README.md", "index.md")).with_suffix(".html").as_posix()


def built(site: Path, page: Path) -> str:
    return (site / address(page)).read_text()


def counted(tags: Tags) -> Counter[tuple[str, int]]:
    return Counter((tag, depth) for (tag, _), depth in zip(tags.found, tags.depths, strict=True) if tag in COUNTED)


def slugs(markdown: str) -> Iterator[str]:
    """The anchors of a page's headings as GitHub makes them (gjtorikian/html-pipeline, its filter for contents)."""
    seen = Counter[str]()
    tokens = MarkdownIt("commonmark").parse(markdown)
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(each.content for each in inline.children or () if each.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            yield f"{slug}-{seen[slug]}" if seen[slug] else slug
            seen[slug] += 1


@by_page
def test_a_page_has_the_headings_lists_tables_and_code_that_it_has_on_github(site, page):
    # Code in the site stands in `pre`, and a table of highlighted lines is not used: one for one.
    ours = counted(Tags(built(site, page), only="article"))
    theirs = counted(Tags(MarkdownIt("commonmark").enable("table").render(page.read_text())))
    assert ours == theirs


@by_page
def test_a_page_has_the_anchors_that_it_has_on_github(site, page):
    made = {attributes["id"] for _, attributes in Tags(built(site, page), only="article").found if "id" in attributes}
    assert [slug for slug in slugs(page.read_text()) if slug not in made] == []


def test_every_page_is_reached_by_the_navigation(site):
    listed = {attributes.get("href") for tag, attributes in Tags((site / "index.html").read_text()).found if tag == "a"}
    assert sorted({address(page) for page in PAGES} - listed) == []


def test_no_page_loads_anything_from_another_host(site):
    loaded = [
        (path.name, tag, where)
        for path in site.rglob("*.html")
        for tag, attributes in Tags(path.read_text()).found
        if (where := attributes.get(LOADING.get(tag, "")) or "") and ELSEWHERE.match(where)
        if attributes.get("rel") != "canonical"
    ]
    assert loaded == []


def test_no_stylesheet_loads_anything_from_another_host(site):
    sheets = [
        path for path in site.rglob("*.css") if re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", path.read_text())
    ]
    assert sheets == []


def test_nothing_makes_the_scripts_load_a_renderer_of_diagrams(site):
    """Material would load it from another host for a block of the language mermaid."""
    assert [path.name for path in site.rglob("*.html") if 'class="mermaid"' in path.read_text()] == []


def test_what_pages_link_to_beside_docs_is_part_of_the_site(site):
    assert (site / "repository/examples/gitops/argocd/health.yaml").read_bytes() == (
        ROOT / "examples/gitops/argocd/health.yaml"
    ).read_bytes()


def test_a_link_that_leads_nowhere_fails_the_build(copy):
    (copy / "docs" / "cli.md").write_text("# Here\n\n[gone](gone.md) [nowhere](#nowhere) [out](../gone.yaml)\n")
    done = build(copy, copy / "site")
    assert done.returncode != 0
    assert [word for word in ("gone.md", "#nowhere", "gone.yaml") if word not in done.stderr] == []


def test_a_new_page_is_in_the_navigation_by_itself(copy):
    new = [f"{folder}/999-new" for folder in ("providers", "decisions", "runbooks", "reference")] + ["new", "image"]
    (copy / "docs" / "runbooks").mkdir(exist_ok=True)
    for name in new:
        (copy / "docs" / f"{name}.md").write_text("# New\n")
    done = build(copy, copy / "site")
    assert done.returncode == 0, done.stderr
    listed = {attributes.get("href") for tag, attributes in Tags((copy / "site" / "index.html").read_text()).found}
    assert sorted({f"{name}.html" for name in new} - {str(each) for each in listed}) == []


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_outside_docs_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert ELSEWHERE.match(link) or target.exists(), link
        assert not anchor or ELSEWHERE.match(link) or anchor in set(slugs(target.read_text())), link
