"""mtl.serving.openapi: the description names paths that exist, and bodies that are taken."""

import re

from mtl import tasks
from mtl.inputs import NUMBERS
from mtl.serving import openapi
from tests.serving import fake

VARIABLE = re.compile(r"\{(\w+)[^}]*\}")


def test_described_paths_are_those_that_the_server_answers():
    with fake.serve(name="house") as server:
        described = server.json("GET", "/openapi.json")[1]
        assert described["openapi"] == "3.1.0"
        for path, methods in described["paths"].items():
            for method in methods:
                status, _, _ = server.ask(method.upper(), path, b"" if method == "post" else None)
                assert status == (400 if method == "post" else 200), path


def test_example_of_the_described_body_is_taken():
    own = (fake.OWN, fake.FEATURES)
    with fake.serve(fake.Model(of=own[0], inputs=own[1])) as server:
        paths = server.json("GET", "/openapi.json")[1]["paths"]
        schema = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert server.json("POST", "/predict", example(schema))[0] == 200
        content = paths["/v1/models/mtl:predict"]["post"]["requestBody"]["content"]
        choices = content["application/json"]["schema"]["oneOf"]
        assert len(choices) == 2
        for choice in choices:
            assert server.json("POST", "/v1/models/mtl:predict", example(choice))[0] == 200


def test_pixels_are_described_with_their_shape():
    paths = openapi.describe("mtl", tasks.NUMBER_TASKS, NUMBERS)["paths"]
    content = paths["/v1/models/mtl:predict"]["post"]["requestBody"]["content"]
    choices = content["application/json"]["schema"]["oneOf"]
    pixels = [each for each in choices if each["properties"]["signature_name"]["const"] == "pixels"]
    assert len(choices) == 4 and len(pixels) == 2
    one = pixels[0]["properties"]["instances"]["items"]
    sizes = []
    while one["type"] == "array":
        assert one["minItems"] == one["maxItems"]
        sizes.append(one["minItems"])
        one = one["items"]
    assert sizes == [64, 64, 3] and one == {"type": "integer", "minimum": 0, "maximum": 255}


def example(schema):
    """Return the smallest value of a schema."""
    if "const" in schema:
        return schema["const"]
    if schema["type"] == "object":
        return {name: example(schema["properties"][name]) for name in schema["required"]}
    if schema["type"] == "array":
        return [example(schema["items"])] * schema.get("minItems", 0)
    return schema.get("minimum", 0.5)
