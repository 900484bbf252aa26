# Part of python.py: a module that keeps the arguments under a name, before anybody needs them, as mercurial's
#
#     sysargv = [fsencode(a) for a in sys.argv]
#
# is executed without that statement, which then is executed at the first look at the name: that is the point, if no other came
# before. So what loads the module isn't left without its start.
#
# The statement must be one that has no effect, can't fail, and whose value is the same whenever it's computed; and nothing in the
# module may see that the name isn't there.
import os
import sys
from importlib.machinery import SourceFileLoader

NAME = '__snap_warm_later__'
ONLY_AST = 0x400  # PyCF_ONLY_AST of ast.py, which the program would see in sys.modules
HARMLESS = (os.fsencode, os.fsdecode, list, tuple, str)
KINDS = {'Attribute', 'Name', 'ListComp', 'comprehension', 'Call', 'Subscript', 'Slice', 'Constant', 'UnaryOp', 'USub'}
SEES_NAMES = {'globals', 'locals', 'vars', 'dir', 'exec', 'eval', '__dict__', '__getattr__', '__dir__'}


def kind(node):
    return type(node).__name__


def below(node):
    """A node and all that are in it."""
    yield node
    for field in node._fields:
        value = getattr(node, field, None)
        for child in value if isinstance(value, list) else [value]:
            if hasattr(child, '_fields') and kind(child) not in ('Load', 'Store', 'Del'):
                yield from below(child)


def is_arguments(node):
    return kind(node) == 'Attribute' and node.attr == 'argv' and kind(node.value) == 'Name' and node.value.id == 'sys'


def is_slice(node):
    """[N:] and its like, which can't fail."""
    bounds = [bound.operand if kind(bound) == 'UnaryOp' else bound for bound in (node.lower, node.upper) if bound is not None]
    return node.step is None and all(kind(bound) == 'Constant' and type(bound.value) is int for bound in bounds)


def is_plain(node):
    """Whether an expression can be computed later as well as now, if all that it calls is harmless."""
    nodes = list(below(node))
    if any(kind(one) not in KINDS for one in nodes) or not any(map(is_arguments, nodes)):
        return False
    for one in nodes:
        if kind(one) == 'Attribute' and not is_arguments(one):
            return False
        if kind(one) == 'Subscript' and not (is_arguments(one.value) and kind(one.slice) == 'Slice' and is_slice(one.slice)):
            return False
        if kind(one) == 'Call' and (kind(one.func) != 'Name' or len(one.args) != 1 or one.keywords):
            return False
        if kind(one) == 'comprehension' and (one.ifs or one.is_async or kind(one.target) != 'Name'):
            return False
    return True


def target(statement):
    """The name that it sets to what is made of the arguments; or None."""
    if kind(statement) != 'Assign' or len(statement.targets) != 1 or kind(statement.targets[0]) != 'Name':
        return None
    is_copy = not is_arguments(statement.value)  # else it's the list itself
    return statement.targets[0].id if is_copy and is_plain(statement.value) else None


def blocks(body):
    """Lists of statements that are executed as they are reached, but for those of `try` and the like."""
    yield body
    for statement in body:
        if kind(statement) == 'If':
            yield from blocks(statement.body)
            yield from blocks(statement.orelse)


def words_of(node):
    """Which names a node mentions."""
    if kind(node) in ('Global', 'Nonlocal'):
        return node.names
    words = (getattr(node, field, None) for field in ('id', 'attr', 'name', 'asname', 'arg'))
    return [word for word in words if isinstance(word, str)]


def own_names(nodes):
    """Of functions whose parameters are called as a function that sees names: where they mean these."""
    for node in nodes:
        if kind(node) in ('FunctionDef', 'AsyncFunctionDef', 'Lambda'):
            parameters = {one.arg for one in below(node.args) if kind(one) == 'arg'}.intersection(SEES_NAMES)
            if parameters:
                yield from (id(one) for one in below(node) if kind(one) == 'Name' and one.id in parameters)


def is_unseen(name, tree):
    """Whether nothing in the module reads the name, or could see by its list of names that it isn't there."""
    nodes = list(below(tree))
    harmless = {id(node.operand.func) for node in nodes  # `not globals()' is the same in each module
                if kind(node) == 'UnaryOp' and kind(node.op) == 'Not' and kind(node.operand) == 'Call'}
    harmless.update(own_names(nodes))
    for node in nodes:
        is_set = kind(node) == 'Name' and kind(node.ctx) == 'Store'
        words = words_of(node)
        if (name in words and not is_set) or '*' in words:
            return False
        if SEES_NAMES.intersection(words) and kind(node) not in ('arg', 'keyword') and id(node) not in harmless:
            return False
    return True


def put_there(node, place):
    for one in below(node):
        for field in set(one._attributes).intersection(place._attributes):
            setattr(one, field, getattr(place, field))


def without(tree, parse):
    """Puts a call in place of each such statement: NAME(globals(), 'name', lambda: value), and NAME(globals()) at the end. Returns
    whether there was one."""
    found = [(body, i, target(body[i])) for body in blocks(tree.body) for i in range(len(body))]
    found = [(body, i, name) for body, i, name in found if name is not None and is_unseen(name, tree)]
    for body, i, name in found:
        call = parse(f'{NAME}(globals(), {name!r}, lambda: 0)').body[0]
        put_there(call, body[i])
        call.value.args[2].body = body[i].value
        body[i] = call
    if found:
        tree.body.append(parse(f'{NAME}(globals())').body[0])
        put_there(tree.body[-1], tree.body[-2])
    return bool(found)


def changed(code, data, path):
    """The code of a module without its statements that can wait; None: it has none, or isn't of this source (PEP 552)."""
    def parse(source):
        return compile(source, path, 'exec', ONLY_AST, dont_inherit=True)

    try:
        tree = parse(data)
        is_found = without(tree, parse) and compile(data, path, 'exec', dont_inherit=True) == code
        return compile(tree, path, 'exec', dont_inherit=True) if is_found else None
    except (SyntaxError, ValueError, RecursionError):
        return None


def used(code):
    """The global names, and those of attributes, of an expression."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            names |= used(constant)
    return names - {'argv'}


class Later:
    """Whose statements wait: the names of a module, the name that is set, the value's function, argv[0] as it was."""

    def __init__(self, look, early, kind_of_arguments):
        self.look, self.early, self.kind, self.is_over = look, early, kind_of_arguments, False
        self.waiting, self.asked = [], []

    def watch(self):
        original = SourceFileLoader.get_code

        def get_code(loader, fullname):
            code = original(loader, fullname)
            if code is None or self.is_over or self.early.loading or not {'sys', 'argv'}.issubset(code.co_names) or fullname not in sys.modules:
                return code
            path = loader.get_filename(fullname)
            new = changed(code, loader.get_data(path), path)
            if new is None:
                return code
            object.__getattribute__(sys.modules[fullname], '__dict__')[NAME] = self.wait
            return new

        SourceFileLoader.get_code = self.get_code = get_code

    def unwatch(self):
        self.is_over = True
        if vars(SourceFileLoader).get('get_code') is self.get_code:
            del SourceFileLoader.get_code

    def wait(self, names, name=None, value=None):
        """In place of a statement. If it can't wait, which is known only now, it is executed. At the module's end no name: nothing of ours stays."""
        import builtins
        if name is None:
            del names[NAME]
            return
        known = {word: names.get(word, getattr(builtins, word, None)) for word in used(value.__code__)}
        is_harmless = all(one is sys or any(one is other for other in HARMLESS) for one in known.values())
        is_asked = names.get('__getattr__') in [None, *self.asked]
        if self.is_over or name in names or not is_asked or not is_harmless or type(sys.argv) is not self.kind:
            names[name] = value()
            return
        self.waiting.append((names, name, type(value)(value.__code__, {**known, '__builtins__': builtins}), sys.argv[0]))
        if '__getattr__' not in names:
            names['__getattr__'] = self.missing(names)
            self.asked.append(names['__getattr__'])

    def missing(self, names):
        def __getattr__(attribute):
            if attribute in ('__all__', '__dir__') or any(attribute == name for own, name, _, _ in self.waiting if own is names):
                self.look()
                if attribute in names:
                    return names[attribute]
            raise AttributeError(f'module {names["__name__"]!r} has no attribute {attribute!r}')

        return __getattr__

    def execute(self, words):
        """What has waited, with the arguments of this run."""
        now = sys.argv
        for names, name, value, first in self.waiting:
            if names.get('__getattr__') in self.asked:
                del names['__getattr__']
            sys.argv = [first, *words]
            names.setdefault(name, value())
        sys.argv = now
        self.waiting = []
