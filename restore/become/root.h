/* The files that are embedded in the image (ROOT), for a program that opens them. */
#ifndef RESTORE_BECOME_ROOT_H
#define RESTORE_BECOME_ROOT_H

/* --root=image: goes on in a mount namespace whose root has them, before identity_enter(). Ends with a
 * message where that can't be had. */
void root_enter(void);

#endif
