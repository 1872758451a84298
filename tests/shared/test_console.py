"""What a program prints, whoever reads it and in whatever encoding."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from shared.console import ESCAPED, PIECE_BYTES, TAKEN_WITHIN_S
from tests.processes import ROOT, clean_environment
from tests.timing import eventually, scaled_s

WAIT_S = 60.0
PROGRAM = """
import signal, sys
from functools import partial
from shared.begin import begin
begin()
from shared.console import put_out, stop_waiting, tell
from shared.program import run
signal.signal(signal.SIGTERM, lambda *_: stop_waiting())
def main():
"""


def start(body: str, stdout: int, **environ: str) -> subprocess.Popen[bytes]:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return subprocess.Popen(
        [sys.executable, "-c", f"{PROGRAM}{lines}    return 5\nrun(main, unread=7)\n"],
        cwd=ROOT,
        env=clean_environment(environ),
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    out, said = process.communicate(timeout=scaled_s(WAIT_S))
    return process.returncode, out, said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_json_stays_json_in_every_encoding(encoding: str) -> None:
    value = {"model": "Prüfrad 自転車 🚲", "odd": "\ud800"}
    body = f"import json\nprint(json.dumps({value!a}, ensure_ascii=False))\ntell('ü🚲\\n')"
    code, out, said = end(start(body, subprocess.PIPE, PYTHONIOENCODING=encoding))
    assert code == 5
    assert json.loads(out.decode(encoding)) == value
    assert said == "ü🚲\n".encode(encoding, ESCAPED)


def test_c_locale_prints_all_letters() -> None:
    code, out, _ = end(start("print('ü自')", subprocess.PIPE, LC_ALL="C"))
    assert (code, out.decode()) == (5, "ü自\n")


@pytest.mark.parametrize("call", ["print('x')", "put_out('x')", "print('x', end='', flush=True)"])
def test_reader_that_left_ends_the_program_quietly(call: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code, _, said = end(start(call, writer))
    os.close(writer)
    assert (code, said) == (7, b"")


def test_write_fails_after_reader_left() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    body = """
from shared.errors import ReaderGone
for _ in range(3):
    try:
        put_out('x')
    except ReaderGone:
        tell('gone ')
"""
    code, _, said = end(start(body, writer))
    os.close(writer)
    assert (code, said) == (5, b"gone gone gone ")


@pytest.mark.parametrize("call", ["print('x')", "put_out('x')"])
def test_full_disk_is_said_in_one_sentence(call: str) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123  # a device
        code, _, said = end(start(call, full.fileno()))
    assert (code, said) == (2, b"the output cannot be written: No space left on device\n")


def full_pipe() -> tuple[int, int]:
    """Return the two ends of a pipe that takes nothing more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"." * PIECE_BYTES)
    except BlockingIOError:
        return reader, writer


@pytest.mark.parametrize("blocking", [True, False])
def test_reader_that_takes_its_time_gets_everything(blocking: bool) -> None:
    reader, writer = full_pipe()
    os.set_blocking(writer, blocking)
    process = start("tell('begins')\nfor n in range(9_000): print(f'{n:09}')", writer)
    os.close(writer)
    assert process.stderr is not None
    assert process.stderr.read(6) == b"begins"
    got = bytearray()
    while piece := os.read(reader, 1_000):
        got += piece
    os.close(reader)
    assert got.lstrip(b".").split() == [b"%09d" % n for n in range(9_000)]
    assert end(process)[0] == 5


def test_signal_with_stuck_reader() -> None:
    reader, writer = full_pipe()
    os.set_blocking(writer, True)
    process = start("tell('begins')\nprint('x')", writer)
    assert process.stderr is not None
    assert process.stderr.read(6) == b"begins"
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, _, said = end(process)
    os.close(reader)
    os.close(writer)
    assert (code, said) == (7, b"")
    assert time.monotonic() - began_s < scaled_s(TAKEN_WITHIN_S + 5)


def test_signal_on_stopped_terminal() -> None:
    person, program = os.openpty()
    body = "tell('begins')\nwhile True: print('x' * 999)"
    process = start(body, program)
    try:
        os.set_blocking(program, False)
        eventually(lambda: is_full(program), what="a full terminal")
        os.set_blocking(program, True)
        process.send_signal(signal.SIGTERM)
        assert end(process)[0] == 7
    finally:
        process.kill()
        os.close(program)
        os.close(person)


def is_full(descriptor: int) -> bool:
    try:
        os.write(descriptor, b".")
    except BlockingIOError:
        return True
    return False


SCRIPTS = ("ride_check", "run_tests", "benchmarks", "fault_runs")


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_without_reader_exit_code(script: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.{script}", "--help"],
        cwd=ROOT,
        env=clean_environment({"PYTHONIOENCODING": "ascii"}),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=scaled_s(WAIT_S),
        check=False,
    )
    os.close(writer)
    assert done.returncode in {1, 2}
    assert done.stderr == b""
