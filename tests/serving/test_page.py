"""mtl.serving.page: the page at /, for networks of numbers, of other tasks, and of features."""

import re

import pytest
from html_check import data, tree

from mtl import tasks as tasks_lib
from mtl.data import images
from mtl.inference import decoding
from mtl.inputs import NUMBERS, Inputs
from mtl.serving import page
from mtl.tasks import NUMBER_TASKS, Task

OWN = (Task("digit", 10), Task("tags", 3, "binary"), Task("height", kind="real"))
IMAGES = Inputs((9, 11, 1), 0)
FEATURES = Inputs((2,), 0, "float32", ("a<b", "c"), (1.0, 123456.0), (1.0, 2.0))
MANY = Inputs((page.MOST_FIELDS + 1,), 0, "float32")
CASES = [(NUMBER_TASKS, NUMBERS), (OWN, IMAGES), (OWN, FEATURES), (OWN, MANY)]
IDS = ["numbers", "images", "features", "many features"]


def parsed(tasks, inputs, name="mtl", version=7):
    return tree(page.render(name, version, tasks, inputs))


def script_of(document):
    return "".join(script.text or "".join(script.children) for script in document.all("script")[1:])


@pytest.mark.parametrize("tasks, inputs", CASES, ids=IDS)
def test_a_page_is_valid_and_may_only_send_to_its_own_server(tasks, inputs):
    document = parsed(tasks, inputs)
    policy = document.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.endswith("; connect-src 'self'") and "blob:" not in policy
    assert data(document)["tasks"] == [task.name for task in tasks]
    assert not re.search(r"https?:", script_of(document))


@pytest.mark.parametrize("tasks, inputs", CASES, ids=IDS)
def test_every_element_that_the_script_asks_for_exists(tasks, inputs):
    document = parsed(tasks, inputs)
    ids = {node.attributes["id"] for node in document.all() if "id" in node.attributes}
    optional = {"negative", "guide", "example", "sign", "features"}  # the script asks whether
    if not inputs.is_images:
        optional.add("pad")  # of the advice for uncertain numbers
    asked = set(re.findall(r'byId\("([a-z-]+)"\)', script_of(document)))
    assert asked - optional <= ids
    # In the script, constants and functions of all files share one scope.
    names = re.findall(r"^(?:async )?(?:const|let|function) (\w+)", script_of(document), re.M)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("tasks, inputs", CASES, ids=IDS)
def test_fields_and_buttons_have_names_and_results_are_announced(tasks, inputs):
    document = parsed(tasks, inputs)
    labels = {id(field) for label in document.all("label") for field in label.all()}
    for field in [*document.all("input"), *document.all("textarea")]:
        assert id(field) in labels or field.attributes.get("aria-label")
    for button in document.all("button"):
        assert button.attributes["type"] == "button"
        assert button.text or button.attributes.get("aria-label")
    assert document.one(id="status").attributes["role"] == "status"
    assert document.one(id="error").attributes["role"] == "alert"


def test_a_page_of_numbers_has_the_words_and_the_growth_of_predict():
    document = parsed(NUMBER_TASKS, NUMBERS)
    record = data(document)
    assert (record["noNumber"], record["tooMany"]) == (decoding.NO_NUMBER, decoding.TOO_MANY)
    assert record["growth"] == images.GROWTH
    assert str(tasks_lib.DIGITS) not in document.one("header").text  # it is written in letters
    assert "five digits" in document.one("header").text
    assert document.all("input", id="negative") == []


def test_a_page_of_own_tasks_names_them_and_grows_no_box():
    document = parsed(OWN, IMAGES)
    record = data(document)
    assert record["growth"] == 1.0 and record["shape"] == [9, 11] and not record["numbers"]
    assert "digit, tags and height" in document.one("header").text
    assert document.all(id="example") == []


def test_many_tasks_are_counted_not_listed():
    tasks = tuple(Task(f"t{index}", 2) for index in range(40))
    lead = parsed(tasks, IMAGES).one("header").text
    assert "t6 and 33 other tasks" in lead and "t7" not in lead


def test_each_feature_has_a_field_with_its_name_and_mean():
    document = parsed(OWN, FEATURES)
    fields = document.one(class_="fields").all("label")
    assert [field.text for field in fields] == ["a<b", "c"]
    values = [field.one("input").attributes["value"] for field in fields]
    assert values == ["1", "1.235e+05"]
    assert data(document)["features"] == ["a<b", "c"]


def test_many_features_share_a_field_and_features_without_names_are_counted():
    document = parsed(OWN, MANY)
    assert document.all("input") == [] and document.one("textarea").text == ""
    assert data(document)["features"][-1] == f"feature {page.MOST_FIELDS + 1}"
    unnamed = parsed(OWN, Inputs((2,), 0, "float32"))
    assert [node.text for node in unnamed.all("label")] == ["feature 1", "feature 2"]
    assert all("value" not in node.attributes for node in unnamed.all("input"))


@pytest.mark.parametrize("tasks, inputs", CASES, ids=IDS)
def test_the_command_sends_an_example_and_the_page_names_the_model(tasks, inputs):
    document = parsed(tasks, inputs, name="a&b", version=12)
    footer = document.one("footer").text
    assert "Model a&b, version 12." in footer and "curl" in footer
    sent = "@image.jpg" if inputs.is_images else '{"features": [0.0, 0.0'
    assert sent in document.one("pre").text
    assert document.one("title").text.endswith(": a&b")
