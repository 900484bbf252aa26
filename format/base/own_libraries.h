/* A tool that records what the kernel says must hear the kernel, not a library that its caller put before. */
#ifndef FORMAT_BASE_OWN_LIBRARIES_H
#define FORMAT_BASE_OWN_LIBRARIES_H

/* First of all in main: where the caller preloads libraries (faketime, a fake stat), becomes the same tool
 * without them, by exec. Returns in the new one, or where that can't be; the environment is the caller's
 * then, as before, so that what is started has the libraries. */
void own_libraries(char **argv);

#endif
