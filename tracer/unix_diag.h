/* What only sock_diag(7) tells of a Unix socket. */
#ifndef TRACER_UNIX_DIAG_H
#define TRACER_UNIX_DIAG_H

#include <stdbool.h>
#include <stdint.h>

struct unix_state {
	uint8_t state;    /* TCP_ESTABLISHED, TCP_CLOSE, TCP_LISTEN */
	uint8_t shutdown; /* 1: for receiving, 2: for sending */
	uint32_t peer;    /* inode; 0: none */
	uint32_t waiting; /* connections, of a listening one */
	uint32_t backlog; /* how many may wait */
	uint32_t inode;   /* of its file; 0: none */
};

/* False where the kernel doesn't tell (no CONFIG_UNIX_DIAG). */
bool unix_diag_ask(uint32_t inode, struct unix_state *ret_state);

#endif
