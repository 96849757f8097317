"""Has MkDocs read docs/ as GitHub does, so that one text serves both. MkDocs calls these functions (mkdocs.yml).

Two things differ. Links may lead out of docs/, to an example or a chart's values: such files come along into the site.
And MkDocs reads lists by the rules of 2004: what belongs to an entry is indented by four columns, whatever its marker.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

COLUMNS = 4  # that Python-Markdown wants before what belongs to an entry
LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)")
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
BESIDE = "repository"  # the folder of the site for what is not of docs/
LISTED = {"providers": "Providers", "decisions": "Decisions", "runbooks": "Runbooks"}
FRONT = ("index.md", "README.md")  # what a folder shows of itself, on GitHub the latter


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site: docs/, a list of pages for each folder of many, and what pages link to outside."""
    docs = Path(config.docs_dir)
    for folder, title in LISTED.items():
        pages = sorted((docs / folder).glob("*.md"))
        if pages and not _front(docs / folder):
            content = f"# {title}\n\n" + "".join(f"- [{_title(page)}]({page.name})\n" for page in pages)
            files.append(File.generated(config, f"{folder}/index.md", content=content))
    for target in sorted({each for page in docs.rglob("*.md") for each in _outside(page, docs)}):
        uri = f"{BESIDE}/{target.relative_to(docs.parent).as_posix()}"
        files.append(File.generated(config, uri, abs_src_path=str(target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page, as MkDocs must have it to show what GitHub shows."""
    at, docs = Path(config.docs_dir) / page.file.src_uri, Path(config.docs_dir)

    def within(link: re.Match[str]) -> str:
        target = (at.parent / link[1]).resolve()
        if target.is_dir() and target.is_relative_to(docs):
            return f"]({link[1].rstrip('/')}/{_front(target) or FRONT[0]})"
        if target in _outside(at, docs):
            up = "../" * page.file.src_uri.count("/")
            return f"]({up}{BESIDE}/{target.relative_to(docs.parent).as_posix()})"
        return link[0]

    return LINK.sub(within, indented(markdown))


def indented(markdown: str) -> str:
    """The same text with its lists as Python-Markdown reads them: an empty line before, four columns within."""
    lines = markdown.split("\n")
    depth, begins = 0, set[int]()
    columns = dict[int, tuple[int, int]]()  # line: how far it is indented for its entry, and how far it should be
    for token in MarkdownIt("commonmark").parse(markdown):
        depth += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
        if token.type.endswith("list_open") and token.map and depth == 0 and token.map[0]:
            begins.add(token.map[0])
        if token.type == "list_item_open" and token.map:
            first, end = token.map
            own = len(lines[first]) - len(lines[first].lstrip())
            marker = len(lines[first]) - len(lines[first].lstrip().partition(" ")[2].lstrip()) - own
            columns[first] = own, COLUMNS * (depth - 1)
            columns |= dict.fromkeys(range(first + 1, end), (own + marker, COLUMNS * depth))
    done = []
    for number, line in enumerate(lines):
        was, becomes = columns.get(number, (0, 0))
        if number in begins and lines[number - 1].strip():
            done.append("")
        done.append(" " * becomes + line[was:] if line.strip() and not line[:was].strip() else line)
    return "\n".join(done)


def _front(folder: Path) -> str:
    """The name of the page that stands for a folder; empty where it has none of its own."""
    return next((name for name in FRONT if (folder / name).exists()), "")


def _title(page: Path) -> str:
    found = TITLE.search(page.read_text())
    return found[1] if found else page.stem


def _outside(page: Path, docs: Path) -> Iterator[Path]:
    """The files outside docs/ that a page links to. What is not there MkDocs complains of."""
    if page.exists():
        for link, _ in LINK.findall(page.read_text()):
            target = (page.parent / link).resolve()
            if target.is_relative_to(docs.parent) and not target.is_relative_to(docs) and target.is_file():
                yield target
