/* What is in pseudoterminals. */
#ifndef RESTORE_FDS_TERMINAL_H
#define RESTORE_FDS_TERMINAL_H

#include <stdint.h>

/* asm-generic/ioctls.h */
#define TERMINAL_GET_MODES 0x802c542aull /* TCGETS2 */
#define TERMINAL_SET_MODES 0x402c542bull /* TCSETS2 */
#define TERMINAL_FLOW      0x540aull     /* TCXONC */
#define TERMINAL_FLUSH     0x540bull     /* TCFLSH */

/* A descriptor for a moment, or -errno. */
long terminal_open_slave(int master);
/* Makes a status wait at the master, which is in packet mode. */
long terminal_tell(int master, uint64_t events);

#endif
