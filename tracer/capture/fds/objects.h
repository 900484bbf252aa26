/* What the image will say about open descriptions that are neither files with a name nor inherited: the
 * sections OBJECTS, SETTINGS, CONTENTS, PASSED, WATCHES, EDGES, LOCKS, INOTIFY, OWNERS and BYTES while they
 * grow. */
#ifndef TRACER_CAPTURE_FDS_OBJECTS_H
#define TRACER_CAPTURE_FDS_OBJECTS_H

#include <sys/types.h>

#include "format/base/compressor.h"
#include "format/base/message.h"
#include "format/image/layout.h"
#include "format/image/writer.h"
#include "tracer/capture/identity/content.h"

struct array {
	void *items;
	size_t count, room; /* of items */
};

/* An io_uring, by whose inode the mappings of it are known. */
struct object_ring {
	ino_t inode;
	uint32_t object; /* index + 1 in OBJECTS; 0: it was refused */
};

/* What has the process's ID in it. */
struct object_id {
	uint32_t object, file; /* index + 1 in OBJECTS or in FILES; the other is 0 */
	enum snapimg_kept_kind kind;
};

struct objects {
	struct id_content content_id; /* what is looked for in contents */
	struct array id;              /* struct object_id */
	struct array object, setting, stream, content, passed, carried, embedded, watch, edge, lock, inotify,
	        owner, bytes;
	struct array ring;  /* struct object_ring: which inode became which object */
	struct array names; /* char *; the records' string fields hold its index + 1 until they are written */
	int level;          /* of zstd, for contents; 0: they are stored as they are */
	struct compressor compressor; /* opened when it is needed first */
	void *frame;                  /* what it makes */
};

/* Appends a copy of the record. The object's settings, contents and watches come before the next object. */
enum status objects_add(struct objects *objects, const struct snapimg_object *record)
        __attribute__((warn_unused_result));
/* Stores the bytes and a setting or content of the object added next (index objects->object.count). */
enum status objects_set(struct objects *objects, struct snapimg_setting setting, const void *bytes)
        __attribute__((warn_unused_result));
enum status objects_fill(struct objects *objects, uint64_t position, const void *bytes, uint64_t size)
        __attribute__((warn_unused_result));
/* That the last content has this descriptor of the survey with it, which is to be replaced by its object
 * (fds/table.c). */
enum status objects_pass(struct objects *objects, size_t index) __attribute__((warn_unused_result));
/* Of an inherited terminal, by its number. */
enum status objects_stream(struct objects *objects, struct snapimg_setting setting, const void *bytes)
        __attribute__((warn_unused_result));
/* The same for a file that has a name, by its index. */
enum status objects_carry(struct objects *objects, uint32_t file, uint64_t position, const void *bytes,
                          uint64_t size) __attribute__((warn_unused_result));
/* The same for a file of ROOT (capture/root.h), by its index. */
enum status objects_embed(struct objects *objects, uint32_t file, uint64_t position, const void *bytes,
                          uint64_t size) __attribute__((warn_unused_result));
enum status objects_watch(struct objects *objects, struct snapimg_watch watch)
        __attribute__((warn_unused_result));
/* That these events of the last watch were taken. */
enum status objects_edge(struct objects *objects, uint32_t events) __attribute__((warn_unused_result));
enum status objects_lock(struct objects *objects, const struct snapimg_lock *lock)
        __attribute__((warn_unused_result));
/* path: of objects_name(). */
enum status objects_inotify(struct objects *objects, struct snapimg_inotify inotify)
        __attribute__((warn_unused_result));
enum status objects_owner(struct objects *objects, const struct snapimg_owner *owner)
        __attribute__((warn_unused_result));
/* That an io_uring has this inode; that it becomes the object added next; and what became of it, or NULL. */
enum status objects_ring(struct objects *objects, ino_t inode) __attribute__((warn_unused_result));
void objects_keep_ring(struct objects *objects);
const struct object_ring *objects_find_ring(const struct objects *objects, ino_t inode);
/* What a string field holds for this text; "" and NULL: 0. */
enum status objects_name(struct objects *objects, const char *text, uint32_t *ret_name)
        __attribute__((warn_unused_result));
const char *objects_text(const struct objects *objects, uint32_t name);

enum snapimg_error objects_write(const struct objects *objects, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void objects_free(struct objects *objects);

#endif
