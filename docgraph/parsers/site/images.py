"""Images of the pages of a site, reached through one `ImageAccess`."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from docgraph.document import Document
from docgraph.file_names import address_of, is_file_name, path_of
from docgraph.limits import Limits
from docgraph.records import Fetcher, ImageAccess


def with_rooted_images(document: Document, page: str) -> Document:
    """Return the document with image names that start at the site's root instead of the page's folder."""
    attributes = dict(document.attributes)
    for node in document.images():
        values = dict(node.attributes)
        for name in ("src", "src_raw"):
            if is_file_name(values.get(name)):
                values[name] = urljoin(page, values[name])
        attributes[node.row] = values
    return document.replace(attributes=attributes)


def with_shared_images(
    documents: list[Document], limits: Limits, fetch: Fetcher | None
) -> tuple[list[Document], ImageAccess]:
    """Return documents whose images are all reached through one `ImageAccess`.

    Its folder is the one that holds all of theirs, so each name is checked here against its own document's folder:
    one that leads out of it loses its source.
    """
    accesses = [document.image_access for document in documents]
    roots = {os.path.abspath(access.root) for access in accesses if access.root is not None}
    top = os.path.commonpath(roots) if roots else None
    resources: dict[str, bytes] = {}
    moved: list[Document] = []
    for ordinal, (document, access) in enumerate(zip(documents, accesses, strict=True)):
        names = {name: f"{ordinal}/{name}" for name in access.resources}
        resources.update({names[name]: data for name, data in access.resources.items()})
        attributes = dict(document.attributes)
        for node in document.images():
            values = dict(node.attributes)
            for name in ("src", "src_raw"):
                source = values.pop(name, None)
                if (source := names.get(source) or _moved_name(source, access, top)) is not None:
                    values[name] = source
            attributes[node.row] = values
        moved.append(document.replace(attributes=attributes))
    fetchers = {id(access.fetch): access.fetch for access in accesses if access.fetch is not None}
    if fetch is None and len(fetchers) == 1:
        fetch = next(iter(fetchers.values()))
    return moved, ImageAccess(resources=resources, root=top, fetch=fetch, limits=limits)


def _moved_name(source: Any, access: ImageAccess, top: str | None) -> Any:
    """Return a file name as it stands under `top`, None if it leads out of its own root; others as they are."""
    if not isinstance(source, str) or not is_file_name(source) or access.root is None or top is None:
        return source
    name = path_of(source).replace("\\", "/")
    root = os.path.abspath(access.root)
    base = root if name.startswith("/") else os.path.abspath(access.base or root)
    path = os.path.normpath(os.path.join(base, name.lstrip("/")))
    if not Path(path).is_relative_to(root):
        return None
    return "/" + address_of(Path(os.path.relpath(path, top)).as_posix())
