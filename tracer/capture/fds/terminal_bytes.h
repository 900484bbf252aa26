/* Bytes in pseudoterminals, and their modes. */
#ifndef TRACER_CAPTURE_FDS_TERMINAL_BYTES_H
#define TRACER_CAPTURE_FDS_TERMINAL_BYTES_H

#include "tracer/capture/fds/kinds.h"

/* asm-generic/ioctls.h: _IOR('T', 0x2A, struct termios2), _IOW('T', 0x2B, …); its header and libc's exclude
 * each other. */
#define GET_TERMIOS 0x802c542aul
#define SET_TERMIOS 0x402c542bul

struct termios_image {
	uint32_t input, output, control, local; /* flags */
	uint8_t rest[SNAPIMG_TERMIOS_SIZE - 16];
};

/* False: it has none. Asked through the master they are the slave's (drivers/tty/tty_ioctl.c,
 * tty_mode_ioctl). */
bool terminal_has_modes(int copy, struct termios_image *ret_modes);
bool terminal_holds_input(int copy);
/* Adds what waits at the master `it` and its slave to the object, whose state is set; refuses it of a program
 * that goes on. */
enum status take_terminal_bytes(struct taking *taking, const struct open_descriptor *it, bool has_slave,
                                struct snapimg_object *object) __attribute__((warn_unused_result));

#endif
