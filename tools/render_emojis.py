"""Draw the emoji images of `input/`, from a color emoji font and from packages of SVG drawings.

    python tools/render_emojis.py font                  input/emojis and input/more_emojis
    python tools/render_emojis.py styles                input/styles: the faces in six other styles
    python tools/render_emojis.py styles --everything   input/all_styles: every emoji in all styles

This script is for maintainers and not part of the package. The same font or packages, list of
emojis, and version of Pillow and resvg give the same bytes. It adds and replaces images, and
deletes none.
"""

import base64
import hashlib
import io
import json
import re
import shutil
import tarfile
import textwrap
import unicodedata
import urllib.request
from collections import Counter
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
| `styles/` | [its README](styles/README.md) counts them | those of `emojis/`, in six other styles |

Every emoji of one code point, without those that only add a skin tone, as a {size}×{size} PNG with
transparency, named `<code point>_<name>.png`.

- **Font:** Noto Color Emoji, {font_version}.
- **Names and groups:** Unicode's `emoji-test.txt`, version {unicode_version}.
- **How they are drawn:** `python tools/render_emojis.py font` draws each glyph at the font's own
  size of {bitmap_size}, centers it in a square, and reduces that with Lanczos on premultiplied
  alpha. Debian's packages `fonts-noto-color-emoji` and `unicode-data` bring the font and the
  list.
- **License:** the pictures in these two folders come from Noto Color Emoji, {copyright},
  under the SIL Open Font License, version 1.1: see [LICENSE.txt](emojis/LICENSE.txt) in each.

To train on your own pictures: see
[Configurations](../docs/configuration.md#your-own-pictures).
"""


ATTRIBUTION = """\
The pictures in this folder are drawn from the font Noto Color Emoji
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


class Style(NamedTuple):
    """A set of SVG drawings: the folder of its images, and its package in the npm registry."""

    folder: str
    package: str
    version: str
    sha512: str  # of the package, as the registry states it: base64


# Packages of Iconify, which keeps SVG drawings of other projects. Each has a free license.
STYLES = (
    Style(
        "noto_blobs",
        "@iconify-json/noto-v1",
        "1.2.5",
        "/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
    ),
    Style(
        "twemoji",
        "@iconify-json/twemoji",
        "1.2.5",
        "uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
    ),
    Style(
        "fluent_flat",
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
    ),
    Style(
        "fluent",
        "@iconify-json/fluent-emoji",
        "1.2.7",
        "D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==",
    ),
    Style(
        "emojione",
        "@iconify-json/emojione",
        "1.2.3",
        "T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
    ),
    Style(
        "openmoji",
        "@iconify-json/openmoji",
        "1.2.29",
        "vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==",
    ),
)
# The texts of the licenses, by their SPDX identifiers.
LICENSES = Style(
    "",
    "spdx-license-list",
    "6.12.0",
    "+nUYqm3aZMSHbjsthK+i/HHI2okTElCvqwUd4k8QcSk+FTGgjq+fsdFj2wZOaX6XmR2JdWhf/NeflNnvKOjcnQ==",
)

STYLES_README = """\
# The same emojis in other styles

| folder | drawings | pictures | by | license |
|---|---|--:|---|---|
{rows}
An emoji has the same file name and label (sub-folder) in every style, and in `../emojis/`; a style
lacks what its authors have not drawn. To train on several styles, list their folders in
`data.input_dir`, as `configs/styles.json` does.

- **License:** each folder has its own: `LICENSE.txt` in it. If you pass on the drawings of
  `openmoji/`, or pictures made from them, do so under the same license (share-alike).
- **How they are drawn:** `python tools/render_emojis.py styles` downloads Iconify's packages of SVG
  drawings from the npm registry, and draws each with resvg on a square of {size}×{size} pixels with
  transparency. Nothing else was changed.
- **All emojis:** `make all-styles` draws the other groups as well, into `input/all_styles/`, which
  is not committed.
"""

STYLE_LICENSE = """\
The pictures in this folder are drawn from {title} by {author} ({author_url}),
license: {license} ({license_url}).
They were converted from SVG (npm package {package} {version}) to PNG, {size}x{size} pixels.

{license_text}
"""


def download(style):
    """Return the files of a package in the npm registry, by their names.

    Raises
    ------
    click.ClickException
        If the package is not the one whose hash is stated here.
    """
    name = style.package.rpartition("/")[2]
    url = f"https://registry.npmjs.org/{style.package}/-/{name}-{style.version}.tgz"
    with urllib.request.urlopen(url) as response:
        packed = response.read()
    if base64.b64encode(hashlib.sha512(packed).digest()).decode() != style.sha512:
        raise click.ClickException(f"{url} is not the package whose hash is in this script.")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {
            member.name.removeprefix("package/"): archive.extractfile(member).read()
            for member in archive
            if member.isfile()
        }


def known_names(emojis, packages):
    """Return the names that the packages may have for each emoji, its own one first.

    Packages follow different versions of Unicode's names, and some drop "-face". A few say which
    code point a name stands for (`chars.json`). A name that could mean two emojis is left out.

    Parameters
    ----------
    emojis : list of Path
        Files named `<code point>_<name>.png`.
    packages : iterable of dict
        Files of packages, see `download`.

    Returns
    -------
    dict
        A list of names for the stem of each file.
    """
    own = {path.stem: path.stem.partition("_")[2].replace("_", "-") for path in emojis}
    by_code_point = [json.loads(files.get("chars.json", "{}")) for files in packages]
    candidates = {}
    for stem, name in own.items():
        code_point = stem.partition("_")[0].lstrip("0")
        others = [names[code_point] for names in by_code_point if code_point in names]
        others += [name.removesuffix("-face"), f"{name}-face"]
        candidates[stem] = dict.fromkeys([name, *others])
    uses = Counter(name for names in candidates.values() for name in names)
    return {
        stem: [name for name in names if name == own[stem] or uses[name] == 1]
        for stem, names in candidates.items()
    }


def find_icon(icons, names, taken):
    """Return the name of the first icon that there is, and whether it is mirrored, or None.

    An alias of another emoji's icon is not this emoji: some packages know only one kind of cricket.
    """
    for name in names:
        alias = {"parent": name}
        is_mirrored = False
        while alias is not None:
            icon = alias["parent"]
            is_mirrored ^= alias.get("hFlip", False)
            alias = icons.get("aliases", {}).get(icon)
        if icon in icons["icons"] and (icon == names[0] or icon not in taken):
            return icon, is_mirrored
    return None


def svg(icons, name, is_mirrored):
    """Return an icon in Iconify's format as an SVG document of one emoji's size."""
    icon = {"left": 0, "top": 0, **icons, **icons["icons"][name]}
    box = f"{icon['left']} {icon['top']} {icon['width']} {icon['height']}"
    body = icon["body"]
    if is_mirrored:
        body = (
            f'<g transform="translate({2 * icon["left"] + icon["width"]}) scale(-1 1)">{body}</g>'
        )
    # An SVG keeps the proportions of its box, and centers it in a square, by itself.
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{IMAGE_SIZE}" height="{IMAGE_SIZE}" viewBox="{box}">{body}</svg>'
    )


def draw_style(files, emojis, names, folder):
    """Draw the emojis of a style, with their labels as sub-folders. Return how many were drawn."""
    import resvg_py  # the command `font` does without it

    icons = json.loads(files["icons.json"])
    taken = {own for own, *_ in names.values()}
    count = 0
    for path in emojis:
        icon = find_icon(icons, names[path.stem], taken)
        if icon is None:
            continue
        png = resvg_py.svg_to_bytes(svg(icons, *icon), skip_system_fonts=True)
        image = Image.open(io.BytesIO(png))
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        image.save(target, optimize=True)
        count += 1
    return count


def style_license(style, info, licenses):
    """Return the attribution of a style and the text of its license."""
    license_text = json.loads(licenses[f"licenses/{info['license']['spdx']}.json"])["licenseText"]
    license_text = license_text.replace("<year> <copyright holders>", info["author"]["name"])
    return STYLE_LICENSE.format(
        title=info["name"],
        author=info["author"]["name"],
        author_url=info["author"]["url"],
        license=info["license"]["title"],
        license_url=info["license"]["url"],
        package=style.package,
        version=style.version,
        size=IMAGE_SIZE,
        license_text=license_text.strip(),
    )


@click.group()
def main():
    """Draw the emoji images, and write a README and the licenses next to them."""


@main.command()
@click.option("--everything", is_flag=True, help="Draw every emoji in all styles, Noto included.")
@click.option("--emojis", "noto", default="input", show_default=True, help="What `font` has drawn.")
@click.option(
    "--output", help="The folder to write to.  [default: styles/ or all_styles/ in input/]"
)
def styles(everything, noto, output):
    """Draw the emojis in other styles, from packages in the npm registry."""
    sources = ["emojis", "more_emojis"] if everything else ["emojis"]
    emojis = [path for name in sources for path in sorted(Path(noto, name).rglob("*.png"))]
    output = Path(output or ("input/all_styles" if everything else "input/styles"))
    licenses = download(LICENSES)
    packages = {style: download(style) for style in STYLES}
    names = known_names(emojis, packages.values())

    rows = ""
    for style, files in packages.items():
        info = json.loads(files["info.json"])
        folder = output / style.folder
        count = draw_style(files, emojis, names, folder)
        text = style_license(style, info, licenses)
        (folder / "LICENSE.txt").write_text(text, encoding="utf-8", newline="\n")
        rows += (
            f"| `{style.folder}/` | {info['name']} | {count} "
            f"| [{info['author']['name']}]({info['author']['url']}) "
            f"| [{info['license']['title']}]({info['license']['url']}) |\n"
        )
        click.echo(f"Drew {count} images of {len(emojis)} into {folder}.")
    if everything:
        for path in emojis:
            target = output / "noto" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        shutil.copyfile(Path(noto, "emojis", "LICENSE.txt"), output / "noto" / "LICENSE.txt")
    else:
        readme = STYLES_README.format(rows=rows, size=IMAGE_SIZE)
        (output / "README.md").write_text(readme, encoding="utf-8", newline="\n")


@main.command()
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
def font(font_path, emoji_test_path, license_path, output):
    """Draw the emoji images from a font: what is trained on by default."""
    output = Path(output)
    emoji_test = Path(emoji_test_path).read_text(encoding="utf-8")
    typeface = ImageFont.truetype(font_path, BITMAP_SIZE)
    font_tables = TTFont(font_path)
    drawable = font_tables.getBestCmap()

    counts = {"emojis": 0, "more_emojis": 0}
    for emoji in read_emojis(emoji_test):
        if ord(emoji.character) not in drawable:
            click.echo(f"Skipped: the font lacks U+{ord(emoji.character):04X} {emoji.name}.")
            continue
        path = image_path(emoji)
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        draw(emoji.character, typeface).save(output / path, optimize=True)
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
    for folder in counts:
        path = output / folder / "LICENSE.txt"
        path.write_text(license_text, encoding="utf-8", newline="\n")
    click.echo(f"Drew {counts['emojis']} + {counts['more_emojis']} images into {output}.")


if __name__ == "__main__":
    main()
