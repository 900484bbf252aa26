/* What was seen of io_urings while the program made them: the kernel tells nobody how one was set up. A ring
 * is known by the inode of its file, which is its own since Linux 5.13. */
#ifndef TRACER_RINGS_H
#define TRACER_RINGS_H

#include <linux/io_uring.h>
#include <stdint.h>
#include <sys/types.h>

struct ring_note {
	ino_t inode;
	struct io_uring_params params; /* as the kernel filled them in */
	uint64_t registered; /* bit n: io_uring_register(2) was called with that opcode; 63: any later one */
};

void rings_note_made(ino_t inode, const struct io_uring_params *params);
void rings_note_registered(ino_t inode, uint32_t opcode);
/* NULL: its making was not seen. */
const struct ring_note *rings_find(ino_t inode);

#endif
