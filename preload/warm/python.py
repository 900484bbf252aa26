# Runs a Python program as the interpreter itself would, up to its first look at its arguments: the point `warm`.
#
#     python3 [OPTION...] python.py SCRIPT [ARGUMENT...]
#
# What the program read of its environment by then is told to snaptrace. After a start it has the new arguments,
# environment and standard streams. At the end its exit handlers run and its streams are flushed, but the interpreter is
# not taken apart, unless something is open for writing. Without snaptrace it is a run like any other.
import os
import sys

MARK = '/snap/warm'
INTERRUPTED = 128 + 2


class Names:
    """Which variables were read; the whole environment where somebody goes through it."""

    def __init__(self):
        self.names, self.all = set(), False

    def list(self):
        """Only which there are."""
        self.names.add(b'=')


def watched_environment(noted, encode):
    """A class that os.environ can be made of, and os._Environ again: it notes what is asked for."""

    class Watched(os._Environ):
        def __getitem__(self, key):
            try:
                noted.names.add(encode(key))
            except TypeError:
                pass
            return super().__getitem__(key)

        def __contains__(self, key):
            try:
                noted.names.add(encode(key))
            except TypeError:
                pass
            return super().__contains__(key)

        def __iter__(self):
            noted.list()
            return super().__iter__()

        def __len__(self):
            noted.list()
            return super().__len__()

        def copy(self):
            noted.all = True
            return super().copy()

        def __repr__(self):
            noted.all = True
            return super().__repr__()

        def __or__(self, other):
            noted.all = True
            return super().__or__(other)

        def __ror__(self, other):
            noted.all = True
            return super().__ror__(other)

    return Watched


class Seeds:
    """Which generators of random numbers seeded themselves: these are seeded again."""

    def __init__(self):
        self.own, self.module = [], None

    def watch(self):
        """Loads the standard library's `random` before the program does, unless it would find another one."""
        from importlib.util import find_spec
        spec = find_spec('random')
        if spec is None or os.path.dirname(spec.origin or '') != os.path.dirname(os.__file__):
            return
        import random
        self.module, self.original, own = random, random.Random.seed, self.own
        original = self.original

        def seed(self, a=None, version=2):
            own[:] = [other for other in own if other is not self]
            if a is None:
                own.append(self)
            return original(self, a, version)

        random.Random.seed = seed
        random.seed = random._inst.seed
        own.append(random._inst)

    def unwatch(self):
        if self.module is not None:
            self.module.Random.seed = self.original
            if getattr(self.module.seed, '__self__', None) is self.module._inst:
                self.module.seed = self.module._inst.seed

    def again(self):
        for generator in self.own:
            if not isinstance(generator, self.module.SystemRandom):
                generator.seed()


class Lookups:
    """A finder of modules lists whole directories, though it looks for a few names only: these are told instead."""

    def __init__(self, is_wanted):
        self.names, self.is_wanted, self.programs = set(), is_wanted, None

    def watch(self):
        from importlib import machinery, util  # and what they need, before the program's directory is looked at
        self.finder, names = machinery.FileFinder, self.names
        self.fill, self.find = find_in(self.finder, '_fill_cache'), find_in(self.finder, 'find_spec')
        fill, find = self.fill, self.find
        if not self.is_wanted or fill is None or find is None or util is None:
            return
        self.programs = programs = part('python_programs.py')['Programs']()

        def _fill_cache(self):
            os.access(MARK + '/pause', 0)
            try:
                return fill(self)
            finally:
                os.access(MARK + '/resume', 0)

        def find_spec(self, fullname, target=None):
            names.add((self.path, fullname.rpartition('.')[2]))
            spec = find(self, fullname, target)
            programs.watch(fullname, spec)
            return spec

        self.finder._fill_cache, self.finder.find_spec = _fill_cache, find_spec

    def unwatch(self, is_training):
        """A run that trains goes on to find libraries so."""
        if is_training:
            return
        if self.programs is not None:
            self.programs.unwatch()
        if self.fill is not None and self.find is not None:
            self.finder._fill_cache, self.finder.find_spec = self.fill, self.find

    def tell(self):
        from importlib.machinery import all_suffixes
        suffixes = ['', *all_suffixes()]
        for directory, name in sorted(self.names):
            for suffix in suffixes:
                os.access((directory or '.') + '/' + name + suffix, 0)


def find_in(holder, name):
    return vars(holder).get(name)


class Arguments(list):
    """sys.argv until somebody looks at more than argv[0], which is the same in every run."""
    __slots__ = ()
    look = None

    def __reduce_ex__(self, protocol):
        return list, (list(iter(self)),)


def only_first(index):
    if isinstance(index, slice):
        return index.start in (None, 0) and index.step in (None, 1) and index.stop in (0, 1)
    return index == 0


def watch_arguments(look):
    """Makes each way to an item of Arguments call look() first. Returns what takes that away."""

    def watched(name):
        original = getattr(list, name)

        def method(self, *words, **named):
            if not (name in ('__getitem__', '__setitem__') and words and only_first(words[0])):
                look()
            return getattr(list, name)(self, *words, **named)

        method.__name__ = original.__name__
        return method

    names = ['__getitem__', '__setitem__', '__delitem__', '__iter__', '__len__', '__contains__', '__eq__', '__ne__',
             '__lt__', '__le__', '__gt__', '__ge__', '__add__', '__iadd__', '__mul__', '__rmul__', '__imul__',
             '__repr__', '__reversed__', 'append', 'clear', 'copy', 'count', 'extend', 'index', 'insert', 'pop',
             'remove', 'reverse', 'sort']
    for name in names:
        setattr(Arguments, name, watched(name))
    setattr(Arguments, '__bool__', lambda self: True)

    def radd(self, other):
        look()
        return other + list(iter(self))

    setattr(Arguments, '__radd__', radd)

    def leave():
        for name in names + ['__bool__', '__radd__']:
            delattr(Arguments, name)
        Arguments.__name__ = Arguments.__qualname__ = 'list'
        Arguments.__module__ = 'builtins'

    return leave


def words_of(path):
    with open(path, 'rb') as file:
        return file.read().split(b'\0')[:-1]


def new_environment(before):
    """os.environ and C's environment become the caller's, but for what the program has set or taken away itself."""
    given, own = {}, {name: value for name, value in os.environ._data.items() if before.get(name) != value}
    taken = [name for name in before if name not in os.environ._data]
    for word in words_of('/proc/self/environ'):
        name, equals, value = word.partition(b'=')
        if equals and name not in given:
            given[name] = value
    given.update(own)
    for name in taken:
        given.pop(name, None)
    table = os.environ
    for name in [name for name in table._data if name not in given]:
        del os.environb[name]
    for name, value in given.items():
        if table._data.get(name) != value:
            os.environb[name] = value
    ordered = {name: table._data[name] for name in given}
    table._data.clear()
    table._data.update(ordered)


class Run:
    def __init__(self, helper, script, words):
        self.helper, self.script, self.words = helper, script, words
        self.is_watched = os.environ.pop('SNAP_WARM', None)
        self.list = os.environ.pop('SNAP_WARM_LOAD', None)
        os.environ.pop('SNAP_WARM_TRIES', None)
        self.is_started, self.original = False, None
        self.lookups = Lookups(self.is_watched)

    def look(self):
        """Once: the point. What was watched is as it would be without us before anything else happens."""
        if self.is_looked_at:
            return
        if self.early.loading:
            self.early.refuse()
        self.early.load()
        self.is_looked_at = True
        self.unwatch()
        self.made.take_away()
        self.lookups.tell()
        for name in self.variables():
            os.access(os.fsencode(MARK) + b'/variable/' + name, 0)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # what was written before the point is not part of every run: snaptrace refuses it
        import gc
        gc.collect()
        if self.is_watched == 'quick':
            gc.freeze()  # else each collection writes to all that is in the image
        self.is_started = os.access(MARK, 0)
        self.made.again(self.start_cold)
        if self.is_started:
            self.start()
        elif self.is_watched == 'train':
            self.tell()
        arguments = self.arguments
        list.extend(arguments, self.words)
        if self.original is not None:
            list.extend(self.original, self.words)
        self.later.execute(self.words)

    def variables(self):
        if self.noted.all:
            return [b'*']  # and so each
        return sorted(name for name in self.noted.names if name and b'/' not in name)

    def start_cold(self):
        words, environment = words_of('/proc/self/cmdline'), {}
        self.made.take_away()
        words.remove(os.fsencode(self.helper))
        for word in words_of('/proc/self/environ'):
            name, equals, value = word.partition(b'=')
            if equals:
                environment.setdefault(name, value)
        os.execve(sys.executable, words, environment)

    def start(self):
        words = [os.fsdecode(word) for word in words_of('/proc/self/cmdline')]
        self.words = words[self.fixed:]
        if os.path.isdir('/proc/self/fd/0'):
            self.start_cold()  # of which the interpreter has its own words
        new_environment(self.environment)
        self.new_streams(self.were_terminals)
        self.seeds.again()
        logging = sys.modules.get('logging')
        if logging is not None and hasattr(logging, '_startTime'):
            import time
            logging._startTime = time.time() if isinstance(logging._startTime, float) else time.time_ns()

    def watch(self):
        self.is_looked_at = False
        names = part('python_early.py')
        self.early, self.tell = names['Early'](self.list), names['tell']
        self.later = part('python_later.py')['Later'](self.look, self.early, Arguments)
        self.new_streams = part('python_streams.py')['new_streams']
        self.made = part('python_made.py')['Made'](names['say'])
        self.made.watch()
        self.fixed = len(words_of('/proc/self/cmdline')) - len(self.words)
        self.were_terminals = [os.isatty(descriptor) for descriptor in range(3)]
        self.environment = dict(os.environ._data)
        self.noted = Names()
        self.seeds = Seeds()
        self.seeds.watch()
        self.dont_write = sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        self.leave_arguments = watch_arguments(self.look)
        os.environ.__class__ = watched_environment(self.noted, os.environ.encodekey)
        os.environb.__class__ = watched_environment(self.noted, os.environb.encodekey)
        self.later.watch()
        os.access(MARK + '/begin', 0)

    def unwatch(self):
        self.later.unwatch()
        os.environ.__class__ = os.environb.__class__ = os._Environ
        sys.dont_write_bytecode = self.dont_write
        self.leave_arguments()
        self.made.unwatch()
        self.seeds.unwatch()
        self.lookups.unwatch(self.is_watched == 'train')

    def prepare(self):
        """All that the interpreter does before it runs a script (pymain_run_python() of main.c)."""
        here = os.path.dirname(os.path.realpath(self.helper))
        if sys.path and sys.path[0] == here:
            del sys.path[0]
            self.lookups.watch()
            sys.path.insert(0, os.path.dirname(os.path.realpath(self.script)))
        else:
            self.lookups.watch()
        if hasattr(sys, 'orig_argv') and self.helper in sys.orig_argv:
            sys.orig_argv.remove(self.helper)
        sys.argv = [self.script, *self.words]
        if self.is_watched:
            sys.argv = self.arguments = Arguments([self.script])
            if hasattr(sys, 'orig_argv'):
                sys.orig_argv = self.original = Arguments(sys.orig_argv[:len(sys.orig_argv) - len(self.words)])
            self.watch()

    def code(self):
        path = self.script
        if sys.version_info >= (3, 9) and not os.path.isabs(path):
            path = os.path.join(os.getcwd(), path)
        import importlib.machinery
        with open(path, 'rb') as file:
            source = file.read()
        module = sys.modules['__main__']
        module.__dict__.clear()
        module.__dict__.update({
            '__name__': '__main__', '__doc__': None, '__package__': None, '__spec__': None,
            '__loader__': importlib.machinery.SourceFileLoader('__main__', path),
            '__builtins__': sys.modules['builtins'], '__file__': path, '__cached__': None,
        })
        if sys.version_info < (3, 14):  # from there on made when somebody looks at it
            module.__dict__['__annotations__'] = {}
        return compile(source, path, 'exec', dont_inherit=True), module.__dict__

    def run(self):
        """Runs it, and returns its exit status. An exception that nobody caught is told without our own frames."""
        self.prepare()
        try:
            exec(*self.code())
        except SystemExit as end:
            return self.status_of(end)
        except BaseException:
            kind, value, trace = sys.exc_info()
            while trace is not None and trace.tb_frame.f_code.co_filename == self.helper:
                trace = trace.tb_next
            value.__traceback__ = trace
            sys.last_type, sys.last_value, sys.last_traceback = kind, value, trace
            sys.excepthook(kind, value, trace)
            return INTERRUPTED if issubclass(kind, KeyboardInterrupt) else 1
        return 0

    @staticmethod
    def status_of(end):
        if end.code is None:
            return 0
        if isinstance(end.code, int):
            return end.code & 0xff
        try:
            sys.stderr.write(str(end.code) + '\n')
        except Exception:
            pass
        return 1

    def has_open_output(self):
        """A file, pipe or socket that something may still be written to when its object goes."""
        for name in os.listdir('/proc/self/fd'):
            if int(name) <= 2:
                continue
            try:
                with open('/proc/self/fdinfo/' + name) as file:
                    flags = [line for line in file if line.startswith('flags:')]
            except OSError:
                continue
            if flags and int(flags[0].split()[1], 8) & 3:
                return True
        return False

    def end(self, status):
        """What the interpreter does at its end (Py_FinalizeEx() of pylifecycle.c), up to where it takes itself apart."""
        if status != INTERRUPTED and (not self.is_started or self.is_watched == 'full'):
            sys.exit(status)
        import atexit
        import gc
        threading = sys.modules.get('threading')
        if threading is not None:
            threading._shutdown()
        atexit._run_exitfuncs()
        if status != INTERRUPTED and self.has_open_output():
            gc.unfreeze()
            sys.exit(status)
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None and not stream.closed:
                    stream.flush()
            except Exception:
                sys.exit(status)  # and the interpreter tells of it
        if status == INTERRUPTED:  # as a shell expects it (exit_sigint() of main.c)
            import signal
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(status)


def part(name):
    """What another file of ours defines."""
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), name)
    with open(path, 'rb') as file:
        code = compile(file.read(), path, 'exec', dont_inherit=True)
    names = {'__name__': '_snap_warm_early', '__file__': path}
    exec(code, names)
    return names


def main():
    run = Run(sys.argv[0], sys.argv[1], sys.argv[2:])
    run.end(run.run())


if __name__ == '__main__':
    # In a namespace of its own, since __main__ will be the program's.
    with open(__file__, 'rb') as own:
        own = compile(own.read(), __file__, 'exec', dont_inherit=True)
    own_names = {'__name__': '_snap_warm', '__file__': __file__, '__builtins__': __builtins__}
    exec(own, own_names)
    own_names['main']()
