# Part of python.py: a temporary directory that a program makes before its first look at its arguments (tempfile.mkdtemp()), as
# ansible does, is made again by each start. Empty it is all that it was, so it is removed for the point. Where a start finds
# something of its name, another start runs or was killed: then the program is executed as it is.
import os
import sys


class Made:
    def __init__(self, say):
        self.paths, self.say, self.original, self.is_over = [], say, os.mkdir, False

    def watch(self):
        original = self.original

        def mkdir(path, mode=0o777, *, dir_fd=None):
            caller = sys._getframe(1)
            is_temporary = caller.f_code.co_name == 'mkdtemp' and caller.f_globals.get('__name__') == 'tempfile'
            if self.is_over or not is_temporary or dir_fd is not None:
                return original(path, mode, dir_fd=dir_fd)
            self.say('made')
            original(path, mode)
            self.paths.append((path, mode))
            return None

        os.mkdir = self.own = mkdir

    def unwatch(self):
        self.is_over = True
        if os.mkdir is self.own:
            os.mkdir = self.original

    def take_away(self):
        """What the program has taken away itself is not to be made again, nor what it has put something into."""
        for made in list(self.paths):
            try:
                os.rmdir(made[0])
            except OSError:
                self.paths.remove(made)

    def again(self, start_cold):
        done = []
        try:
            for path, mode in self.paths:
                os.mkdir(path, mode)
                done.append(path)
        except OSError:
            for path in done:
                os.rmdir(path)
            self.paths.clear()
            start_cold()
