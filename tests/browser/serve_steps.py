"""User actions that the checks of the pages of `mtl serve` share."""

import base64
import io
import json
import pathlib
import urllib.request

from PIL import Image, ImageDraw

from tests.browser import driver

NUMBERS = driver.ROOT / ".readme" / "numbers"
FILE = NUMBERS / "2136.png"
OTHER = NUMBERS / "39.png"
FAILED = ("Failed to load resource",)  # what Chromium logs for a fault that the page explains
_ENDED = "!byId('result').hidden || !byId('error').hidden"
_RECORD = """(() => {
    window.sent = [];
    window.plain ??= window.fetch;
    window.fetch = async (address, options) => {
        const reader = new FileReader();
        reader.onload = () => window.sent.push(reader.result.split(",")[1]);
        reader.readAsDataURL(options.body);
        return window.plain(address, options);
    };
})()"""
# Texts of the page that overlap, by their boxes; texts for screen readers are not visible.
OVERLAPS = """(() => {
    const texts = [...document.querySelectorAll("body *")].filter((each) =>
        !each.closest(".unseen, script, style, [hidden]") && each.checkVisibility() &&
        [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    const boxes = texts.map((each) => each.getBoundingClientRect());
    const wrong = [];
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, k) => {
        const other = texts[i + 1 + k];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 1 && !texts[i].contains(other)) {
            wrong.push(`${texts[i].textContent} / ${other.textContent}`);
        }
    }));
    return wrong;
})()"""


def answered(page):
    """Let the network read FILE."""
    choose(page, FILE)
    wait(page, "2136")


def choose(page, path):
    """Choose a file with the button."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose image").click()
    chooser.value.set_files(path)


def wait(page, number=None):
    """Wait for an answer, a number in words or digits; None is any answer or fault."""
    if number is None:
        driver.until(page, _ENDED)
    else:
        driver.until(page, f"byId('number')?.textContent === {number!r}")


def sent(page, act):
    """Do something that sends an image; return the bytes. Playwright has no bodies of files."""
    page.evaluate(_RECORD)
    act()
    driver.until(page, "window.sent.length")
    return base64.b64decode(page.evaluate("window.sent[0]"))


def predict(url, content):
    """Return the answer of the server to an image."""
    with urllib.request.urlopen(f"{url}predict", content, timeout=30) as response:
        return json.load(response)


def percent(share):
    return ">99.9%" if 0.9995 < share < 1 else f"{100 * share:.1f}%"


def draw(page, *points):
    """Draw a stroke through points, in shares of the drawing area."""
    box = page.locator("#paper").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def draw_seven(page):
    draw(page, (0.42, 0.2), (0.56, 0.2), (0.47, 0.8))


def image_of(content):
    return Image.open(io.BytesIO(content))


def house_with(size, box):
    """Return a wall with the image of FILE in a box (left, top, width, height)."""
    house = Image.new("RGB", size, (150, 120, 100))
    painter = ImageDraw.Draw(house)
    for x in range(0, size[0], 160):  # windows
        painter.rectangle((x + 20, 20, x + 120, 180), fill=(40, 50, 60))
    sign = Image.open(FILE).convert("RGB").resize(box[2:])
    house.paste(sign, box[:2])
    return house


def payload(image, name, **settings):
    """Return an image as a file for an input; its format is that of its name."""
    content = io.BytesIO()
    kind = pathlib.Path(name).suffix[1:].replace("jpg", "jpeg").replace("tif", "tiff")
    image.save(content, format=kind, **settings)
    return {"name": name, "mimeType": f"image/{kind}", "buffer": content.getvalue()}


def check_fault(page, text):
    """Wait for a fault that starts with a text; no answer is shown beside it."""
    driver.until(page, "!byId('error').hidden")
    found = page.get_by_role("alert").inner_text()
    assert found.startswith(text), found
    assert not page.locator("#result").is_visible()
