"""The page of `mtl serve` with the packaged network: sources of images, the answer, and faults."""

import base64
import functools

import numpy as np
from PIL import Image

from tests.browser import driver, serve_steps as use

TABLES = ["length", "digit 1", "digit 2", "digit 3", "digit 4", "digit 5"]


def check(browser, out):
    """Use the page with a mouse, a keyboard and a finger, and cause errors."""
    with driver.served("pretrained") as url:
        settings = {"allowed": (url, *driver.LOCAL)}
        opened = functools.partial(driver.page, browser, url, **settings)
        for viewport in (driver.DESKTOP, driver.PHONE):
            _check_layout(browser, url, {**settings, "viewport": viewport})
        for step in (_check_file, _check_clipboard, _check_drop, _check_drawing, _check_keyboard):
            with opened() as page:
                step(page, url)
        with opened(viewport=driver.PHONE) as page:
            _check_finger(page)
        for step in (_check_faults, _check_busy, _check_newer):
            with opened(expected=use.FAILED) as page:
                step(page, url)
        _take_screenshots(browser, url, out, settings)


def _check_layout(browser, url, settings):
    """Check the page before and after an answer."""
    viewport = settings.pop("viewport")
    if viewport is driver.DESKTOP:  # check_layout has both widths
        driver.check_layout(browser, url, **settings)
        driver.check_layout(browser, url, prepare=use.answered, **settings)
    with driver.page(browser, url, viewport=viewport, prepare=use.answered, **settings) as page:
        overlaps = page.evaluate(use.OVERLAPS)
        assert not overlaps, f"at {viewport['width']} pixels texts overlap: {overlaps[:3]}"
        page.emulate_media(reduced_motion="reduce")
        moves = page.evaluate("getComputedStyle(document.querySelector('.bar span')).transition")
        assert moves.split()[0] == "none", f"a bar moves: {moves}"


def _take_screenshots(browser, url, out, settings):
    driver.screenshots(browser, url, out, "serve-empty", **settings)
    driver.screenshots(browser, url, out, "serve", prepare=use.answered, **settings)

    def drawn(page):
        page.get_by_role("button", name="Draw").click()
        use.draw_seven(page)
        use.wait(page, "7")

    driver.screenshots(browser, url, out, "serve-drawing", prepare=drawn, **settings)


def _check_file(page, url):
    """Check that a small file is sent unchanged, and that the whole answer is shown."""
    content = use.FILE.read_bytes()
    assert use.sent(page, lambda: use.choose(page, use.FILE)) == content
    use.wait(page, "2136")
    answer = use.predict(url, content)
    assert page.locator("#confidence").inner_text() == use.percent(answer["confidence"])
    assert "Number 2 1 3 6" in page.get_by_role("status").text_content()
    rows = [answer["length"], *answer["digits"]]
    for name, probabilities in zip(TABLES, rows, strict=True):
        _check_table(page.get_by_role("table", name=name), probabilities)
    views = page.get_by_role("img", name="view ").all()
    assert len(views) == 4, f"{len(views)} views"
    assert {view.evaluate("each => each.naturalWidth") for view in views} == {54}
    page.get_by_role("heading", name="Read a number", level=1).wait_for()
    page.get_by_role("group", name="Source of the image").wait_for()


def _check_table(table, probabilities):
    """Check the texts, the bars and the mark of a distribution."""
    names = table.get_by_role("rowheader").all_inner_texts()
    last = "more" if len(probabilities) == 7 else "none"
    assert names == [*map(str, range(len(probabilities) - 1)), last]
    shares = table.locator(".share").all_text_contents()
    best = int(np.argmax(probabilities))
    expected = list(map(use.percent, probabilities))
    expected[best] += ", largest"
    assert shares == expected
    assert table.locator(".best").count() == 1
    widths = table.locator(".bar span").evaluate_all("all => all.map(each => each.style.width)")
    for width, share in zip(widths, probabilities, strict=True):
        assert abs(float(width.removesuffix("%")) - 100 * share) < 0.01
    assert table.locator(".bar:not([aria-hidden])").count() == 0


def _check_clipboard(page, url):
    """Copy an image, and paste it with the keyboard; paste text."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url.rstrip("/"))
    copy = """async (text) => {
        const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt());
        const blob = new Blob([bytes], {type: "image/png"});
        await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
    }"""
    page.evaluate(copy, base64.b64encode(use.FILE.read_bytes()).decode())
    page.keyboard.press("Control+V")
    use.wait(page, "2136")
    page.evaluate("navigator.clipboard.writeText('2136')")
    page.keyboard.press("Control+V")
    use.check_fault(page, "There is no image in the clipboard")


def _check_drop(page, url):
    """Drop two files, and a link."""
    transfer = """([text, name]) => {
        const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt());
        const found = new DataTransfer();
        found.items.add(new File([bytes], name, {type: "image/png"}));
        found.items.add(new File([bytes], "second.png", {type: "image/png"}));
        return found;
    }"""
    text = base64.b64encode(use.FILE.read_bytes()).decode()
    data = page.evaluate_handle(transfer, [text, "<b>&.png"])
    page.dispatch_event("footer", "dragenter", {"dataTransfer": data})
    assert page.locator("#drop").is_visible()
    page.dispatch_event("footer", "drop", {"dataTransfer": data})
    assert not page.locator("#drop").is_visible()
    use.wait(page, "2136")
    size = " \u00d7 ".join(map(str, Image.open(use.FILE).size))
    assert page.locator("#note").inner_text() == f"<b>&.png, {size} pixels, the first of 2"
    link = "(() => { const t = new DataTransfer(); t.setData('text/uri-list', 'x:y'); return t; })"
    page.dispatch_event("h1", "drop", {"dataTransfer": page.evaluate_handle(f"{link}()")})
    use.check_fault(page, "This is a link, not an image")


def _check_drawing(page, url):
    """Draw a 7, then a stroke that is undone; clear."""
    page.get_by_role("button", name="Draw").click()
    assert page.get_by_role("img", name="Drawing area").is_visible()
    buttons = [page.get_by_role("button", name=name) for name in ("Undo stroke", "Clear")]
    assert all(button.is_disabled() for button in buttons)
    sheet = use.image_of(use.sent(page, lambda: use.draw_seven(page)))
    use.wait(page, "7")
    grey = np.asarray(sheet.convert("L"))
    assert sheet.format == "PNG" and grey[0].min() == 255 and grey.min() < 90
    seven = page.locator("#paper").evaluate("each => each.toDataURL()")
    use.draw(page, (0.2, 0.2), (0.2, 0.8))
    page.keyboard.press("Control+z")
    assert page.locator("#paper").evaluate("each => each.toDataURL()") == seven
    use.wait(page, "7")
    buttons[1].click()
    assert page.locator("#nothing").is_visible() and buttons[0].is_disabled()
    page.wait_for_timeout(700)  # nothing is sent after the drawing was cleared
    assert page.locator("#nothing").is_visible()


def _check_finger(page):
    """Draw a 7 with a finger: the page does not scroll meanwhile."""
    page.get_by_role("button", name="Draw").tap()
    box = page.locator("#paper").bounding_box()
    places = ((0.42, 0.2), (0.56, 0.2), (0.53, 0.4), (0.5, 0.6), (0.47, 0.8))
    session = page.context.new_cdp_session(page)
    for index, (x, y) in enumerate(places):
        point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        kind = "touchMove" if index else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    use.wait(page, "7")
    assert page.evaluate("strokes.length") == 1 and page.evaluate("scrollY") == 0


def _check_keyboard(page, url):
    """Read an image without a pointer: the focus is visible, and everything is reached."""
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        focused = "document.activeElement"
        reached.append(page.evaluate(f"{focused}.textContent.trim()"))
        outline = page.evaluate(f"getComputedStyle({focused}).outlineStyle")
        assert outline == "solid", f"the focus on {reached[-1]} is not visible"
    assert reached == [
        "Skip to the answer",
        "Choose image",
        "Camera",
        "Draw",
        "Try this example",
        "From a program",
    ]
    page.locator("#example").focus()
    page.keyboard.press("Enter")
    use.wait(page, "482")
    page.on("filechooser", lambda chooser: chooser.set_files(use.OTHER))
    page.wait_for_timeout(300)  # until Playwright has told Chromium to ask it for files
    page.locator("#choose").focus()
    page.keyboard.press("Enter")
    use.wait(page, "39")


def _check_faults(page, url):
    """Choose files that are no images; then the server is gone, and comes back."""
    note = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"not an image"}
    use.choose(page, note)
    use.check_fault(page, "note.txt: ")
    use.choose(page, {**note, "buffer": b""})
    use.check_fault(page, "note.txt: cannot be read")
    page.route("**/predict*", lambda route: route.abort())
    use.choose(page, use.FILE)
    use.check_fault(page, "The server does not answer")
    page.unroute("**/predict*")
    page.get_by_role("button", name="Try again").click()
    use.wait(page, "2136")
    assert not page.get_by_role("alert").is_visible()
    page.route("**/predict*", lambda route: route.fulfill(status=502, body="<html>proxy"))
    use.choose(page, use.FILE)
    use.check_fault(page, "The server answered with the status 502")


def _check_busy(page, url):
    """Check that a busy server is asked once more, after a second."""
    statuses = [503]

    def answer(route):
        if statuses:
            route.fulfill(status=statuses.pop(), json={"error": "too many requests"})
        else:
            route.continue_()

    page.route("**/predict*", answer)
    use.choose(page, use.FILE)
    driver.until(page, "byId('status').textContent.includes('busy')")
    use.wait(page, "2136")
    statuses += [503, 429]
    use.choose(page, use.OTHER)
    use.check_fault(page, "The server is busy: too many requests")
    assert not statuses
    page.get_by_role("button", name="Try again").click()
    use.wait(page, "39")


def _check_newer(page, url):
    """Check that a late answer to an older image is not shown."""
    held = []

    def answer(route):
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/predict*", answer)
    use.choose(page, use.FILE)
    driver.until(page, "!byId('waiting').hidden")
    assert page.locator("#answer").get_attribute("aria-busy") == "true"
    use.choose(page, use.OTHER)
    use.wait(page, "39")
    held[0].fulfill(json=use.predict(url, use.FILE.read_bytes()))
    page.wait_for_timeout(200)
    assert page.locator("#number").inner_text() == "39"
    assert not page.locator("#waiting").is_visible()
