"""Find image files, and reject faulty files before they are decoded."""

import errno
import functools
import glob
import os
import stat

from PIL import Image

from mtl.data import foreign
from mtl.errors import DataError, shown

# A file of a few kilobytes may decode to gigabytes. 64 megapixels take 256 MB decoded (Pillow uses
# four bytes for each) and two to five times as much during the conversion to RGB. The header gives
# the size, so nothing is decoded to check it.
MAX_PIXELS = 64_000_000

# The uncompressed size of MAX_PIXELS. Pillow reads as many bytes as a file claims to contain.
MAX_BYTES = 4 * MAX_PIXELS

# Not all formats of Pillow: for PostScript, for example, it would run Ghostscript.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")

GIVE = "give the path of a PNG or JPEG image"


# -- find ------------------------------------------------------------------------------------------


def expand(argument: str) -> list[str]:
    """List the image files that a command-line argument names.

    Args:
      argument: a file, a folder, or a pattern of * ? [] (** matches folders of any depth).
        The longest leading part that is an existing folder is taken literally. A leading ~ is
        the home folder, unless a file or folder has that name.

    Returns:
      at least one path. A file is returned unchanged and is not checked. For a folder (without its
      subfolders) or a pattern: the files with the extension of an image whose names do not begin
      with a dot, sorted. They include photographs in unsupported formats, such as .heic.

    Raises:
      DataError: a folder or a pattern has no such file.
    """
    first = argument.split(os.sep)[0]
    if first.startswith("~") and not os.path.lexists(first):
        argument = os.path.expanduser(argument)
    folder = os.path.dirname(argument)
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    rest = argument[len(folder) :]
    if os.path.isdir(argument):
        # A pattern skips names with a leading dot: macOS writes ._1.jpg beside 1.jpg.
        pattern = os.path.join(glob.escape(argument), "*")
        fault = "no images in this folder"
    elif glob.escape(rest) != rest and not os.path.lexists(argument):
        pattern = glob.escape(folder) + rest
        fault = "no images match this pattern"
    else:
        return [argument]
    matches = glob.glob(pattern, recursive=True)
    found = sorted({path for path in matches if _is_image(path)})
    if not found:
        raise DataError(f"{shown(argument)}: {fault}; {_cure(argument, matches)}")
    return found


def _is_image(path):
    extension = os.path.splitext(path)[1].lower()
    known = extension in _extensions() or extension in foreign.PHOTOGRAPHS
    return known and os.path.isfile(path)


@functools.cache
def _extensions():
    """Return the extensions of FORMATS in lower case, such as ".png".

    Not a constant, because Pillow imports all its readers to list them.
    """
    registered = Image.registered_extensions().items()
    return frozenset(extension for extension, name in registered if name in FORMATS)


def _cure(argument, matches):
    """Return what to do about an argument without images; matches: other files and folders."""
    if os.path.isdir(argument) and any(map(os.path.isdir, matches)):
        inside = shown(os.path.join(argument, "**"))
        return f"write '{inside}' to read the images in its subfolders"
    return "name image files, or a folder with .png or .jpg files"


# -- check -----------------------------------------------------------------------------------------


def check(path: str) -> None:
    """Check that a path is a regular file of a possible size. Opens nothing: a pipe would block.

    Raises:
      DataError: it is not.
    """
    name = shown(path)
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: the path has a null character
        raise DataError(_missing(path, name, getattr(error, "errno", None))) from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{name}: {_other(status.st_mode)}, not an image file; {GIVE}")
    if status.st_size == 0:
        raise DataError(f"{name}: an empty file; save it again as PNG or JPEG")
    if status.st_size > MAX_BYTES:
        fault = f"larger than {MAX_BYTES // 10**6} MB, the limit of an image file"
        raise DataError(f"{name}: {fault}; scale it down")
    if foreign.is_raw(path):
        # Many raw files are TIFF files, of which Pillow would read the thumbnail.
        raise DataError(f"{name}: {foreign.RAW.what}; {foreign.RAW.cure}")


def _missing(path, name, code):
    """Return the error of a path that has no status.

    Args:
      path: str.
      name: str, the path as one line.
      code: int, the error number of the system; None if it has none.
    """
    if code == errno.ENAMETOOLONG:
        return f"{name[:80]}...: the name is too long for a file; {GIVE}"
    if code in (errno.EACCES, errno.EPERM):
        return f"{name}: no permission to read it; change its permissions or those of its folder"
    if code == errno.ENOTDIR:
        return f"{name}: no such file, because a part of this path is not a folder; {GIVE}"
    if code in (errno.ENOENT, errno.ELOOP) and os.path.islink(path):
        target = shown(os.readlink(path))
        return f"{name}: a broken link to {target}; correct it, or give the path of the image"
    if code is None or code == errno.ENOENT:
        return f"{name}: no such file; {GIVE}"
    return f"{name}: cannot be read ({os.strerror(code)}); {GIVE}"


def _other(mode):
    """Return the name of a file type that is not a regular file; mode: its st_mode."""
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"
