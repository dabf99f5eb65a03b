"""The page of `mtl serve`: photographs and what is sent of them, the box, and the camera."""

import functools

import numpy as np
from PIL import Image

from tests.browser import driver, serve_steps as use


def check(browser, out):
    """Drag a box, choose large and rare files, and take a photograph."""
    with driver.served("pretrained") as url:
        opened = functools.partial(driver.page, browser, url, allowed=(url, *driver.LOCAL))
        for step in (_check_box, _check_large, _check_no_preview, _check_camera):
            with opened() as page:
                step(page, url)
        _check_no_camera(opened)


def _check_box(page, url):
    """Drag a box around a number, change it with the keyboard, and return to the whole image."""
    number = (900, 500, 200, 150)
    use.choose(page, use.payload(use.house_with((1600, 1200), number), "house.png"))
    use.wait(page)
    whole = page.locator("#number").inner_text()
    # What the network was trained on is 1.3 times the box of the digits.
    left, top = number[0] + 0.115 * 200, number[1] + 0.115 * 150
    right, bottom = number[0] + 0.885 * 200, number[1] + 0.885 * 150
    frame = page.locator("#image").bounding_box()
    scale = frame["width"] / 1600
    places = [
        (frame["x"] + scale * x, frame["y"] + scale * y) for x, y in ((left, top), (right, bottom))
    ]

    def drag():
        page.mouse.move(*places[0])
        page.mouse.down()
        page.mouse.move(*places[1], steps=5)
        page.mouse.up()

    part = use.image_of(use.sent(page, drag))
    use.wait(page, "2136")
    assert whole != "2136", "the house is too easy: the network reads it without a box"
    expected = [1.3 * (right - left), 1.3 * (bottom - top)]
    assert np.abs(np.subtract(part.size, expected)).max() < 8, (part.size, expected)
    assert "grown to 1.3 times" in page.locator("#advice").inner_text()
    page.get_by_text("Box in pixels").click()
    before = float(page.get_by_label("Left", exact=True).input_value())
    page.get_by_label("Left", exact=True).focus()
    shifted = use.sent(page, lambda: page.keyboard.press("ArrowUp"))
    assert shifted and float(page.get_by_label("Left", exact=True).input_value()) == before + 1
    page.get_by_role("button", name="Whole image").click()
    use.wait(page, whole)
    assert page.get_by_label("Left", exact=True).input_value() == ""


def _check_large(page, url):
    """Check that a large photograph is turned and scaled down, and that AVIF is converted."""
    house = use.house_with((4000, 3000), (1500, 1000, 1000, 700))
    exif = Image.Exif()
    exif[0x0112] = 6  # the upper edge of the photograph is on the left: turn it clockwise
    turned = house.transpose(Image.Transpose.ROTATE_90)
    photograph = use.payload(turned, "photograph.jpg", exif=exif)
    whole = use.image_of(use.sent(page, lambda: use.choose(page, photograph)))
    assert whole.size == (2000, 1500) and whole.format == "JPEG"
    difference = np.subtract(whole.convert("RGB"), house.resize(whole.size), dtype=np.float32)
    assert np.abs(difference).mean() < 3, "the photograph is not upright"
    use.wait(page)
    assert "4000 \u00d7 3000 pixels, sent smaller" in page.locator("#note").inner_text()
    avif = use.payload(Image.open(use.FILE).convert("RGB"), "2136.avif", quality=90)
    assert use.image_of(use.sent(page, lambda: use.choose(page, avif))).format == "PNG"
    use.wait(page, "2136")


def _check_no_preview(page, url):
    """Check that a file which Chromium cannot show is sent as it is."""
    file = use.payload(Image.open(use.FILE).convert("RGB"), "2136.tif")
    assert use.sent(page, lambda: use.choose(page, file)) == file["buffer"]
    use.wait(page, "2136")
    assert page.get_by_text("This browser cannot show the file").is_visible()
    assert not page.locator("#frame").is_visible()


def _check_camera(page, url):
    """Take a photograph with Chromium's camera of moving shapes, and close the camera."""
    page.context.grant_permissions(["camera"], origin=url.rstrip("/"))
    page.get_by_role("button", name="Camera", exact=True).click()
    driver.until(page, "document.activeElement.id === 'shoot' && byId('video').videoWidth")
    assert (
        page.get_by_role("button", name="Camera", exact=True).get_attribute("aria-pressed")
        == "true"
    )
    page.keyboard.press("Escape")
    assert page.evaluate("stream") is None and not page.locator("#live").is_visible()
    assert page.evaluate("document.activeElement.id") == "camera"
    page.keyboard.press("Enter")
    driver.until(page, "document.activeElement.id === 'shoot' && byId('video').videoWidth")
    guide = page.locator("#guide").bounding_box()
    video = page.locator("#video").bounding_box()
    part = use.image_of(use.sent(page, lambda: page.keyboard.press("Enter")))
    use.wait(page)
    assert page.evaluate("stream") is None, "the camera is still on"
    width = page.evaluate("shown.width")
    expected = 1.3 * guide["width"] / video["width"] * width
    assert abs(part.size[0] - expected) < 5, (part.size, expected)


def _check_no_camera(opened):
    """Check a browser that does not allow the camera, and one that has none."""
    with opened() as page:
        page.get_by_role("button", name="Camera", exact=True).click()
        use.check_fault(page, "The browser does not allow the camera")
        # As on a page from another machine without HTTPS.
        page.evaluate("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Camera", exact=True).click()
        assert chooser.value.element.get_attribute("capture") == "environment"
        chooser.value.set_files(use.FILE)
        use.wait(page, "2136")
