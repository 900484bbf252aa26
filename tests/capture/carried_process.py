"""As carried_state.py, for the states of carried_process.c: each is started from its image five times, and twice at once."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/capture/carried_process")
STATES = ("state_cpu_timers", "state_main_ended", "state_removed_directory", "state_session", "state_session_terminal", "state_group", "state_session_of_another", "state_group_of_another",
          "state_group_in_session_of_another")


def carried(mode):
    t.run_directly([PROGRAM, mode])
    t.freeze("image.snap", [PROGRAM, mode], at="path:/snap/here")
    t.verify("image.snap")

    def start():
        again = t.restore("image.snap")
        t.check(again.status == 0 and again.err == b"", "restored:", again)

    t.every_start(start)


def kept_session():
    """Started by a shell with job control, by which it leads a process group, another process becomes the program: it passes
    signals on, ends as the program does, and takes it along when it is killed."""
    t.freeze("image.snap", [PROGRAM, "session_stays"], at="path:/snap/here")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        keeper = subprocess.Popen([t.SNAPRUN, "--ids=new", "image.snap"], env=t.PLAIN_ENV, stdout=subprocess.PIPE,
                                  preexec_fn=lambda: os.setpgid(0, 0))
        program, alone = keeper.stdout.readline().split()
        t.check(int(program) != keeper.pid and alone == b"1", program, alone)
        keeper.send_signal(number)
        t.check(keeper.wait(30) == -number, keeper.returncode)
        t.check(keeper.stdout.read() == b"", "the end of its output, which all have left")
        keeper.stdout.close()


ROWS = {row: (lambda m=row[len("state_"):]: carried(m)) for row in STATES}
ROWS["state_session_kept"] = kept_session

if __name__ == "__main__":
    t.main(ROWS)
