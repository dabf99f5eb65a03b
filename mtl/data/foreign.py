"""Recognise files that mtl cannot read as images: HEIC, PDF, SVG, videos, web pages, text."""

import codecs
import os
import unicodedata
from typing import NamedTuple

HEAD = 4096  # bytes at the start of a file that `kind` needs


class Kind(NamedTuple):
    """A kind of file that cannot be read, in words for an error."""

    what: str
    cure: str


def _image(name):
    article = "an" if name[0] in "AS" else "a"
    return Kind(f"{article} {name} image, which cannot be read", "convert it to JPEG or PNG")


HEIC = _image("HEIC")
AVIF = _image("AVIF")
JPEG_XL = _image("JPEG XL")
JPEG_2000 = _image("JPEG 2000")
PHOTOSHOP = _image("Photoshop")
SVG = _image("SVG")
RAW = Kind("a raw camera file, which cannot be read", "export it as JPEG or PNG")
PDF = Kind("a PDF document, which cannot be read", "export the page as PNG or JPEG")
POSTSCRIPT = Kind("a PostScript document, which cannot be read", "export the page as PNG or JPEG")
VIDEO = Kind("a video, which cannot be read", "save a frame of it as PNG or JPEG")
WEB_PAGE = Kind("a web page (HTML), not an image", "download the image itself")
ARCHIVE = Kind("an archive, not an image", "unpack it and give the path of an image")
LFS = Kind("a pointer of Git LFS, not the image", "fetch the image with git lfs pull")
TEXT = Kind("a text file, not an image", "give the path of a PNG or JPEG image")

# A folder lists these files too, because a user expects an answer for each photograph. It lists no
# raw files, because cameras save a JPEG of the same photograph beside them.
PHOTOGRAPHS = {
    ".heic": HEIC,
    ".heif": HEIC,
    ".avif": AVIF,
    ".jxl": JPEG_XL,
    ".jp2": JPEG_2000,
}
_RAW = ".3fr .arw .cr2 .cr3 .dng .erf .kdc .nef .nrw .orf .pef .raf .rw2 .sr2 .srw .x3f"
_VIDEOS = ".3gp .avi .m4v .mkv .mov .mp4 .mpeg .mpg .webm .wmv"
_EXTENSIONS = {
    **PHOTOGRAPHS,
    **dict.fromkeys(_RAW.split(), RAW),
    **dict.fromkeys(_VIDEOS.split(), VIDEO),
    ".eps": POSTSCRIPT,
    ".pdf": PDF,
    ".ps": POSTSCRIPT,
    ".psd": PHOTOSHOP,
    ".svg": SVG,
    ".svgz": SVG,
}

_SIGNATURES = {
    b"%PDF-": PDF,
    b"%!PS": POSTSCRIPT,
    b"\xc5\xd0\xd3\xc6": POSTSCRIPT,
    b"8BPS": PHOTOSHOP,
    b"\xff\x0a": JPEG_XL,
    b"\0\0\0\x0cJXL ": JPEG_XL,
    b"\0\0\0\x0cjP  ": JPEG_2000,
    b"\xff\x4f\xff\x51": JPEG_2000,
    b"FUJIFILMCCD-RAW": RAW,
    b"\x1a\x45\xdf\xa3": VIDEO,  # Matroska and WebM
    b"\0\0\x01\xba": VIDEO,  # MPEG
    b"PK\x03\x04": ARCHIVE,
    b"\x1f\x8b": ARCHIVE,
    b"7z\xbc\xaf\x27\x1c": ARCHIVE,
    b"version https://git-lfs": LFS,
}

# The main brands of files that begin with an ftyp box (ISO 14496-12). All others are videos.
_BRANDS = {
    **dict.fromkeys([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"], HEIC),
    **dict.fromkeys([b"avif", b"avis"], AVIF),
    b"crx ": RAW,
}


def kind(head: bytes, path: str) -> Kind | None:
    """Return the kind of a file that is not a readable image, or None if it is unknown.

    Args:
      head: the first HEAD bytes of the file. They take precedence over the extension.
      path: only its extension is used.
    """
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], VIDEO)
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return VIDEO
    for signature, found in _SIGNATURES.items():
        if head.startswith(signature):
            return found
    return _text(head) or by_extension(path)


def by_extension(path: str) -> Kind | None:
    """Return the kind of file that the extension of a path belongs to, or None."""
    return _EXTENSIONS.get(os.path.splitext(path)[1].lower())


def is_raw(path: str) -> bool:
    """Return whether a path has the extension of a raw camera file."""
    return by_extension(path) is RAW


def _text(head):
    """Return the kind of a text: SVG, a web page, or any other. None if it is not text."""
    try:
        # Incremental, because the last character of the head may be cut off.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
    controls = {each for each in text if unicodedata.category(each) == "Cc"}
    if not text or controls - set("\t\n\r\f"):
        return None
    lower = text.lower()
    if "<svg" in lower:
        return WEB_PAGE if "<html" in lower else SVG
    return WEB_PAGE if "<html" in lower or "<!doctype html" in lower else TEXT
