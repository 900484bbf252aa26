"""What confines or places a program is carried or refused by name; what it set is its own, also where its caller had the same."""
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

# Each mode's program; "confined" where none stands here.
PROGRAMS = {mode: "of_threads" for mode in ("of_a_thread", "capabilities", "capability_limits", "users", "one_user", "owner_of_socket",
                                            "of_the_main_thread")}

# The row, which is the program's mode after refused_, and the words of its refusal.
REFUSED = {
    "refused_landlock": ("landlock", "process"),
    "refused_user_dispatch": ("PR_SET_SYSCALL_USER_DISPATCH", "thread"),
    "refused_other_maker": ("another user or group has connected", "descriptor"),
    "refused_process_keyring": ("process keyring",),
    "refused_thread_keyring": ("thread's keyring",),
    "refused_session_keyring": ("session keyring of its own",),
    "refused_semaphore_undo": ("SEM_UNDO", "process"),
    "refused_memory_policy": ("set_mempolicy", "thread"),
    "refused_placed_memory": ("mbind", "mapping"),
    "refused_ports": ("I/O ports", "thread"),
    "refused_ports_by_level": ("I/O ports", "thread"),
    "refused_speculation": ("PR_SET_SPECULATION_CTRL", "thread"),
    "refused_io_flusher": ("PR_SET_IO_FLUSHER", "thread"),
    "refused_partial_write": ("write of 1048576 bytes, 65536 done", "thread"),
    "refused_partial_send": ("sendmsg of 1048576 bytes", "thread"),
    "refused_partial_receive": ("recvfrom of 1048576 bytes, 6 done", "thread"),
}
CARRIED = ("state_membarriers", "state_timer_ids", "state_of_a_thread", "state_capabilities", "state_capability_limits", "state_users", "state_owner_of_socket", "state_of_the_main_thread", "state_name_with_newline", "state_slice", "state_alarm_due", "state_asks",
           "state_landlock_failed", "state_session_nice", "state_pending_from_itself")


def command(mode):
    return [os.path.join(t.BUILD, "tests/capture", PROGRAMS.get(mode, "confined")), mode]


def direct(mode, **options):
    return t.run_directly(command(mode), **options)


def need_others(mode):
    if mode in OF_OTHERS and t.IS_ROOT and not t.can_look_at_others():
        t.skip("root may not look at another user's processes (CAP_SYS_PTRACE)")


def take_set_away():
    if os.path.exists("set"):
        with open("set", encoding="ascii") as file:
            t.run(["ipcrm", "-s", file.read()])
        os.unlink("set")


OF_OTHERS = ("other_maker", "users", "one_user")  # modes that become another user


def refused(mode):
    need_others(mode)
    direct(mode)
    take_set_away()
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", *command(mode)])
    take_set_away()
    t.one_line(result, 125, "can't be carried", *REFUSED["refused_" + mode], tool="snaptrace: ")
    t.check(not os.path.exists("image.snap"), "an image was written")


def carried(mode):
    need_others(mode)
    direct(mode)
    t.freeze("image.snap", command(mode), at="path:/snap/here")

    def start():
        again = t.restore("image.snap")
        t.check(again.status == 0 and again.err == b"", "restored:", again)
    t.every_start(start, together=mode != "owner_of_socket")


def as_caller(soft_core, niceness, ignored):
    def change():
        resource.setrlimit(resource.RLIMIT_CORE, (soft_core, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        os.nice(niceness)
        for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
    return change


def set_to_the_same():
    """Frozen where the caller has what the program sets, started where it has not."""
    os.mkdir("there")
    frozen = as_caller(0, 0, {signal.SIGPIPE})
    direct("set_to_the_same", cwd="there", preexec_fn=frozen)
    made = t.run([t.SNAPTRACE, "-q", "-o", "../image.snap", "--at", "path:/snap/here", "--", *command("set_to_the_same")],
                 cwd="there", preexec_fn=frozen)
    t.check(made.status == 0, made)

    def start():
        os.umask(0o077)
        again = t.restore("image.snap", preexec_fn=as_caller(4096, 0, {signal.SIGHUP}))
        t.check(again.status == 0 and again.err == b"", "restored:", again)
    try:
        start()
    finally:
        os.umask(0o022)


def left_as_it_was():
    """What the program changed and put back, or only looked at, is the new caller's."""
    there = as_caller(0, 0, ())
    t.freeze("image.snap", command("left_as_it_was"), at="path:/snap/here", preexec_fn=there)
    os.mkdir("elsewhere")
    here = as_caller(4096, 0, {signal.SIGPIPE, signal.SIGINT})
    os.umask(0o027)
    try:
        wanted = direct("left_as_it_was", cwd="elsewhere", preexec_fn=here)
        got = t.run([t.SNAPRUN, "../image.snap"], cwd="elsewhere", preexec_fn=here)
    finally:
        os.umask(0o022)
    t.same(got, wanted)
    t.check(b"elsewhere 027 1 1 4096" in got.out, got)


def strict():
    """The kernel has no strict mode beside our filter: one line says so."""
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", *command("strict")])
    t.check(b"strict mode" in result.err, result)


def users_not_to_be_had():
    """A start that may not have the program's users and groups is refused by name, before anything has happened."""
    need_others("one_user")
    direct("one_user")
    t.freeze("image.snap", command("one_user"), at="path:/snap/here")
    for capability, word in (("setuid", "user"), ("setgid", "group")):
        without = ["setpriv", "--bounding-set", f"-{capability}"]
        if t.run([*without, "true"]).status != 0:
            t.skip("setpriv cannot take capabilities away")
        started = t.run([*without, t.SNAPRUN, "image.snap"])
        t.one_line(started, 125, f"{word}", "which can't be had here", "start it as root")


def capabilities_not_to_be_had():
    """A start that may not limit its capabilities as the program had, or lacks those that it had, is refused by name."""
    direct("capability_limits")
    t.freeze("image.snap", command("capability_limits"), at="path:/snap/here")
    for capability, word in (("setpcap", "bounding set"), ("kill", "inheritable and ambient")):
        without = ["setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}"]
        if t.run([*without, "true"]).status != 0:
            t.skip("setpriv cannot take capabilities away")
        started = t.run([*without, t.SNAPRUN, "image.snap"])
        t.one_line(started, 125, f"{word}", "which can't be had here", "start it as root")


def login_told():
    """The audit login that the program sets is not in the image: one line says so."""
    direct("login")
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", *command("login")])
    t.check(result.status == 0 and result.err.count(b"set its audit login") == 1, result)


ROWS = {row: (lambda m=row[len("refused_"):]: refused(m)) for row in REFUSED}
ROWS.update({row: (lambda m=row[len("state_"):]: carried(m)) for row in CARRIED})
ROWS["state_set_to_the_same"] = set_to_the_same
ROWS["state_left_as_it_was"] = left_as_it_was
ROWS["strict_mode_told"] = strict
ROWS["login_told"] = login_told
ROWS["users_not_to_be_had"] = users_not_to_be_had
ROWS["capabilities_not_to_be_had"] = capabilities_not_to_be_had

if __name__ == "__main__":
    t.main(ROWS)
