"""The page of `mtl explain --format=html`, with 50 steps in which a trained network collapses."""

import itertools
import os
import tempfile
import time

from tests.browser import driver

LARGEST = 3_000_000  # bytes of the page
SLOWEST = 1000.0  # milliseconds to the first paint
STEPS = 50
PAPER = {"width": 760, "height": 1000}  # A4 in CSS pixels, without its margins
_WRONG_LINES = """[...document.querySelectorAll("button.line")].filter((line) => {
    clearSelection();
    selectLine(line.id);
    const count = Number(line.querySelector(".count").textContent);
    return document.querySelectorAll(".op.lit").length !== count;
}).map((line) => line.id)"""
# Identifiers of the visible source that continue on the next line.
_BROKEN = r"""[...document.querySelectorAll(".line code")].flatMap((code) => {
    if (!code.getClientRects().length) return [];
    const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    const broken = [];
    while (walker.nextNode()) {
        for (const match of walker.currentNode.data.matchAll(/[A-Za-z_]\w*/g)) {
            const range = document.createRange();
            range.setStart(walker.currentNode, match.index);
            range.setEnd(walker.currentNode, match.index + match[0].length);
            if (range.getClientRects().length > 1) broken.push(match[0]);
        }
    }
    return broken;
})"""
_WRONG_OPS = """ops.map((op, i) => i).filter((i) => {
    clearSelection();
    selectOp(i);
    const lines = document.querySelectorAll(".line[aria-pressed='true']").length;
    return lines !== 1 || document.querySelectorAll(".op.in").length !== ops[i].inputs.length;
})"""


def check(browser, out):
    """Use the page as a reader does."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "collapse.html")
        collapse = ["--flagfile=flags/collapse.flags", f"--step={STEPS}"]
        driver.mtl("explain", *collapse, "--format=html", f"--out={path}")
        plain = os.path.join(folder, "plain.html")
        driver.mtl("explain", "--format=html", f"--out={plain}")
        for each in (path, plain):
            driver.check_layout(browser, each)
        for viewport in (driver.DESKTOP, driver.PHONE):
            with driver.page(browser, path, viewport=viewport) as page:
                _check_source(page)
                _check_diagram(page)
                _check_charts(page)
        with driver.page(browser, path) as page:
            _check_speed(page, os.path.getsize(path))
            _check_lines(page)
            _check_operations(page)
            page.screenshot(path=os.path.join(out, "explain-operation.png"))
            _check_keyboard(page)
        with driver.page(browser, path) as page:
            _check_steps(page)
            _check_controls(page)
            page.locator("#steps").screenshot(path=os.path.join(out, "explain-steps.png"))
        with driver.page(browser, path, viewport=PAPER) as page:
            page.emulate_media(media="print")
            assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
        with driver.page(browser, plain) as page:
            assert page.locator("#steps").count() == 0
        driver.screenshots(browser, path, out, "explain")


def _check_speed(page, size):
    """Check the size of the page and the time to its first paint."""
    paint = driver.first_paint(page)
    print(f"  {size / 1e6:.2f} MB, first paint after {paint:.0f} ms")
    assert size < LARGEST
    assert paint < SLOWEST


def _check_source(page):
    """Check that no line of the source is broken within an identifier."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    broken = page.evaluate(_BROKEN)
    width = page.viewport_size["width"]
    assert not broken, f"at {width} pixels lines break within {sorted(set(broken))[:5]}"


def _check_diagram(page):
    """Check that the smallest text of the diagram, 12 pixels of its own, is legible."""
    image = page.locator(".diagram")
    own = float(image.evaluate("each => atob(each.src.split(',')[1]).match(/0 0 ([0-9.]+)/)[1]"))
    size = 12 * image.bounding_box()["width"] / own
    assert size >= 9.5, f"the text of the diagram has {size:.1f} pixels"


def _check_charts(page):
    """Check that the axes of charts in one row, and of charts in one column, line up."""
    boxes = [each.bounding_box() for each in page.locator(".charts svg").all()]
    assert len(boxes) == 3
    for side, (first, second) in itertools.product("xy", itertools.combinations(boxes, 2)):
        apart = abs(first[side] - second[side])
        assert apart < 1 or apart > 100, f"charts start at {first} and {second}"
    assert "100%" in page.locator("#unseen text").all_text_contents()
    assert len({(round(box["width"]), round(box["height"])) for box in boxes}) == 1
    assert len({(round(box["x"]), round(box["y"])) for box in boxes}) == 3


def _check_lines(page):
    """Check that each line highlights as many operations as its count says."""
    selection = page.locator("#selection")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.get_by_role("button", name="loss_digit3 = tf.log").click()
    assert page.locator(".op.lit").count() == 89
    assert page.locator(".op.lit.gradient").count() == 50
    assert "39 forward, 50 gradient" in selection.inner_text()
    wrong = page.evaluate(_WRONG_LINES)
    assert not wrong, f"lines that highlight another number of operations: {wrong}"
    page.keyboard.press("Escape")
    assert page.locator(".op.lit").count() == 0
    assert "Nothing is selected" in selection.inner_text()


def _check_operations(page):
    """Check that each operation shows one line and all inputs, and follow one to its input."""
    selection = page.locator("#selection")
    wrong = page.evaluate(_WRONG_OPS)
    assert not wrong, f"operations without their line or inputs: {wrong[:5]}"
    page.get_by_role("button", name="forward Log Log_2", exact=True).click()
    shown = selection.inner_text()
    for part in (
        "answer.py:",
        "graph.py:",
        "float32 []",
        "Maximum clip_by_value_2",
        "AddV2 Add_1",
        "gradients/Log_2_grad/Reciprocal",
    ):
        assert part in shown, f"{part} is missing from the description of Log_2: {shown}"
    selection.get_by_role("button", name="Maximum clip_by_value_2").click()
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "forward Maximum clip_by_value_2"
    assert page.locator(".op[aria-pressed='true']").count() == 1


def _check_keyboard(page):
    """Check that each pane is one stop of Tab, arrow keys move in it, and Enter selects."""
    page.reload()
    page.locator(".skip").focus()
    _tab_to(page, "line")
    first = page.evaluate("document.activeElement.id")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.id")
    assert first != second
    assert second.startswith("line-")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert page.locator(".op.lit").count()
    _tab_to(page, "op")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.classList.contains('op')")
    assert page.locator(".op[aria-pressed='true']").count() == 1
    # The focus is visible on an input of the selected operation, which has a dashed outline.
    page.locator(".op.in").first.focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outline").endswith("solid 3px")


def _tab_to(page, name):
    """Press Tab until an element of a class has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.classList.contains('{name}')"):
            return
    raise AssertionError(f"Tab does not reach an element of class {name}")


def _check_steps(page):
    """Show each step: tasks reach the floor, and fewer unseen images are correct."""
    steps = page.evaluate("data.steps.map(({tasks, unseen}) => ({tasks, unseen}))")
    assert len(steps) == STEPS
    at_floor = []
    start = time.monotonic()
    for index, step in enumerate(steps):
        page.evaluate(f"go({index})")
        rows = page.locator("#losses tbody tr").all_inner_texts()
        assert [row.split("\t")[0] for row in rows] == list(step["tasks"])
        floor = [row.split("\t")[0] for row in rows if "at the floor" in row]
        weights = {name: task["weight"] for name, task in step["tasks"].items()}
        assert floor == [name for name, weight in weights.items() if not weight]
        at_floor.append(len(floor))
        assert page.locator("#predictions td.label").count() == 6
        words = page.locator("#summary").inner_text()
        assert words.startswith(f"Step {index + 1}: ")
        assert "Unseen images correct: {correct} of {of}.".format(**step["unseen"]) in words
        assert ("with gradient 0: " + ", ".join(floor) in words) == (0 < len(floor) < 6)
    milliseconds = 1000 * (time.monotonic() - start) / STEPS
    print(f"  {milliseconds:.0f} ms a step; tasks at the floor in {sum(map(bool, at_floor))} steps")
    assert page.locator("#position").inner_text() == f"{STEPS} of {STEPS}"
    correct = [step["unseen"]["correct"] for step in steps]
    print(f"  unseen images correct: {correct[0]} at first, {correct[-1]} at last")
    assert any(at_floor) and correct[-1] < correct[0] - 10, "no step shows the collapse"
    end = at_floor.index(max(at_floor))
    page.evaluate(f"go({end})")
    _check_logits(page, steps[end]["tasks"]["length"]["logits"])


def _check_logits(page, expected):
    """Check the logits of the first task at the step that is shown."""
    page.locator("#logits").click()
    row = page.locator("#predictions tbody tr").first.inner_text()
    cells = row.replace("\u25b8", "").split("\t")[1:]
    assert [float(text) for text in cells if text] == [round(value, 2) for value in expected]
    page.locator("#softmax").click()


def _check_controls(page):
    """Move through the steps with keys, buttons and a click on a chart."""
    page.evaluate("go(0)")
    page.locator("#at").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#next").click()
    assert page.locator("#position").inner_text() == f"3 of {STEPS}"
    page.evaluate("go(0)")
    play = page.locator("#play")
    play.click()
    driver.until(page, "now >= 2")
    assert play.inner_text() == "Pause"
    play.click()
    box = page.locator("#weights svg").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    assert 15 < page.evaluate("now") < 35
