"""mtl.serving.formats.saved_model: loads in a v1 session and in TensorFlow 2, also concurrently."""

import concurrent.futures
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl.serving import signatures
from mtl.serving.export import graph, write
from tests import new_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exports(frozen, tmp_path_factory):
    """The folder of an export of each run, dict name -> path as str."""
    found = {}
    for name in new_runs.RUNS:
        out = str(tmp_path_factory.mktemp(name))
        network = frozen(name)
        settings = new_runs.settings(network.run)
        written = write.write(network, out, "saved_model", where=name, **settings)
        found[name] = os.path.dirname(written.path)
    return found


def loaded(path):
    """Return a session and the signatures of a SavedModel."""
    session = tf.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta = tf.saved_model.load(session, ["serve"], path)
    return session, meta


@pytest.mark.parametrize("name", new_runs.RUNS)
def test_has_the_signatures_and_computes_what_the_graph_computes(exports, frozen, name):
    network = frozen(name)
    session, meta = loaded(exports[name])
    wanted = signatures.of(network.run.tasks, network.run.inputs)
    assert set(meta.signature_def) == set(wanted)
    for key, signature in wanted.items():
        defined = meta.signature_def[key]
        assert shapes(defined.inputs) == expected_shapes([signature.input])
        assert shapes(defined.outputs) == expected_shapes(signature.outputs)
        assert defined.method_name == "tensorflow/serving/predict"
    key, signature = list(wanted.items())[-1]
    taken = meta.signature_def[key].inputs[signature.input.name].name
    outputs = {each: info.name for each, info in meta.signature_def[key].outputs.items()}
    values = new_runs.values(network.run.inputs)
    found = session.run(outputs, {taken: values})
    made = graph.build(network, **new_runs.settings(network.run))
    with tf.Graph().as_default() as built, tf.Session(graph=built) as other:
        tf.graph_util.import_graph_def(made.graph_def, name="")
        expected = other.run(outputs, {taken: values})
    for each, array in expected.items():
        np.testing.assert_array_equal(found[each], array, err_msg=each)


def shapes(infos):
    """Return the types and shapes of TensorInfo."""
    found = {}
    for name, info in infos.items():
        shape = [each.size for each in info.tensor_shape.dim]
        found[name] = (tf.as_dtype(info.dtype).name, shape)
    return found


def expected_shapes(tensors):
    return {each.name: (each.dtype, [-1, *each.shape]) for each in tensors}


def test_has_no_variables_no_files_and_no_paths(exports):
    for path in exports.values():
        assert sorted(os.listdir(path)) == ["mtl.json", "saved_model.pb"]
        with open(os.path.join(path, "saved_model.pb"), "rb") as file:
            content = file.read()
        for part in (b".py", b"/tmp", os.getcwd().encode(), b"/home/", b"ReadFile", b"PyFunc"):
            assert part not in content, (path, part)


# A fresh process of TensorFlow 2, which knows nothing of mtl.
PROGRAM = """
import sys
import numpy as np
import tensorflow.compat.v2 as tf

assert "mtl" not in sys.modules
model = tf.saved_model.load(sys.argv[1])
call = model.signatures["pixels"]
values = tf.constant(np.load(sys.argv[2], allow_pickle=False))
found = call(pixels=values)
print(b" ".join(found["number"].numpy().tolist()).decode())
"""


def test_loads_in_a_fresh_process_of_tensorflow_2(exports, tmp_path):
    values = new_runs.values(new_runs.NUMBERS.inputs)
    np.save(tmp_path / "a.npy", values)
    command = [sys.executable, "-c", PROGRAM, exports["NUMBERS"], str(tmp_path / "a.npy")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    session, _ = loaded(exports["NUMBERS"])
    expected = session.run("number:0", {"pixels:0": values})
    assert done.stdout.split() == b" ".join(expected).decode().split(), done.stderr[-2000:]


def test_eight_threads_get_the_outputs_of_one(exports):
    session, _ = loaded(exports["NUMBERS"])
    call = session.make_callable("digits:0", ["pixels:0"])
    values = new_runs.values(new_runs.NUMBERS.inputs, 8)
    expected = call(values)

    def work(thread):
        for number in range(25):
            count = 1 + (thread + number) % len(values)
            np.testing.assert_allclose(call(values[:count]), expected[:count], atol=1e-5)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, thread) for thread in range(8)]:
            done.result()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_the_same_run_gives_the_same_bytes_in_any_process(frozen, tmp_path):
    run = new_runs.write(tmp_path / "run", new_runs.NUMBERS)
    command = [sys.executable, "-m", "mtl", "export", f"--model_dir={run}", f"--out={tmp_path}/a"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    write.write(
        frozen("NUMBERS"),
        str(tmp_path / "b"),
        "saved_model",
        where="run",
        **new_runs.settings(new_runs.NUMBERS),
    )
    for name in ("saved_model.pb", "mtl.json"):
        assert digest(tmp_path / "a" / "1" / name) == digest(tmp_path / "b" / "1" / name), name
