"""The bytes of an image, from the places that its document allows; nothing else is ever read.

    src ─┬─ a name in `ImageAccess.resources`   images that were handed over as bytes
         ├─ a `data:` URI                        at most `Limits.data_uri_bytes` characters
         ├─ a file under `ImageAccess.root`      a folder, or a zip archive; relative names start at `ImageAccess.base`
         └─ `ImageAccess.fetch(src)`             the caller's own function

The first that has it wins. A file name is resolved first, symbolic links included, and must then still lie under the
root. Every failure is one `ImageError` that names the image.

Source: RFC 2397 (data URIs).
"""

import binascii
import os
import posixpath
import re
import stat
import zipfile
from base64 import b64decode
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from docgraph.errors import ImageError
from docgraph.file_names import is_file_name, path_of
from docgraph.records import Fetcher, ImageAccess

_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_FLAGS: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def short_name(src: str | None) -> str:
    """Return a `src` that is short enough for a message."""
    src = src or ""
    if src[:5].lower() == "data:":
        return f"{src[:30]}… ({len(src)} characters)" if len(src) > 30 else src
    return src if len(src) <= 120 else f"{src[:60]}…{src[-50:]}"


def read_image(src: str, raw: str | None, access: ImageAccess) -> bytes:
    """Return the encoded image; of a file or archive member at most one byte more than `Limits.image_bytes`.

    Args:
        raw: `src` as the page wrote it, looked for under the root where `src` names the web.

    Raises:
        ImageError: the image is missing or not allowed, or its data URI is broken or too long.
    """
    if src in access.resources:
        return access.resources[src]
    if src[:5].lower() == "data:":
        return _read_data_uri(src, access.limits.data_uri_bytes)
    file = next((name for name in (src, raw) if is_file_name(name)), None)
    if file is not None and access.root is not None:
        try:
            return _read_local(file, src, access.root, access)
        except ImageError as error:
            if error.code != "missing" or access.fetch is None:
                raise
    if access.fetch is not None:
        return _fetch(src, access.fetch)
    if file is not None:
        raise ImageError(
            f"image {short_name(src)} is a local file, but no folder was given that it may come from; "
            "pass images=<folder> to the parser.",
            "refused",
        )
    raise ImageError(
        f"image {short_name(src)} is not in the document's folder and is never fetched by itself; "
        "pass a function that fetches as images= if it should be.",
        "refused",
    )


def _read_data_uri(src: str, limit: int) -> bytes:
    if len(src) > limit:
        raise ImageError(f"image {short_name(src)} is too long: Limits.data_uri_bytes is {limit}.", "too_large")
    head, comma, body = src[5:].partition(",")
    if not comma:
        raise ImageError(f"a data URI must have a comma, but {short_name(src)} has none.", "unreadable")
    if not head.lower().rstrip().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return b64decode(_padded(unquote_to_bytes(body)))
    except binascii.Error as error:
        raise ImageError(f"image {short_name(src)} is not base64: {error}.", "unreadable") from error


def _read_local(file: str, src: str, root: str, access: ImageAccess) -> bytes:
    name = path_of(file).replace("\\", "/")
    if "\0" in name or not name.strip("/") or _DRIVE.match(name) or name.startswith("//"):
        raise ImageError(f"image {short_name(src)} must be a file name, but is not one.", "refused")
    base = access.base
    if base is None or name.startswith("/"):
        base = root
    name = name.lstrip("/")
    try:
        if not os.path.isdir(root) and zipfile.is_zipfile(root):
            return _read_member(src, root, base, name, access.limits.image_bytes + 1)
        return _read_file(src, root, base, name, access.limits.image_bytes + 1)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "there is no such file" if missing else str(error)
        raise ImageError(
            f"image {short_name(src)} cannot be read under {root}: {reason}.", "missing" if missing else "unreadable"
        ) from error


def _read_file(src: str, root: str, base: str, name: str, most: int) -> bytes:
    top = Path(root).resolve()
    path = Path(base, name).resolve()  # pathlib keeps `..` until the links before it are followed
    if not path.is_relative_to(top):
        raise ImageError(f"image {short_name(src)} leads out of its folder {root}.", "refused")
    # Not blocking: a FIFO named a.png must not hang the reader. The file is judged by what was opened.
    descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ImageError(f"image {short_name(src)} must be a regular file, but is not one.", "refused")
    with open(descriptor, "rb") as file:
        return file.read(most)


def _read_member(src: str, root: str, base: str, name: str, most: int) -> bytes:
    inner = "" if base == root else base
    member = posixpath.normpath(posixpath.join(inner, name))
    if member.startswith(("../", "/")) or member == "..":
        raise ImageError(f"image {short_name(src)} leads out of its archive {root}.", "refused")
    with zipfile.ZipFile(root) as archive:
        if member not in archive.NameToInfo:
            raise FileNotFoundError(member)
        with archive.open(member) as file:
            return file.read(most)


def _fetch(src: str, fetch: Fetcher) -> bytes:
    try:
        data = fetch(src)
    except OSError as error:
        raise ImageError(
            f"image {short_name(src)} could not be fetched: {str(error).rstrip('.')}.", "missing"
        ) from error
    if data is None:
        raise ImageError(f"image {short_name(src)} was not found by the document's fetcher.", "missing")
    return data


def _padded(body: bytes) -> bytes:
    """Return base64 text without white space, with the padding that many pages leave out."""
    body = b"".join(body.split())
    return body.rstrip(b"=") + b"=" * (-len(body.rstrip(b"=")) % 4)
