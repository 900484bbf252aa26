# Part of python.py: after a start the standard streams are what the interpreter would have made of the new descriptors.
import os
import sys

STREAMS = (('__stdin__', 0, 'rb'), ('__stdout__', 1, 'wb'), ('__stderr__', 2, 'wb'))


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def wants_lines(descriptor, is_terminal):
    return is_terminal or (descriptor == 2 and sys.version_info >= (3, 9))


def new_stream(stream, descriptor, mode, was_terminal):
    """As the interpreter made it, for what the descriptor is now (create_stdio() of pylifecycle.c)."""
    import io
    buffer = getattr(stream, 'buffer', None)
    kind = io.BufferedReader if mode == 'rb' else io.BufferedWriter
    if type(stream) is not io.TextIOWrapper or type(buffer) is not kind or type(buffer.raw) is not io.FileIO:
        return
    if stream.fileno() != descriptor:
        return
    text = stream.encoding, stream.errors
    is_terminal, name, through = os.isatty(descriptor), buffer.raw.name, getattr(stream, 'write_through', False)
    lines = stream.line_buffering
    if lines == wants_lines(descriptor, was_terminal):  # else the program has chosen
        lines = wants_lines(descriptor, is_terminal)
    raw = io.FileIO(descriptor, mode, closefd=False)  # a new one, since it remembers whether it can seek
    raw.name = name
    buffer.__init__(raw, raw._blksize if raw._blksize > 1 else io.DEFAULT_BUFFER_SIZE)
    stream.__init__(buffer, *text, newline='\n', line_buffering=lines, write_through=through)


def new_streams(were_terminals):
    for name, descriptor, mode in STREAMS:
        if not is_open(descriptor):
            setattr(sys, name, None)
            setattr(sys, name.strip('_'), None)
        elif getattr(sys, name) is not None:
            new_stream(getattr(sys, name), descriptor, mode, were_terminals[descriptor])
