"""The page of `mtl explain --format=html`, with the 50 steps in which a trained network collapses."""

import os
import tempfile
import time

from tests.browser import driver

LARGEST, SECOND = 3_000_000, 1000.0  # bytes of the page; milliseconds until something is to be seen
STEPS = 50


def check(browser, out):
    """Hold the page against what somebody does with it; screenshots go into the folder `out`."""
    with tempfile.TemporaryDirectory() as folder:
        path, plain = os.path.join(folder, "collapse.html"), os.path.join(folder, "plain.html")
        driver.mtl(
            "explain",
            "--flagfile=flags/collapse.flags",
            "--format=html",
            f"--step={STEPS}",
            f"--out={path}",
        )
        driver.mtl("explain", "--format=html", f"--out={plain}")
        assert os.path.getsize(path) < LARGEST, f"{os.path.getsize(path)} bytes"
        for each in (path, plain):
            driver.check_layout(browser, each)
        with driver.page(browser, path) as page:
            print(
                f"  {os.path.getsize(path) / 1e6:.2f} MB, first paint after {driver.first_paint(page):.0f} ms"
            )
            assert driver.first_paint(page) < SECOND
            _lines(page)
            _operations(page)
            page.screenshot(path=os.path.join(out, "explain-operation.png"))
            _keyboard(page)
        with driver.page(browser, path) as page:
            _steps(page)
            page.locator("#steps").screenshot(path=os.path.join(out, "explain-steps.png"))
        with driver.page(browser, plain) as page:
            assert page.locator("#steps").count() == 0
        driver.screenshots(browser, path, out, "explain")


def _lines(page):
    """Every line of the source lights up as many operations as it says, its gradients among them."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.get_by_role("button", name="loss_digit3 = tf.log").click()
    assert page.locator(".op.lit").count() == 89
    assert page.locator(".op.lit.gradient").count() == 50
    assert "39 forward, 50 gradient" in page.locator("#chosen").inner_text()
    wrong = page.evaluate(
        "[...document.querySelectorAll('button.line')].filter(line => { letGo(); chooseLine(line.id);"
        " return document.querySelectorAll('.op.lit').length !== Number(line.querySelector('.count').textContent); }).map(line => line.id)"
    )
    assert not wrong, f"lines that light up another number of operations than they say: {wrong}"
    page.keyboard.press("Escape")
    assert (
        page.locator(".op.lit").count() == 0
        and "Nothing is chosen" in page.locator("#chosen").inner_text()
    )


def _operations(page):
    """Every operation can be chosen, and shows its line; one is followed along its input."""
    pressed = "document.querySelectorAll('.line[aria-pressed=\"true\"]').length"
    wrong = page.evaluate(
        "ops.map((op, i) => i).filter(i => { letGo(); chooseOp(i);"
        f" return {pressed} !== 1 || document.querySelectorAll('.op.in').length !== ops[i].inputs.length; }})"
    )
    assert not wrong, f"operations without a line or without their inputs: {wrong[:5]}"
    page.get_by_role("button", name="forward Log Log_2", exact=True).click()
    shown = page.locator("#chosen").inner_text()
    for part in (
        "answer.py:32",
        "train.py:",
        "float32 []",
        "Maximum clip_by_value_2",
        "AddV2 Add_1",
        "gradients/Log_2_grad/Reciprocal",
    ):
        assert part in shown, f"{part} is not told of Log_2: {shown}"
    page.locator("#chosen").get_by_role("button", name="Maximum clip_by_value_2").click()
    assert (
        page.evaluate("document.activeElement.getAttribute('aria-label')")
        == "forward Maximum clip_by_value_2"
    )
    assert page.locator(".op[aria-pressed='true']").count() == 1


def _keyboard(page):
    """Both panes are one stop of the tab key each; arrows move within, Enter chooses."""
    page.reload()
    page.locator(".skip").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('line')"):
            break
    first = page.evaluate("document.activeElement.id")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.id")
    assert first != second and second.startswith("line-")
    page.keyboard.press("Enter")
    assert (
        page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        and page.locator(".op.lit").count()
    )
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('op')"):
            break
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert (
        page.evaluate("document.activeElement.classList.contains('op')")
        and page.locator(".op[aria-pressed='true']").count() == 1
    )


def _steps(page):
    """The steps are walked by buttons, keys and clicks; each is shown at once, and at the end all tasks are at the floor."""
    data = page.evaluate(
        "data.steps.map(step => ({read: step.read, true: step.true, values: step.values, tasks: step.tasks}))"
    )
    assert len(data) == STEPS
    page.locator("#at").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#next").click()
    assert page.locator("#where").inner_text() == f"2 of {STEPS - 1}"
    start = time.monotonic()
    dead = []
    for at, step in enumerate(data):
        page.evaluate(f"go({at})")
        rows = page.locator("#losses tbody tr").all_inner_texts()
        assert [row.split("\t")[0] for row in rows] == list(step["tasks"])
        dead.append(all("at the floor" in row for row in rows))
        assert dead[-1] == all(task["weight"] == 0 for task in step["tasks"].values())
        assert page.locator("#reads td.label").count() == 6
    slowest = (time.monotonic() - start) / STEPS
    print(
        f"  {1000 * slowest:.0f} ms a step to show and to read back; all tasks at the floor at {sum(dead)} of {STEPS} steps"
    )
    assert any(dead), "the collapse is not to be seen"
    page.evaluate(f"go({dead.index(True)})")
    assert "nothing learns any more" in page.locator("#told").inner_text()
    page.locator("#logits").click()
    logits = [
        float(text)
        for text in page.locator("#reads tbody tr")
        .first.inner_text()
        .replace("\u25b8", "")
        .split("\t")[1:]
        if text
    ]
    assert logits == [
        round(value, 2) for value in data[dead.index(True)]["tasks"]["length"]["logits"]
    ]
    page.locator("#softmax").click()
    page.evaluate("go(0)")
    page.locator("#play").click()
    driver.until(page, "now >= 2")
    assert page.locator("#play").inner_text() == "Pause"
    page.locator("#play").click()
    box = page.locator("#weights svg").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    assert 15 < page.evaluate("now") < 35
