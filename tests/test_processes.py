"""The tests leave no process behind, whatever starts it."""

import psutil

from tests.conftest import StartProcess
from tests.processes import assert_nothing_left, processes_marked

STARTS_ANOTHER = """
from tests.processes import start
print("started", start(["sleep", "600"]).pid, flush=True)
start(["sleep", "600"]).wait(timeout_s=600)
"""


def test_process_of_a_killed_program(start_process: StartProcess) -> None:
    program = start_process(["python", "-c", STARTS_ANOTHER])
    pid = int(program.wait_for_line(r"started (\d+)")[1])
    assert pid in processes_marked(program.mark)
    program.process.kill()
    program.close()
    assert_nothing_left(program)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
