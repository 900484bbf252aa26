/* What a program changed of what each process and thread has from its maker: limits, priorities, … */
#ifndef TRACER_CAPTURE_PROCESS_ATTRIBUTES_H
#define TRACER_CAPTURE_PROCESS_ATTRIBUTES_H

#include "tracer/capture/process/state.h"

struct attributes {
	struct snapimg_attribute *record; /* sorted by kind when they are written */
	size_t count;
};

/* Those of the whole process. Needs the scratch page. */
enum status attributes_read(const struct subject *subject, const struct remote *remote,
                            struct attributes *attributes) __attribute__((warn_unused_result));
/* Those that each thread has for itself; index is its place in THREADS. */
enum status attributes_read_thread(pid_t tid, uint32_t index, const struct noted *noted,
                                   struct attributes *attributes) __attribute__((warn_unused_result));
enum status attributes_add(struct attributes *attributes, enum snapimg_attribute_kind kind, uint32_t argument,
                           uint64_t value) __attribute__((warn_unused_result));
enum status attributes_add_more(struct attributes *attributes, enum snapimg_attribute_kind kind,
                                uint32_t argument, uint64_t value, uint64_t more)
        __attribute__((warn_unused_result));
enum snapimg_error attributes_write(struct attributes *attributes, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void attributes_free(struct attributes *attributes);

#endif
