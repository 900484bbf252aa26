/*
 * snap.h: for programs that choose their own snapshot point.
 *
 *     #include <snap.h>
 *     ...load everything...
 *     if (snap_here())
 *             use(snap_argc(), snap_argv());   // restored: new arguments
 *
 * Needs no library: a program built with it runs normally without snaptrace,
 * static or dynamic, with any libc. SNAP_AT=here snaptrace prog freezes it.
 */
#ifndef SNAP_H
#define SNAP_H

#include "snaptrace/contract.h"
#endif
