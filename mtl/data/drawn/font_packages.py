"""The font packages that the atlas is made from, and their licences."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Debian packages by the licence of their fonts. Some fonts are also under another licence.
PACKAGES = {
    "OFL-1.1": """
        fonts-croscore fonts-lato fonts-noto-core fonts-cabin fonts-cantarell fonts-comfortaa
        fonts-crosextra-caladea fonts-crosextra-carlito fonts-dosis fonts-ebgaramond fonts-inter
        fonts-jura fonts-karla fonts-lobstertwo fonts-manrope fonts-national-park fonts-oldstandard
        fonts-opendin fonts-play fonts-quattrocento fonts-quicksand fonts-sora fonts-vollkorn
        fonts-yanone-kaffeesatz fonts-yrsa-rasa fonts-bebas-neue fonts-league-spartan
        fonts-league-mono fonts-allerta fonts-arapey fonts-averia-gwf fonts-averia-sans-gwf
        fonts-averia-serif-gwf fonts-b612 fonts-courier-prime fonts-comic-neue fonts-fantasque-sans
        fonts-firacode fonts-gemunu-libre fonts-jetbrains-mono fonts-junction fonts-kaushanscript
        fonts-leckerli-one fonts-linuxlibertine fonts-monoid fonts-mononoki fonts-nanum
        fonts-nanum-extra fonts-routed-gothic fonts-sil-andika fonts-sil-charis fonts-sil-gentium
        fonts-smc-manjari fonts-rampart fonts-reggae fonts-rocknroll fonts-yusei-magic fonts-stick
        fonts-dancingscript fonts-gfs-didot fonts-gfs-artemisia fonts-gfs-neohellenic
        fonts-hosny-amiri fonts-anonymous-pro fonts-junicode fonts-elstob fonts-mplus fonts-oxygen
        fonts-lemonada fonts-compagnon fonts-cherrybomb fonts-smiley-sans fonts-millimetre
        fonts-essays1743
    """.split(),
    "Apache-2.0": """
        fonts-open-sans fonts-roboto-unhinted fonts-roboto-slab fonts-clear-sans
    """.split(),
}
HEADER = """\
glyphs.npz holds distance fields computed from the digits of the fonts listed here, so it is a
derived work of these fonts. Each shape is under the licence of its font: the SIL Open Font License,
Version 1.1 (OFL-1.1, text at the end of this file) or the Apache License, Version 2.0 (Apache-2.0,
text in the file LICENSE of this project and at http://www.apache.org/licenses/LICENSE-2.0). The
atlas is not named after any of the fonts. The names below and in its array `names` only tell where
a shape comes from. `make_glyphs.py` made the atlas.
"""


class Font(NamedTuple):
    """A font file with one set of digits; a file with two sets gives two Fonts."""

    name: str  # family and style
    data: bytes  # of the file
    package: str
    family: str
    licence: str
    copyright: str
    alternative: bool  # whether these are old-style digits, and the font also has lining figures


def font_files(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (package, path) of the installed font files of Debian packages, in a fixed order."""
    for package in packages:
        command = ["dpkg-query", "-L", package]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for path in sorted(listed.splitlines()):
            if path.lower().endswith((".ttf", ".otf")) and os.path.isfile(path):
                yield package, path


def packaged_copyright(package: str) -> str:
    """Return the first copyright line in the licence file of a Debian package."""
    with open(f"/usr/share/doc/{package}/copyright", encoding="utf-8") as file:
        return re.search(r"^Copyright:\s*(.+)$", file.read(), re.MULTILINE).group(1)


def licences(fonts: Iterable[Font], text: str) -> str:
    """Return the content of GLYPHS_LICENSES.txt, which lists each family once.

    Args:
      text: the SIL Open Font License.
    """
    families = {}
    for font in fonts:
        families.setdefault((font.family, font.package), font)
    entries = [
        f"{font.family}\n"
        f"    Licence: {font.licence}; Debian package: {font.package}\n"
        f"    {' '.join(font.copyright.split())}\n\n"
        for _, font in sorted(families.items())
    ]
    return f"{HEADER}\n{''.join(entries)}{'-' * 80}\n\n{text}"
