"""Draw the emoji images of `input/` from a color emoji font.

This script is for maintainers and not part of the package. The same font, list of emojis and
Pillow version give the same bytes. It adds and replaces images, and deletes none.
"""

import re
import textwrap
import unicodedata
from pathlib import Path
from typing import NamedTuple

import click
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

TRAINING_GROUP = "Smileys & Emotion"
BITMAP_SIZE = 109  # Noto Color Emoji has its bitmaps only at this size
IMAGE_SIZE = 64
EMOJI_PRESENTATION = "FE0F"  # asks for the color image; it is not a character of its own
LINE = re.compile(r"(?P<code_points>[0-9A-F ]+?) *; fully-qualified +# \S+ E[\d.]+ (?P<name>.+)")

README = """\
# The emoji pictures

| folder | pictures | labels (sub-folders) |
|---|---|---|
| `emojis/` | {emojis} | the subgroups of "{training_group}"; what is trained on by default |
| `more_emojis/` | {more_emojis} | the other groups |

Every emoji of one code point, without those that only add a skin tone, as a {size}×{size} PNG with
transparency, named `<code point>_<name>.png`.

- **Font:** Noto Color Emoji, {font_version}.
- **Names and groups:** Unicode's `emoji-test.txt`, version {unicode_version}.
- **How they are drawn:** `python tools/render_emojis.py` draws each glyph at the font's own size
  of {bitmap_size}, centers it in a square and reduces that with Lanczos on premultiplied alpha.
  Debian's packages `fonts-noto-color-emoji` and `unicode-data` bring the font and the list.
- **License:** the pictures come from Noto Color Emoji, {copyright},
  under the SIL Open Font License, version 1.1: see [LICENSE-OFL.txt](LICENSE-OFL.txt).

## Your own pictures

Put them into `emojis/`, in a sub-folder of your own if they should have a label of their own, or
name another folder in `data.input_dir` of the configuration. PNG, JPEG, WebP, GIF (its first
frame), BMP and TIFF of any size are read; transparency becomes white, and a picture of another
shape is padded with white.
"""


ATTRIBUTION = """\
The pictures in emojis/ and more_emojis/ are drawn from the font Noto Color Emoji
({font_version}, https://github.com/googlefonts/noto-emoji).

{copyright}
Debian's package of the font names as holders Google Inc. and Arjen Nienhuis
<a.g.nienhuis@gmail.com>, 2013-2017.

"""


class Emoji(NamedTuple):
    """A code point with its name and groups in Unicode's list."""

    character: str
    name: str
    group: str
    subgroup: str


def slug(text, separator):
    """Keep lowercase ASCII letters and digits, and replace everything else by the separator."""
    text = unicodedata.normalize("NFKD", text.replace("’", "")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", separator, text.lower()).strip(separator)


def read_emojis(emoji_test):
    """Return the fully qualified emojis of one code point, in Unicode's order, without components.

    Parameters
    ----------
    emoji_test : str
        The text of emoji-test.txt.

    Returns
    -------
    list of Emoji
    """
    emojis = []
    group = None
    subgroup = None
    for line in emoji_test.splitlines():
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ")
        elif group != "Component":
            match = LINE.match(line)
            if match is None:
                continue
            code_points = match["code_points"].split()
            code_points = [point for point in code_points if point != EMOJI_PRESENTATION]
            if len(code_points) == 1:
                character = chr(int(code_points[0], 16))
                emojis.append(Emoji(character, match["name"], group, subgroup))
    return emojis


def image_path(emoji):
    """Return the path of an emoji's image in the output folder."""
    if emoji.group == TRAINING_GROUP:
        folder = Path("emojis", slug(emoji.subgroup, "-"))
    else:
        folder = Path("more_emojis", slug(emoji.group, "-"))
    return folder / f"{ord(emoji.character):04x}_{slug(emoji.name, '_')}.png"


def draw(character, font):
    """Draw a glyph, centered in a square.

    Parameters
    ----------
    character : str
    font : PIL.ImageFont.FreeTypeFont

    Returns
    -------
    PIL.Image.Image
        RGBA, IMAGE_SIZE × IMAGE_SIZE.
    """
    left, top, right, bottom = font.getbbox(character)
    side = max(right - left, bottom - top)
    canvas = Image.new("RGBA", (side, side))
    corner = ((side - right - left) // 2, (side - bottom - top) // 2)
    ImageDraw.Draw(canvas).text(corner, character, font=font, embedded_color=True)
    # On transparent black, Pillow multiplies each color by its alpha, so the canvas is already
    # premultiplied ("RGBa"). Read as plain RGBA, the edges would be darkened twice.
    premultiplied = Image.frombytes("RGBa", canvas.size, canvas.tobytes())
    small = premultiplied.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return small.convert("RGBA")


def read_license(debian_copyright):
    """Return the SIL Open Font License from the text of Debian's copyright file."""
    paragraph = debian_copyright.split("License:   SIL-1.1\n")[-1]
    lines = textwrap.dedent(paragraph).strip().splitlines()
    return "\n".join("" if line == "." else line for line in lines) + "\n"


@click.command()
@click.option(
    "--font",
    "font_path",
    default="/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    show_default=True,
)
@click.option(
    "--emoji-test",
    "emoji_test_path",
    default="/usr/share/unicode/emoji/emoji-test.txt",
    show_default=True,
)
@click.option(
    "--license",
    "license_path",
    default="/usr/share/doc/fonts-noto-color-emoji/copyright",
    show_default=True,
    help="Debian's copyright file of the font.",
)
@click.option("--output", default="input", show_default=True, help="The folder to write to.")
def main(font_path, emoji_test_path, license_path, output):
    """Draw the emoji images, and write a README and the license next to them."""
    output = Path(output)
    emoji_test = Path(emoji_test_path).read_text(encoding="utf-8")
    font = ImageFont.truetype(font_path, BITMAP_SIZE)
    font_tables = TTFont(font_path)
    drawable = font_tables.getBestCmap()

    counts = {"emojis": 0, "more_emojis": 0}
    for emoji in read_emojis(emoji_test):
        if ord(emoji.character) not in drawable:
            click.echo(f"Skipped: the font lacks U+{ord(emoji.character):04X} {emoji.name}.")
            continue
        path = image_path(emoji)
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        draw(emoji.character, font).save(output / path, optimize=True)
        counts[path.parts[0]] += 1

    facts = {
        "font_version": font_tables["name"].getDebugName(5).split(";")[0].lower(),
        "copyright": font_tables["name"].getDebugName(0),
    }
    readme = README.format(
        training_group=TRAINING_GROUP,
        size=IMAGE_SIZE,
        bitmap_size=BITMAP_SIZE,
        unicode_version=re.search(r"^# Version: (\S+)", emoji_test, re.MULTILINE)[1],
        **counts,
        **facts,
    )
    license_text = read_license(Path(license_path).read_text(encoding="utf-8"))
    license_text = ATTRIBUTION.format(**facts) + license_text
    (output / "README.md").write_text(readme, encoding="utf-8", newline="\n")
    (output / "LICENSE-OFL.txt").write_text(license_text, encoding="utf-8", newline="\n")
    click.echo(f"Drew {counts['emojis']} + {counts['more_emojis']} images into {output}.")


if __name__ == "__main__":
    main()
