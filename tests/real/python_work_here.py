"""python_work.py with the shim's snap_here() as its point, called through ctypes; a direct run has no such function."""
import ctypes

import python_work


def snap_here():
    try:
        ctypes.CDLL(None).snap_here()
    except AttributeError:
        pass  # not under snaptrace


python_work.come_to_the_point = snap_here
python_work.main()
