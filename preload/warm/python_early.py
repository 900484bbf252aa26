# Part of python.py: modules that a program loads after its first look at its arguments are loaded before it.
#
# They wait beside sys.modules, and each comes in when the program imports it, with all that it had imported: so a program
# sees a module no sooner than it would. Where the program has changed sys.path or the finders meanwhile, they are
# asked, and a module that would be another one is loaded as ever. One that looks at the arguments, or has set something
# that is not its own, is left out.
import builtins
import importlib
import importlib.machinery
import os
import sys

MARK = '/snap/warm'


class TooEarly(BaseException):
    """The arguments are looked at by a module that is loaded before its time."""


def say(what):
    try:
        os.access(f'{MARK}/{what}', 0)
    except (UnicodeError, ValueError):
        pass


def tell():
    """Of a run that trains: each module that is executed from now on, at once or when it is used first (LazyLoader)."""
    from importlib import _bootstrap_external as external
    for loader in (external._LoaderBasics, external.ExtensionFileLoader):
        def exec_module(self, module, original=loader.exec_module):
            original(self, module)
            say('module/' + object.__getattribute__(module, '__dict__')['__name__'])

        loader.exec_module = exec_module


def is_lazy(module):
    util = sys.modules.get('importlib.util')
    return util is not None and type(module) is util._LazyModule


def names_of(module):
    return object.__getattribute__(module, '__dict__')


def spec_of(module):
    """A lazy module isn't to be loaded by being asked."""
    return names_of(module).get('__spec__') if isinstance(module, type(sys)) else getattr(module, '__spec__', None)


def path_of(package):
    return names_of(package).get('__path__') if isinstance(package, type(sys)) else getattr(package, '__path__', None)


class Waiting:
    """A loader of a module that was loaded already."""

    def __init__(self, early, module):
        self.early, self.module, self.spec = early, module, spec_of(module)
        self.kind = type(module)

    def create_module(self, spec):
        """A lazy one isn't lazy while the importer fills in what it lacks, for that would load it."""
        if is_lazy(self.module):
            self.module.__class__ = type(sys)
        return self.module

    def exec_module(self, module):
        module.__spec__ = self.spec
        if type(module) is not self.kind:
            module.__class__ = self.kind


class Early:
    def __init__(self, path):
        self.loading, self.stash, self.needs, self.finders_of = False, {}, {}, {}
        self.names = []
        if path:
            with open(path, encoding='utf-8', errors='surrogateescape') as file:
                self.names = [line for line in file.read().split('\n') if line and ' ' not in line]

    def refuse(self):
        self.is_refused = True
        raise TooEarly

    def state(self):
        """What a module may have set that is not its own."""
        threading = sys.modules.get('threading')
        return (list(sys.path), list(sys.path_hooks), dict(os.environ._data), os.readlink('/proc/self/cwd'), sys.stdin, sys.stdout, sys.stderr,
                sys.excepthook, sys.displayhook, sys.getrecursionlimit(), threading.active_count() if threading else 1)

    def note_imports(self):
        """Which module imports which, told by whoever is asked to import; returns what takes that away."""
        needs, original, by_name = self.needs, builtins.__import__, importlib.import_module

        def note(user, name, package, level, below):
            if level:
                base = package.rsplit('.', level - 1)[0]
                name = f'{base}.{name}' if name else base
            parts = name.split('.')
            found = needs.setdefault(user, set())
            found.update('.'.join(parts[:i + 1]) for i in range(len(parts)))
            found.update(f'{name}.{part}' for part in below or () if isinstance(part, str))

        def imported(name, globals=None, locals=None, fromlist=(), level=0):
            result = original(name, globals, locals, fromlist, level)
            if globals and isinstance(globals.get('__name__'), str):
                package = globals.get('__package__')
                if package is None:
                    package = globals['__name__'] if '__path__' in globals else globals['__name__'].rpartition('.')[0]
                note(globals['__name__'], name, package, level, fromlist)
            return result

        def import_module(name, package=None):
            result = by_name(name, package)
            user = sys._getframe(1).f_globals.get('__name__')
            if isinstance(user, str):
                note(user, result.__name__, '', 0, ())
            return result

        builtins.__import__, importlib.import_module = imported, import_module

        def leave():
            builtins.__import__, importlib.import_module = original, by_name

        return leave

    def load_one(self, name):
        """False: it is not to be loaded before its time."""
        self.is_refused, before, known, finders = False, self.state(), set(sys.modules), list(sys.meta_path)
        try:
            module = sys.modules.get(name)
            if module is None:
                importlib.import_module(name)
            elif is_lazy(module):
                module.__name__
        except TooEarly:
            pass
        except BaseException:
            self.is_refused = True
        new = [other for other in sys.modules if other not in known]
        for other in new:
            self.needs.setdefault(name, set()).add(other)
            self.finders_of[other] = sys.meta_path[len(finders):]  # as six has one
        return not self.is_refused and self.state() == before and sys.meta_path[:len(finders)] == finders

    def load(self):
        if not self.names:
            return
        known = dict(sys.modules)
        lazy = {name: (module, dict(names_of(module)), type(module)) for name, module in known.items() if is_lazy(module)}
        leave, left_out = self.note_imports(), []
        self.loading = True
        for name in self.names:
            say('load/' + name)
            if not self.load_one(name):
                left_out.append(name)
        say('load/')
        self.loading = False
        leave()
        left_out = self.with_users(left_out)
        for name in left_out:
            say('drop/' + name)
        if left_out:
            say('again')
        self.put_aside(known)
        self.touched = {id(module): (name, names, kind) for name, (module, names, kind) in lazy.items() if not is_lazy(module)}
        for name, (module, _, _) in lazy.items():
            if not is_lazy(module):
                module.__class__ = self.untouched()

    def with_users(self, left_out):
        """And what needs these, for it would load them again."""
        found, more = set(left_out), bool(left_out)
        while more:
            users = {user for user, needed in self.needs.items() if user not in found and needed & found}
            found |= users
            more = bool(users)
        return [name for name in self.names if name in found]

    def put_aside(self, known):
        own = [finder for finders in self.finders_of.values() for finder in finders]
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder not in own]
        for name in [name for name in sys.modules if name not in known]:
            module = self.stash[name] = sys.modules.pop(name)
            package, _, child = name.rpartition('.')
            parent = known.get(package) or self.stash.get(package)
            if parent is not None and not is_lazy(parent) and parent.__dict__.get(child) is module:
                delattr(parent, child)
        self.path, self.finders, self.hooks = list(sys.path), list(sys.meta_path), list(sys.path_hooks)
        if self.stash:
            sys.meta_path.insert(0, self)
            self.finders.insert(0, self)

    def is_same(self, name, module):
        """Whether this is what would be found now."""
        if sys.path == self.path and sys.path_hooks == self.hooks and sys.meta_path[:len(self.finders)] == self.finders:
            return True  # what was added to the end would be asked last
        spec = spec_of(module)
        if spec is None or spec.name != name:
            return True  # put there by one that is itself asked about
        package, _, _ = name.rpartition('.')
        parent = sys.modules.get(package) or self.stash.get(package)
        path = path_of(parent) if package else None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, 'find_spec'):
                found = finder.find_spec(name, path, None)
                if found is not None:
                    return found.origin == spec.origin and found.has_location == spec.has_location
        return False

    def untouched(self):
        """A class of lazy modules that are loaded already: what they imported comes in when one is touched first."""
        early = self

        class Untouched(type(sys)):
            def __getattribute__(self, attribute):
                early.touch(self)
                return getattr(self, attribute)

            def __delattr__(self, attribute):
                early.touch(self)
                delattr(self, attribute)

        return Untouched

    def touch(self, module):
        name, names, kind = self.touched.pop(id(module))
        module.__class__ = type(sys)
        if not self.bring_in(self.all_needed(*self.needs.get(name, ()))):
            now = names_of(module)  # it's to be loaded once more
            now.clear()
            now.update(names)
            module.__class__ = kind
            state = getattr(names.get('__spec__'), 'loader_state', None)
            if isinstance(state, dict) and 'is_loading' in state:  # since Python 3.12
                state['is_loading'] = False

    def all_needed(self, *names):
        found, left = {}, list(names)
        while left:
            one = left.pop()
            if one in found or one not in self.stash:
                continue
            found[one] = self.stash[one]
            left.extend(self.needs.get(one, ()))
            if '.' in one:
                left.append(one.rpartition('.')[0])
        return [(one, module) for one, module in self.stash.items() if one in found]

    def bring_in(self, needed, but=None):
        """False, and nothing was done: others would be found now."""
        if not all(sys.modules.get(one, other) is other and self.is_same(one, other) for one, other in needed):
            return False
        for one, other in needed:
            if one == but:
                continue
            sys.modules[one] = other
            package, _, child = one.rpartition('.')
            parent = sys.modules.get(package)
            if isinstance(parent, type(sys)) and not is_lazy(parent) and child not in names_of(parent):
                setattr(parent, child, other)
        for one, _ in needed:
            del self.stash[one]
            sys.meta_path.extend(finder for finder in self.finders_of.get(one, ()) if finder not in sys.meta_path)
        if not self.stash and self in sys.meta_path:
            sys.meta_path.remove(self)
        return True

    def find_spec(self, name, path=None, target=None):
        module = self.stash.get(name)
        if module is None:
            return None
        if not self.bring_in(self.all_needed(name), but=name):
            del self.stash[name]
            return None
        spec = spec_of(module)
        if spec is None:
            return None
        return importlib.machinery.ModuleSpec(name, Waiting(self, module), origin=spec.origin,
                                              is_package=spec.submodule_search_locations is not None)
