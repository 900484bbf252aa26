"""Images that are whole, but not for this machine or not possible: each is refused by name before anything runs."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

EDIT = os.path.join(t.BUILD, "tests/restore/edit_image")

# the row, which is the edit after refused_: words of the message
REFUSED = {
    "refused_vdso": ("another vdso", "kernel"),
    "refused_xfeatures": ("register state", "0x4000000000000000"),
    "refused_xstate_size": ("register state", "laid out otherwise"),
    "refused_zone": ("loader", "0x400000000000"),
    "refused_vdso_zone": ("loader", "0x400000000000"),
    "refused_fixup": ("fix-up", "writable"),
    "refused_cwd": ("directory",),
    "refused_architecture": ("another processor architecture",),
    "refused_page_size": ("another page size",),
    "refused_major": ("newer version",),
    "refused_feature": ("feature",),
}


def edited(edit):
    t.freeze("image.snap", [t.program("args-pie"), "x"], at="main")
    result = t.run([EDIT, "image.snap", "edited.snap", edit])
    t.check(result.status == 0, "edit_image", edit, result)
    return result.out.decode().split()


def refused(edit, words):
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        if edit == "xstate_size" and not re.search(r"^flags\s*:.* avx\b", file.read(), re.MULTILINE):
            t.skip("this processor has no AVX: its register state has one layout only")
    edited(edit)
    t.one_line(t.restore("edited.snap"), 125, "edited.snap" if edit != "cwd" else "args", *words, tool="snaprun")


def missing_cpu_feature():
    names = edited("cpu")
    if not names:
        t.skip("this processor has every feature of the table")
    t.one_line(t.restore("edited.snap"), 125, "edited.snap", "lacks", *names, tool="snaprun")


def hints():
    """What only says which copy is fast is never needed, though older images ask for it."""
    edited("hints")
    t.check(t.restore("edited.snap").status == 0, "hints")


def more_state(program="args-pie", env=None, options=(), refused=True):
    """A processor that keeps more registers than the program was prepared for: only where nothing kept their size."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        if not re.search(r"^flags\s*:.* avx\b", file.read(), re.MULTILINE):
            t.skip("this processor has no AVX: there is none with less state")
    t.freeze("image.snap", [t.program(program), "x"], at="main", env=env, options=options)
    t.check(t.run([EDIT, "image.snap", "edited.snap", "less_state"]).status == 0, "edit_image")
    result = t.restore("edited.snap")
    if refused:
        t.one_line(result, 125, "edited.snap", "more register state", "xcr0_avx", "--cpu=", "LD_BIND_NOW", tool="snaprun")
    else:
        t.check(result.status == 0, result)


def falls_back(edit):
    """--fallback starts the program itself, with the same arguments, wherever the restore failed."""
    edited(edit)
    direct = t.run([t.program("args-pie"), "a", "b c"])
    restored = t.restore("edited.snap", ["a", "b c"], options=("--fallback", "-q"))
    t.same(restored, direct)


ROWS = {row: (lambda e=row[len("refused_"):], w=words: refused(e, w)) for row, words in REFUSED.items()}


def same_ids(edit, *words):
    """A recorded ID that no process can have: --same-ids tells so; without it the image is as good as any."""
    edited(edit)
    t.check(t.restore("edited.snap", options=("--ids=new",)).status == 0, "without --same-ids")
    t.need_pid_namespace()
    t.one_line(t.restore("edited.snap", options=("--same-ids",)), 125, *words, tool="snaprun: --ids=same: ")


ROWS["same_ids_init"] = lambda: same_ids("tid", "recorded ID 1", "init")
ROWS["same_ids_huge"] = lambda: same_ids("tid_huge", "4294967295")
ROWS["refused_cpu_feature"] = missing_cpu_feature
ROWS["cpu_hints"] = hints
ROWS["refused_more_state"] = more_state
ROWS["more_state_bound_at_once"] = lambda: more_state(env={**t.PLAIN_ENV, "LD_BIND_NOW": "1"}, refused=False)
ROWS["more_state_static"] = lambda: more_state("args-static", refused=False)
for _level in ("x86-64", "x86-64-v2", "x86-64-v3"):
    ROWS["more_state." + _level] = lambda v=_level: more_state(options=("--cpu=" + v,), refused=False)
for _row in ("fallback_vdso", "fallback_zone", "fallback_fixup"):  # before, while and after the mappings are built
    ROWS[_row] = lambda e=_row[len("fallback_"):]: falls_back(e)

if __name__ == "__main__":
    t.main(ROWS)
