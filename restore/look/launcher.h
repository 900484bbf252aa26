/* A launcher: a text file that names an image and the program it was made of (--launcher). */
#ifndef RESTORE_LOOK_LAUNCHER_H
#define RESTORE_LOOK_LAUNCHER_H

/* Reads the file. From then on whatever would refuse the image starts the program itself, in silence, and has
 * the image made again for the next time. Ends the loader where the file can't be read or is no launcher. */
void launcher_read(const char *file);

#endif
