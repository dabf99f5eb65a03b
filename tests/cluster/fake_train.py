"""A program that behaves like `mtl train` in a cluster of launch.py, without TensorFlow.

All processes write NAME.json with their arguments into --model_dir, and end once the chief has
written the file `ended` there. The environment variable TROUBLE asks some of them for trouble, as
"worker 1: fail, ps 0: stay"; see TROUBLES.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

PROGRAM = (sys.executable, "-m", "mtl.runs.child", "tests.cluster.fake_train")
SECONDS = 60.0  # the longest wait


def main(command, *arguments):
    flags = {}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        flags[name] = value
    folder = pathlib.Path(flags["model_dir"])
    job, index = flags["job_name"], flags["task_index"]
    name = "chief" if (job, index) == ("worker", "0") else f"{job} {index}"
    name = job if job == "evaluator" else name
    troubles = dict(each.split(": ") for each in filter(None, os.environ["TROUBLE"].split(", ")))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: stopped(folder, name, number))
    about = {"command": command, "flags": flags, "environment": "TF_CONFIG" in os.environ}
    unfinished = folder / f"{name}.new"
    unfinished.write_text(json.dumps({**about, "pid": os.getpid(), "group": os.getpgrp()}))
    unfinished.rename(folder / f"{name}.json")
    say(f"I am the {job}")
    TROUBLES.get(troubles.get(name), do_nothing)(folder)
    if name != "chief":
        until(folder / "ended")
        return 0
    count = len((flags["worker_hosts"] + "," + flags["ps_hosts"]).split(","))
    while len(list(folder.glob("*.json"))) < count + ("separate_evaluator" in flags):
        time.sleep(0.005)
    if sys.stderr.isatty():
        say("step 1/2  0:01 left  cost 1.000")
        say("step 1: accuracy 50%")
        time.sleep(0.05)  # so that it is shown before the result
    print("result: 93%", flush=True)
    if sys.stderr.isatty():
        say("step 2/2  0:00 left  cost 0.500")
    (folder / "ended").touch()
    return 0


def say(line):
    print(line, file=sys.stderr, flush=True)


def until(path):
    """Wait for a file."""
    end = time.monotonic() + SECONDS
    while not path.exists():
        if time.monotonic() > end:
            sys.exit(9)
        time.sleep(0.005)


def stopped(folder, name, number):
    """Note a signal, and end as a stopped run does."""
    with open(folder / "signals", "a", encoding="utf-8") as file:
        file.write(f"{name}: {number}\n")
    if name == "chief":
        (folder / "ended").touch()
    say("mtl train: stopped and saved at step 1")
    os._exit(128 + number)


# -- troubles: functions of the folder -------------------------------------------------------------


def do_nothing(folder):
    pass


def wait(folder):
    """Wait for a signal."""
    say("HERE")
    time.sleep(SECONDS)


def stay(folder):
    """Do not end with the chief."""
    time.sleep(SECONDS)


def ignore(folder):
    """Do not end at SIGTERM either."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("HERE")
    stay(folder)


def fail(folder):
    until(folder / "chief.json")
    say("a line of TensorFlow")
    say("mtl train: data: no such file; choose another")
    say("another line")
    os._exit(2)


def fail_later(folder):
    """Fail after another process noticed it."""
    until(folder / "lost")
    fail(folder)


def lose(folder):
    """End because of another process."""
    say("mtl train: worker 1 has ended")
    (folder / "lost").touch()
    (folder / "ended").touch()
    os._exit(138)


def follow(folder):
    """End because the chief has ended before the end of the run."""
    until(folder / "ended")
    os._exit(138)


def die(folder):
    until(folder / "chief.json")
    os.kill(os.getpid(), signal.SIGKILL)


def leave(folder):
    """Leave a process behind that holds the output open."""
    process = subprocess.Popen(["sleep", str(SECONDS)])
    (folder / "left").write_text(str(process.pid))


TROUBLES = {
    each.__name__: each for each in (wait, stay, ignore, fail, fail_later, lose, follow, die, leave)
}

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
