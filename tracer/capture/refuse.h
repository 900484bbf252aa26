/* States of a process that an image can't hold are refused by name when the image is made. */
#ifndef TRACER_CAPTURE_REFUSE_H
#define TRACER_CAPTURE_REFUSE_H

#include "format/base/proc.h"
#include "tracer/capture/snapshot.h"
#include "tracer/refusals.h"

/* What is known of the process without its help; the checks look at nothing else. */
struct subject {
	const struct snapshot_request *request;
	pid_t pid;
	struct text status; /* /proc/PID/status */
	struct proc_stat stat;
};

/* Every check of the process as a whole: children, credentials, … */
enum status refuse_process(const struct subject *subject) __attribute__((warn_unused_result));
/* refuse_tracer.c: it traces other processes. */
enum status refuse_tracer(const struct subject *subject) __attribute__((warn_unused_result));
/* refuse_confined.c */
enum status refuse_landlock(const struct subject *subject) __attribute__((warn_unused_result));
enum status refuse_semaphore_undo(const struct subject *subject) __attribute__((warn_unused_result));
enum status refuse_placed_memory(const struct subject *subject) __attribute__((warn_unused_result));
enum status tell_of_place(const struct subject *subject) __attribute__((warn_unused_result));
/* What a thread beside the main one must share with it. */
enum status refuse_thread(const struct subject *subject, pid_t tid) __attribute__((warn_unused_result));

#endif
