/* The kernel's names of errors and signals; the C library has functions for them only since glibc 2.32. */
#ifndef FORMAT_BASE_NAMES_H
#define FORMAT_BASE_NAMES_H

/* "ENOENT"; NULL for a number without a name. */
const char *error_name(int number);
/* "TERM"; NULL for a number without a name, as those of real-time signals. */
const char *signal_short_name(int number);

#endif
