"""A reader of the part of YAML that flags/cluster/ uses, because PyYAML is no dependency.

Mappings, lists, lists in brackets, comments on lines of their own, strings, integers, true, false,
and the anchor of one node. Anything else is an error, or a string.
"""

import re


def load(text):
    """Return the content of a document: dicts, lists, str, int and bool."""
    kept = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in kept]
    value, rest = _node(lines, lines[0][0], {})
    assert not rest, f"not read: {rest[0][1]}"
    return value


def _node(lines, depth, anchors):
    """Return the value that starts with the first line, and the lines after it."""
    read = _list if lines[0][1].startswith("- ") else _mapping
    return read(lines, depth, anchors)


def _list(lines, depth, anchors):
    found = []
    while lines and lines[0][0] == depth and lines[0][1].startswith("- "):
        text = lines[0][1][2:]
        if re.match(r"[\w.-]+:( |$)", text) and not text.startswith("-"):
            value, lines = _mapping([(depth + 2, text), *lines[1:]], depth + 2, anchors)
        else:
            value, lines = _scalar(text), lines[1:]
        found.append(value)
    return found, lines


def _mapping(lines, depth, anchors):
    found = {}
    while lines and lines[0][0] == depth:
        key, value = re.fullmatch(r"([\w.-]+):(?: (.+))?", lines[0][1]).groups()
        assert key not in found, f"{key} appears twice"
        lines = lines[1:]
        if value and value.startswith("*"):
            found[key] = anchors[value[1:]]
        elif value is None or value.startswith("&"):
            found[key], lines = _node(lines, lines[0][0], anchors)
            anchors[(value or "&")[1:]] = found[key]
        else:
            found[key] = _scalar(value)
    return found, lines


def _scalar(text):
    if text.startswith("["):
        return [
            _scalar(part.strip()) for part in text.removeprefix("[").removesuffix("]").split(",")
        ]
    assert text[0] not in "{|>'\"!%@`&*", f"not read: {text}"
    words = {"true": True, "false": False}
    return int(text) if re.fullmatch(r"-?\d+", text) else words.get(text, text)
