# Part of python.py: what the standard library asks another program, for one that starts another can't be frozen. Up to the first
# look ctypes.util.find_library() is answered from the file that `ldconfig -p` reads, platform.architecture() by what `file -b`
# would find. uuid.getnode() is answered from /sys, where libuuid would write a file.
import importlib.machinery
import os
import re

CACHE, MAGIC = '/etc/ld.so.cache', b'glibc-ld.so.cache1.1'
HEADER, ENTRY = 48, 24  # struct cache_file_new and file_entry_new of glibc's dl-cache.h
X86_64_OF_LIBC6 = 0x0303


def number(data, at):
    return int.from_bytes(data[at:at + 4], 'little')


def text(data, at):
    return data[at:data.index(b'\0', at)]


def listed():
    """The names that ldconfig lists for this processor, in its order."""
    with open(CACHE, 'rb') as file:
        data = file.read()
    data = data[data.index(MAGIC):]  # an older format may stand before
    entries = range(HEADER, HEADER + ENTRY * number(data, len(MAGIC)), ENTRY)
    return [text(data, number(data, at + 4)) for at in entries if number(data, at) & 0xffff == X86_64_OF_LIBC6]


def library(original, name):
    """In place of ctypes.util._findSoname_ldconfig()."""
    try:
        names = listed()
    except (OSError, ValueError):
        return original(name)
    wanted = re.compile(os.fsencode(r'lib%s\.[^\s]+' % re.escape(name)))
    return next((os.fsdecode(one) for one in names if wanted.fullmatch(one)), None)


def is_there(program):
    return any(os.access(os.path.join(directory, program), os.X_OK) for directory in os.get_exec_path())


def kind(original, target, default=''):
    """In place of platform._syscmd_file(), whose caller looks for these words only."""
    try:
        with open(target, 'rb') as file:
            head = file.read(18)
    except (OSError, ValueError, TypeError):
        return original(target, default)
    if head[:5] not in (b'\x7fELF\1', b'\x7fELF\2') or head[16:18] not in (b'\2\0', b'\3\0'):  # ET_EXEC, ET_DYN
        return original(target, default)
    return f'ELF {32 * head[4]}-bit executable' if is_there('file') else default


def addresses():
    """Of the network cards that are up, but for those that have none, as lo."""
    def read(*words):
        with open('/'.join(('/sys/class/net', *words)), 'rb') as file:
            return file.read().decode().strip()

    for name in os.listdir('/sys/class/net'):
        if os.path.isdir('/sys/class/net/' + name) and int(read(name, 'flags'), 16) & 1:  # IFF_UP
            address = bytes.fromhex(read(name, 'address').replace(':', ''))
            if len(address) == 6 and any(address):
                yield address


def time_safe(original):
    """In place of uuid._generate_time_safe(), which keeps a clock in a file and asks a server: a UUID of version 1."""
    try:
        node, = addresses()
    except (OSError, ValueError):
        return original()
    import time
    ticks = time.time_ns() // 100 + 0x01b21dd213814000  # since 1582
    clock = int.from_bytes(os.urandom(2), 'big') & 0x3fff | 0x8000
    return (ticks & 0xffffffff).to_bytes(4, 'big') + (ticks >> 32 & 0xffff).to_bytes(2, 'big') \
        + (ticks >> 48 & 0x0fff | 0x1000).to_bytes(2, 'big') + clock.to_bytes(2, 'big') + node, -1


class Programs:
    ANSWERS = {'ctypes.util': ('_findSoname_ldconfig', library), 'platform': ('_syscmd_file', kind), 'uuid': ('_generate_time_safe', time_safe)}

    def __init__(self):
        self.loaders, self.answered = [], []

    def watch(self, name, spec):
        """Of one of these modules, when it is found: it has our function once it's executed."""
        if name not in self.ANSWERS or spec is None or os.uname().machine != 'x86_64':
            return
        ours, loader = os.path.join(os.path.dirname(os.__file__), *name.split('.')) + '.py', spec.loader
        if spec.origin != ours or type(loader) is not importlib.machinery.SourceFileLoader:
            return

        def exec_module(module):
            loader.__dict__.pop('exec_module', None)
            loader.exec_module(module)
            self.answer(module, *self.ANSWERS[name])

        loader.exec_module = exec_module
        self.loaders.append(loader)

    def answer(self, module, name, function):
        original = getattr(module, name, None)
        if original is not None:
            setattr(module, name, lambda *words, **named: function(original, *words, **named))
            self.answered.append((module, name, original))

    def unwatch(self):
        for loader in self.loaders:
            loader.__dict__.pop('exec_module', None)
        for module, name, original in self.answered:
            setattr(module, name, original)
        self.loaders, self.answered = [], []
