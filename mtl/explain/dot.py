"""`mtl explain --format=dot`: the diagram in the language of Graphviz."""

from mtl.explain import captions
from mtl.explain.diagram import Diagram

_HEAD = (
    'rankdir=BT; node [shape=box, style="rounded,filled", fontname="sans-serif", '
    'fillcolor="#dbe9f6"];'
)
_SHARED = 'label="shared by all tasks"; labeljust=l; fontname="sans-serif"; style=rounded;'
_LOSS, _COST = "#fbe3c8", "#eadcf3"


def render(diagram: Diagram) -> str:
    """Return a diagram in the language of Graphviz."""
    lines = ["digraph mtl {", f"  {_HEAD}"]
    words = [captions.example(diagram), captions.sizes(diagram.inputs), ", ".join(diagram.before)]
    lines += [f'  image [label="{_joined(filter(None, words))}"];', *_shared(diagram)]
    for task in diagram.tasks:
        lines += _task(task, diagram.shared[-1].scope)
    return "\n".join([*lines, *_sum(diagram), "}"])


def _shared(diagram):
    """Return the lines of the shared layers and of the edges between them."""
    lines = [f"  subgraph cluster_shared {{ {_SHARED}", '    node [fillcolor="#cfe8d5"];']
    for layer in diagram.shared:
        words = [
            captions.short_name(layer),
            captions.layer_steps(layer),
            captions.sizes(layer.shape),
            captions.parameters(layer),
        ]
        lines.append(f'    "{layer.scope}" [label="{_joined(words)}"];')
    lines.append("  }")
    chain = ["image", *(layer.scope for layer in diagram.shared)]
    return lines + [_edge(before, after) for before, after in zip(chain, chain[1:])]


def _task(task, features):
    """Return the lines of a top and its loss."""
    output, total, *_ = captions.top(task)
    top = _joined([task.name, output, total])
    loss = _joined(filter(None, [captions.formula(task), captions.note(task)]))
    hidden = [
        f'  "{layer.scope}" [label="{captions.hidden_layer(layer)}"];' for layer in task.hidden
    ]
    chain = [features, *(layer.scope for layer in task.hidden), task.name]
    return [
        *hidden,
        f'  "{task.name}" [label="{top}"];',
        f'  "loss {task.name}" [label="{loss}", fillcolor="{_LOSS}"];',
        *(_edge(before, after) for before, after in zip(chain, chain[1:])),
        _edge(task.name, f"loss {task.name}"),
    ]


def _sum(diagram):
    """Return the lines of the chain of adds and of the cost."""
    lines = []
    total = f"loss {diagram.tasks[0].name}"
    for name, task in zip(diagram.adds, diagram.tasks[1:]):
        lines.append(f'  "{name}" [label="+", shape=circle, fillcolor="{_COST}"];')
        lines += [_edge(total, name), _edge(f"loss {task.name}", name)]
        total = name
    lines.append(f'  cost [label="{captions.cost(diagram)}", fillcolor="{_COST}"];')
    ends = [total] if diagram.adds else [f"loss {task.name}" for task in diagram.tasks]
    return lines + [f'  "{end}" -> cost;' for end in ends]


def _joined(lines):
    """Return lines as one label."""
    return "\\n".join(lines)


def _edge(before, after):
    return f'  "{before}" -> "{after}";'
