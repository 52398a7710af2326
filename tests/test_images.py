"""Images: opened late, from allowed places only, within bounds; every failure names the image."""

import base64
import os
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from docgraph.errors import ImageError
from docgraph.image_headers import header_size
from docgraph.images import ImageReference
from docgraph.limits import Limits
from docgraph.records import ImageAccess


def encoded(mode="RGB", size=(6, 4), color=(200, 10, 10), format="PNG", **options) -> bytes:
    file = BytesIO()
    Image.new(mode, size, color).save(file, format, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """A valid PNG of width x height that weighs a few kilobytes: rows of zeros."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def given(data: bytes, **limits: int) -> ImageReference:
    return ImageReference("cat.png", ImageAccess(resources={"cat.png": data}, limits=Limits(**limits)))


def refusal(reference: ImageReference, code: str, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        reference.open()
    assert caught.value.code == code
    assert reference.status() == code
    assert str(reference.problem) == str(caught.value)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_the_allowed_formats_open_with_the_pixels_that_were_saved(format):
    picture = given(encoded(format=format, **({"lossless": True} if format == "WEBP" else {})))
    image = picture.open("RGB")
    assert image.size == picture.size() == (6, 4)
    assert max(abs(a - b) for a, b in zip(image.getpixel((3, 2)), (200, 10, 10), strict=True)) <= 3
    assert picture.status() == "ok"
    assert picture.problem is None


@pytest.mark.parametrize("format", ["TIFF", "PPM", "ICO", "PDF", "EPS", "TGA"])
def test_other_formats_are_refused_even_where_pillow_reads_them(format):
    refusal(given(encoded(format=format, size=(16, 16))), "unreadable", "cat.png must be a whole PNG, JPEG")


@pytest.mark.parametrize(
    "data", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8X", b"\xff\xd8\xff"]
)
def test_bytes_that_are_no_picture_are_named(data):
    refusal(given(data), "unreadable", "image cat.png")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_picture_cut_short_is_an_error_at_every_length(format):
    noise = Image.frombytes("RGB", (32, 32), bytes((i * i * 7 + i) % 251 for i in range(32 * 32 * 3)))
    file = BytesIO()
    noise.save(file, format)
    whole = file.getvalue()
    for length in range(0, len(whole) * 3 // 4, max(1, len(whole) // 40)):
        refusal(given(whole[:length]), "unreadable", "image cat.png")


def test_a_flipped_byte_gives_a_picture_or_an_image_error_and_nothing_else():
    for format in ("PNG", "JPEG", "GIF", "WEBP", "BMP"):
        whole = bytearray(encoded(format=format, size=(20, 20)))
        for place in range(0, len(whole), 3):
            broken = whole.copy()
            broken[place] ^= 0xFF
            assert given(bytes(broken), image_pixels=1_000_000).status() in ("ok", "unreadable", "too_large")


@pytest.mark.parametrize("side", [6_000, 12_000, 30_000])
def test_a_bomb_is_refused_by_its_header_before_any_pixel_is_decoded(side, monkeypatch):
    from PIL import ImageFile

    data = png_bomb(side, side) if side < 30_000 else png_bomb(side, 1).replace(
        struct.pack(">II", side, 1), struct.pack(">II", side, side)
    )  # fmt: skip
    if side == 30_000:  # mend the checksum of the header
        head = data[12:29]
        data = data[:29] + struct.pack(">I", zlib.crc32(head)) + data[33:]
    decoded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: decoded.append(self))
    refusal(given(data), "too_large", "cat.png")
    with pytest.raises(ImageError, match=r"cat\.png"):
        given(data).size()
    assert decoded == []


def test_a_webp_canvas_is_checked_before_the_decoder_allocates_it():
    canvas = (16_000_000).to_bytes(3, "little")
    head = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas + canvas
    refusal(given(b"RIFF" + struct.pack("<I", len(head)) + head), "too_large", r"16000001 x 16000001 pixels")


def test_the_pixel_limit_is_exact():
    data = encoded(size=(10, 10))
    assert given(data, image_pixels=100).status() == "ok"
    refusal(given(data, image_pixels=99), "too_large", "has 10 x 10 pixels, but Limits.image_pixels is 99")


def test_only_the_first_frame_of_an_animation_is_decoded():
    file = BytesIO()
    frames = [Image.new("RGB", (5, 5), (40 * i, 0, 0)) for i in range(1, 6)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert given(file.getvalue()).open("RGB").getpixel((2, 2)) == (40, 0, 0)
    assert given(file.getvalue(), image_frames=3).open("RGB", frame=2).getpixel((2, 2)) == (120, 0, 0)
    for limit, frame, message in (
        (1, 1, r"Limits\.image_frames=1"),
        (3, 3, "=3 frames, but frame 3"),
        (3, -1, "frame -1"),
        (99, 5, "image cat"),
    ):
        with pytest.raises(ImageError, match=message):
            given(file.getvalue(), image_frames=limit).open(frame=frame)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(orientation):
    # The left half is red in the stored pixels; where it belongs is the definition of each orientation (EXIF 4.6.4).
    image = Image.new("RGB", (40, 20), (0, 0, 250))
    image.paste((250, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = BytesIO()
    image.save(file, "JPEG", exif=exif, quality=95)
    picture = given(file.getvalue())
    shown = picture.open()
    red_side = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}[orientation]
    width, height = shown.size
    places = {
        "left": (3, height // 2),
        "right": (width - 4, height // 2),
        "top": (width // 2, 3),
        "bottom": (width // 2, height - 4),
    }
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[red_side]
    assert shown.getpixel(places[red_side])[0] > 200
    assert shown.getpixel(places[opposite])[0] < 50
    assert shown.size == picture.size() == ((40, 20) if orientation < 5 else (20, 40))
    assert shown.getexif().get(0x0112, 1) == 1


def test_broken_exif_leaves_the_picture_as_it_is():
    picture = given(encoded(format="JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03" * 40))
    assert picture.open().size == (6, 4)


@pytest.mark.parametrize(
    ("format", "options"),
    [("PNG", {}), ("GIF", {}), ("BMP", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}),
     ("WEBP", {"lossless": True}), ("WEBP", {"save_all": True})],
)  # fmt: skip
def test_the_header_gives_the_size_that_pillow_finds(format, options):
    if "save_all" in options:
        options = {"save_all": True, "append_images": [Image.new("RGB", (301, 17), (1, 2, 3))]}
    data = encoded(format=format, size=(301, 17), **options)
    assert header_size(data) == Image.open(BytesIO(data)).size == (301, 17)


def test_transparent_places_turn_white_and_16_bit_grey_keeps_its_shades():
    clear = given(encoded("RGBA", color=(0, 0, 0, 0)))
    assert clear.open("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert clear.open("RGBA").getpixel((0, 0)) == (0, 0, 0, 0)
    assert given(encoded("LA", color=(0, 255))).open("RGB").getpixel((0, 0)) == (0, 0, 0)
    assert given(encoded("I;16", color=128 * 256)).open("L").getpixel((0, 0)) == 128
    assert given(encoded("CMYK", color=(0, 0, 0, 0), format="JPEG")).open("RGB").getpixel((0, 0)) == (
        255,
        255,
        255,
    )


def test_near_lets_a_jpeg_be_decoded_small_but_never_smaller_than_asked():
    picture = given(encoded(format="JPEG", size=(800, 400)))
    assert picture.open(near=(100, 50)).size == (100, 50)
    width, height = picture.open(near=(90, 30)).size
    assert width >= 90
    assert height >= 30


def test_data_uris_of_both_kinds_open_and_their_length_is_bounded():
    data = encoded()
    text = base64.b64encode(data).decode()
    percent = "".join(f"%{byte:02x}" for byte in data)
    for src in (
        f"data:image/png;base64,{text}",
        f"DATA:image/png;charset=x;BASE64,{text.rstrip('=')}",
        "data:image/png;base64," + text[:20] + "%0A \n" + text[20:],
        f"data:image/png,{percent}",
    ):
        assert ImageReference(src, ImageAccess()).open().size == (6, 4)
    long = ImageReference(f"data:image/png;base64,{text}", ImageAccess(limits=Limits(data_uri_bytes=50)))
    refusal(long, "too_large", "Limits.data_uri_bytes is 50")
    refusal(ImageReference("data:image/png;base64", ImageAccess()), "unreadable", "comma")
    refusal(ImageReference("data:image/png;base64,A", ImageAccess()), "unreadable", "base64")
    refusal(ImageReference("data:text/html,<script>", ImageAccess()), "unreadable", "must be a whole PNG")


@pytest.fixture
def site(tmp_path):
    """root/pages/sub and root/images hold pictures; `secret.png` lies beside the root."""
    root = tmp_path / "root"
    for folder in ("pages/sub", "images"):
        (root / folder).mkdir(parents=True)
        (root / folder / "a.png").write_bytes(encoded())
    (root / "pages" / "two words é.png").write_bytes(encoded())
    (tmp_path / "secret.png").write_bytes(encoded())
    return root


def in_site(root: Path, src: str, base: str | None = "pages") -> ImageReference:
    return ImageReference(src, ImageAccess(root=str(root), base=None if base is None else str(root / base)))


@pytest.mark.parametrize(
    "src",
    [
        "sub/a.png",
        "./sub/a.png",
        "../images/a.png",
        "/images/a.png",
        "sub\\a.png",
        "sub/a.png?v=2#top",
        "two%20words%20%C3%A9.png",
        "two words é.png",
    ],
)
def test_files_under_the_root_open_from_the_pages_own_folder(site, src):
    assert in_site(site, src).open().size == (6, 4)


def test_a_page_saved_with_its_pictures_finds_them_although_src_names_the_web(site):
    access = ImageAccess(root=str(site), base=str(site / "pages"))
    assert ImageReference("https://example.org/sub/a.png", access, "sub/a.png").open().size == (6, 4)
    refusal(ImageReference("https://example.org/sub/a.png", access), "refused", "never fetched")


@pytest.mark.parametrize(
    "src",
    [
        "../../secret.png", "sub/../../../secret.png", "%2e%2e/%2e%2e/secret.png", "..\\..\\secret.png",
        "..%5c..%5csecret.png",
        "..%2f..%2fsecret.png", "link.png", "linked/secret.png", "sub/a.png/../../../../secret.png", "..", ".",
        "{secret}", "file://{secret}", "file:{secret}", "FILE:///{secret}",
        "//localhost{secret}", "\\\\localhost{secret}",
        "C:\\secret.png", "c:/secret.png", "a.png\0", "sub/a.png%00.jpg", "/../secret.png", "//", "/", "?",
        "#", "", "http://[", "http://127.0.0.1/secret.png",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_root(site, src):
    (site / "pages" / "link.png").symlink_to(site.parent / "secret.png")
    (site / "pages" / "linked").symlink_to(site.parent)
    reference = in_site(site, src.replace("{secret}", str(site.parent / "secret.png")))
    with pytest.raises(ImageError):
        reference.open()
    with pytest.raises(ImageError):
        reference.bytes()


def test_a_link_within_the_root_is_followed(site):
    (site / "pages" / "again.png").symlink_to(site / "images" / "a.png")
    assert in_site(site, "again.png").open().size == (6, 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_regular_files_are_read(site):
    os.mkfifo(site / "pages" / "pipe.png")
    refusal(in_site(site, "pipe.png"), "refused", "regular file")
    refusal(in_site(site, "sub"), "refused", "regular file")


def test_missing_files_and_missing_folders_say_so(site):
    refusal(in_site(site, "none.png"), "missing", "image none.png cannot be read under .*there is no such file")
    refusal(ImageReference("a.png", ImageAccess()), "refused", "no folder was given")
    refusal(ImageReference(None, ImageAccess()), "missing", "must have a src")
    refusal(ImageReference("a.png", ImageAccess(root=str(site / "nowhere"))), "missing", "no such file")


def test_encoded_bytes_are_bounded(site):
    path = site / "pages" / "big.png"
    path.write_bytes(encoded() + bytes(1000))
    access = ImageAccess(root=str(path.parent), limits=Limits(image_bytes=500))
    refusal(ImageReference("big.png", access), "too_large", "Limits.image_bytes is 500")


def test_of_a_huge_file_no_more_is_read_than_allowed(site):
    path = site / "pages" / "huge.png"
    try:
        with path.open("wb") as file:
            file.truncate(1 << 40)  # sparse: it takes no room on the disk, and would take a terabyte of memory
    except OSError:
        pytest.skip("needs a file system with sparse files")
    refusal(in_site(site, "huge.png"), "too_large", r"Limits\.image_bytes")


def test_pictures_in_a_zip_archive_open_and_none_leads_out_of_it(tmp_path):
    path = tmp_path / "site.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("site/pages/a.png", encoded())
        archive.writestr("site/images/b.png", encoded())
        archive.writestr("../evil.png", encoded())
    access = ImageAccess(root=str(path), base="site/pages")
    for src in ("a.png", "../images/b.png", "/site/images/b.png"):
        assert ImageReference(src, access).open().size == (6, 4)
    refusal(ImageReference("../../../evil.png", access), "refused", "leads out of its archive")
    refusal(ImageReference("c.png", access), "missing", "no such file")


def test_the_callers_fetcher_is_the_only_way_out():
    asked = []

    def fetch(src: str) -> bytes | None:
        asked.append(src)
        if "broken" in src:
            raise TimeoutError("too slow")
        return encoded() if src.endswith("a.png") else None

    access = ImageAccess(fetch=fetch)
    assert ImageReference("https://example.org/a.png", access).open().size == (6, 4)
    refusal(
        ImageReference("https://example.org/b.png", access),
        "missing",
        "was not found by the document's fetcher",
    )
    refusal(ImageReference("https://broken.org/a.png", access), "missing", "too slow")
    assert set(asked) == {
        "https://example.org/a.png",
        "https://example.org/b.png",
        "https://broken.org/a.png",
    }


def test_errors_travel_between_processes_with_their_code():
    import pickle

    error = pickle.loads(pickle.dumps(ImageError("picture a is gone.", "missing")))
    assert (str(error), error.code) == ("picture a is gone.", "missing")


def test_an_avif_opens_and_its_size_is_known_from_its_header():
    pytest.importorskip("PIL._avif")
    file = BytesIO()
    Image.new("RGB", (64, 48), (200, 40, 40)).save(file, "AVIF")
    image = given(file.getvalue())
    assert header_size(file.getvalue()) == image.size() == image.open("RGB").size == (64, 48)
    refusal(given(file.getvalue(), image_pixels=1_000), "too_large", "64 x 48 pixels")
    for length in range(0, len(file.getvalue()), 7):
        with pytest.raises(ImageError):
            given(file.getvalue()[:length]).open()


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt", b"tEXt"])
def test_a_large_profile_or_text_beside_the_pixels_is_passed_over(kind, where):
    large = zlib.compress(bytes(5_000_000))
    body = {
        b"iCCP": b"name\0\0" + large,
        b"zTXt": b"name\0\0" + large,
        b"iTXt": b"name\0\1\0\0\0" + large,
        b"tEXt": b"name\0" + b"x" * 2_000_000,
    }[kind]
    whole = encoded(format="PNG")
    at = whole.index(b"IDAT") - 4 if where == "before" else whole.index(b"IEND") - 4
    image = given(whole[:at] + chunk(kind, body) + whole[at:])
    assert image.open("RGB").size == image.size() == (6, 4)


def test_a_small_profile_stays():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = BytesIO()
    Image.new("RGB", (6, 4)).save(file, "PNG", icc_profile=profile)
    assert given(file.getvalue()).open().info["icc_profile"] == profile
