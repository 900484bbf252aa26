/* Options that come by the environment. */
#ifndef RESTORE_LOOK_WORDS_H
#define RESTORE_LOOK_WORDS_H

/* What the caller's environment has for the name, or NULL. */
const char *environment(const char *name);
/* The words of SNAP_OPTIONS, split at blanks, and a NULL. */
char **words_of_environment(void);
/* From now on the environment has no SNAP_OPTIONS: they are of this start, not of what the program starts. */
void words_hide(void);

#endif
