# The capture side of the tracer: all that is behind snapshot.h, and the injection of system calls.
set(CAPTURE_SOURCES
  inject.c)
