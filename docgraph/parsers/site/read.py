"""Several pages as one document: a site, whose children are pages and whose edges are the links between them.

    folder, zip, WARC, pages, Documents ─ parse each ─> Documents ─ join ─> site (GRAPH) ─┬─ links resolved to edges
                                                                                         └─ shared blocks marked

A page that cannot be read or parsed is set aside and named in `warnings`; the others go on. So are the files that are
no pages ("site.left_out") and the links to files that a folder or archive does not have ("site.broken_link").
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from docgraph.document import Document
from docgraph.errors import DataError, DocgraphError, LimitError, ParseError, check_type
from docgraph.file_names import address_of, readable, told
from docgraph.join import join
from docgraph.kinds import Domain
from docgraph.limits import Limits
from docgraph.metadata import Metadata
from docgraph.parsers.files import HTML_SUFFIXES, document_suffix, parse_bytes
from docgraph.parsers.html.images import resolve
from docgraph.parsers.html.page import parse_html
from docgraph.parsers.site.archives import PageSource, pages_of_folder, pages_of_warc, pages_of_zip
from docgraph.parsers.site.images import with_rooted_images, with_shared_images
from docgraph.parsers.site.links import broken_links, edges_of, home_of
from docgraph.parsers.site.templates import mark_templates
from docgraph.records import Fetcher, ImageAccess, Warning

_IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", ".svg", ".ico")
"""Files that image nodes may open; they are not left out."""
Pages = Iterable[tuple[str, str | bytes | Document] | Document] | Mapping[str, str | bytes | Document]


def parse_site(
    source: str | Path | Pages,
    *,
    url: str | None = None,
    images: Literal["lazy", "skip"] | Fetcher = "lazy",
    main_only: bool = False,
    mark_shared: bool = True,
    limits: Limits | None = None,
    strict: bool = False,
) -> Document:
    """Return the document of several pages.

    Args:
        source: a folder of HTML files (or of texts), a .zip or .warc(.gz) file, or pages: (url, markup or bytes or
            Document) pairs, a mapping of such, or Documents with a `metadata.url`.
        url: where the folder or archive stands on the web; without it pages are known by their paths.
        images: "lazy": images in the folder or archive may be opened. "skip": no file may. A callable: asked for the
            bytes of images that are not in it. Documents bring their own images.
        main_only: keep the main content of each page only.
        mark_shared: mark blocks that pages share with role "boilerplate"; see templates.py.
        limits: of each page; `nodes` bounds the site as a whole too.
        strict: raise where a bound cuts something off, or a page cannot be read.

    Raises:
        ParseError: there is no such folder or archive, or no page in it that can be parsed.
        LimitError: `strict` and a bound was passed.
        DataError: `source` is none of the above.
    """
    check_type("source", source, str, Path, Iterable)
    limits = limits or Limits()
    pages = _Pages(limits, strict, url, images, main_only)
    location = Path(source) if isinstance(source, str | Path) else None
    if location is not None:
        try:
            for page in _sources(location, limits):
                pages.add_source(page)
        except ParseError as error:
            if strict or not pages.documents:
                raise
            pages.warnings.append(Warning("site.archive", str(error)))
        pages.root = None if _is_warc(location) or images == "skip" else str(location)
    else:
        for given in source.items() if isinstance(source, Mapping) else source:  # type: ignore[union-attr]
            pages.add_given(given)
    if not pages.documents:
        named = f": {pages.warnings[0].message}" if pages.warnings else "."
        raise ParseError(f"a site must have at least one page that can be parsed, but {source!r:.100} has none{named}")
    site = pages.joined(location)
    return mark_templates(site) if mark_shared else site


def _is_warc(path: Path) -> bool:
    return path.name.lower().endswith((".warc", ".warc.gz"))


def _sources(path: Path, limits: Limits) -> Iterable[PageSource]:
    if path.is_dir():
        return pages_of_folder(path, limits)
    if not path.exists():
        raise ParseError(f"a site must be a folder or archive, but there is no {path}.")
    if _is_warc(path):
        return pages_of_warc(path, limits)
    if path.suffix.lower() == ".zip":
        return pages_of_zip(path, limits)
    raise ParseError(f"a site must be a folder, a .zip or a .warc file, but {path} is none.")


class _Pages:
    """The pages of a site as they come in."""

    def __init__(
        self, limits: Limits, strict: bool, url: str | None, images: Literal["lazy", "skip"] | Fetcher, main_only: bool
    ) -> None:
        self.limits, self.strict, self.url, self.images = limits, strict, url, images
        self.options: dict[str, Any] = {"limits": limits, "strict": strict, "main_only": main_only}
        self.root: str | None = None
        self.documents: list[Document] = []
        self.names: list[str] = []
        self.homes: list[str] = []
        """The address of each page; see links.py."""
        self.files: list[str] = []
        """Paths of all files of a folder or archive."""
        self.others: list[str] = []
        """Those that are no pages."""
        self.warnings: list[Warning] = []
        self.resources: dict[str, bytes] = {}
        self.resource_bytes = 0
        self.nodes = 1
        self.truncated = False

    def add_source(self, page: PageSource) -> None:
        """Parse a page of a folder or archive, keep an image of a WARC file, note the name of another file."""
        if page.kind == "image":
            self.keep_image(page)
            return
        if page.url is None:
            self.files.append(page.name)
        if page.kind == "other":
            self.others.append(page.name)
            return
        name = readable(page.name)
        try:
            if page.error is not None:
                raise page.error
            address = page.url or (resolve(address_of(page.name), self.url) if self.url else None)
            suffix = HTML_SUFFIXES[0] if page.url else document_suffix(Path(page.name))
            document = parse_bytes(page.data, suffix, page.name, url=address, **self.options)
        except DocgraphError as error:
            self.set_aside(name, error)
            return
        if page.url is None:
            document = with_rooted_images(document, f"/{address_of(page.name)}")
        self.add(document, name, home_of(document, page.name))

    def add_given(self, given: Any) -> None:
        """Add a page that the caller gave."""
        address, page = given if isinstance(given, tuple) and len(given) == 2 else (None, given)
        if isinstance(page, Document):
            name = str(address or page.metadata.url or page.metadata.source or f"page {len(self.names) + 1}")
            self.add(page, name, home_of(page, name))
            return
        if not isinstance(page, str | bytes) or not isinstance(address, str):
            raise DataError(
                "a page of a site must be a Document or an (url, markup) pair, "
                f"but is a {type(given).__name__}: {given!r:.60}."
            )
        try:
            document = parse_html(page, url=address, **self.options)
        except DocgraphError as error:
            self.set_aside(address, error)
        else:
            self.add(document, address, home_of(document, address))

    def add(self, document: Document, name: str, home: str) -> None:
        if self.nodes + len(document) > self.limits.nodes:
            message = f"the site has more than Limits.nodes={self.limits.nodes} nodes; page {name} was left out."
            if self.strict:
                raise LimitError(f"{message} Raise the limit if the source is trusted.")
            self.truncated = True
            self.warnings.append(Warning("limit.nodes", message))
            return
        self.nodes += len(document)
        self.documents.append(document)
        self.names.append(name)
        self.homes.append(home)

    def set_aside(self, name: str, error: DocgraphError) -> None:
        if self.strict:
            raise error
        self.warnings.append(Warning("site.page", f"page {name} was set aside: {error}"))

    def keep_image(self, page: PageSource) -> None:
        """Keep an image of a WARC file, as long as all of them together are within `Limits.image_bytes`."""
        if self.images == "skip":
            return
        self.resource_bytes += len(page.data)
        if self.resource_bytes <= self.limits.image_bytes:
            self.resources[page.name] = page.data
        elif all(warning.code != "limit.image_bytes" for warning in self.warnings):
            self.warnings.append(
                Warning(
                    "limit.image_bytes",
                    f"the images of the site are larger than Limits.image_bytes={self.limits.image_bytes} together; "
                    f"{page.name} and those after it were left out.",
                )
            )

    def joined(self, location: Path | None) -> Document:
        """Return the site, with its edges."""
        fetch = self.images if callable(self.images) else None
        documents = self.documents
        image_access = ImageAccess(resources=self.resources, root=self.root, fetch=fetch, limits=self.limits)
        if location is None:
            documents, image_access = with_shared_images(documents, self.limits, fetch)
        site = join(
            documents,
            kind="site",
            domain=Domain.GRAPH,
            names=self.names,
            attributes=[_about(document, name) for document, name in zip(documents, self.names, strict=True)],
            metadata=_metadata(documents, self.url, location),
            image_access=image_access,
        )
        warnings = [*self.warnings]
        if others := [name for name in self.others if not name.lower().endswith(_IMAGE_SUFFIXES)]:
            message = f"{len(others)} files of the site are no pages: {told(others)}."
            warnings.append(Warning("site.left_out", message))
        if self.files:
            rows = site.child_rows(0)
            broken = broken_links(documents, self.homes, self.names, self.url, self.files)
            warnings += [one._replace(row=rows[one.row] if one.row >= 0 else -1) for one in broken]
        return site.replace(
            edges={**site.edges, 0: edges_of(documents, self.homes)},
            truncated=site.truncated or self.truncated,
            warnings=(*warnings, *site.warnings),
        )


def _about(document: Document, name: str) -> dict[str, Any]:
    """Return what a page's node says of it: its name, and metadata where it has any."""
    given = document.metadata
    about = {"name": name, "title": given.title, "url": given.url, "date": given.date, "language": given.language}
    return {key: value for key, value in about.items() if value}


def _metadata(documents: list[Document], url: str | None, location: Path | None) -> Metadata:
    """Return the site's own metadata: what its pages agree on."""

    def agreed(name: str) -> str | None:
        values = {value for document in documents if (value := getattr(document.metadata, name))}
        return values.pop() if len(values) == 1 else None

    site_name = agreed("site_name")
    return Metadata(
        title=site_name or (readable(location.name) if location else None),
        site_name=site_name,
        language=agreed("language"),
        url=url,
        source=readable(location.name) if location else None,
    )
