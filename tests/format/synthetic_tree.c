/* A tree of four processes: the first, a child of its with a dead one, and an orphan that is stopped. */
#include "synthetic.h"

static enum snapimg_error put_member(struct snapimg_writer *writer, struct snapimg_member *member)
{
	/* Of the first one's image, but its own runs win. */
	const struct snapimg_inherited inherited = {.address = 0x10000000, .pages = 2};
	struct snapimg_part part;
	struct snapimg_writer *own = snapimg_writer_begin_member(writer, &part);
	enum snapimg_error error = own == NULL ? SNAPIMG_ERR_MEMORY : synthetic_put(own);

	if (error == SNAPIMG_OK && member->pid == 101)
		error = snapimg_writer_add(own, SNAPIMG_SECTION_INHERITED, &inherited, sizeof(inherited));
	if (error == SNAPIMG_OK)
		error = snapimg_writer_finish(own, &member->size, member->digest);
	member->offset = part.offset;
	if (error == SNAPIMG_OK)
		snapimg_writer_end_member(writer, &part, member->size);
	snapimg_writer_free(own);
	return error;
}

static enum snapimg_error put_all(struct snapimg_writer *writer)
{
	struct snapimg_member member[SYNTHETIC_MEMBERS] = {
	        {.pid = 100, .descriptors = 10, .state = SNAPIMG_MEMBER_ALIVE},
	        {.pid = 101,
	         .parent = 100,
	         .group = 101,
	         .session = 101,
	         .descriptors = 10,
	         .state = SNAPIMG_MEMBER_ALIVE},
	        {.pid = 102,
	         .parent = 101,
	         .group = 101,
	         .session = 101,
	         .state = SNAPIMG_MEMBER_ZOMBIE,
	         .status = 0x700},
	        {.pid = 103,
	         .group = 99,
	         .descriptors = 10,
	         .state = SNAPIMG_MEMBER_STOPPED,
	         .status = 19 | SNAPIMG_STOP_TOLD},
	};
	enum snapimg_error error = synthetic_put(writer);

	if (error == SNAPIMG_OK)
		error = put_member(writer, &member[1]);
	if (error == SNAPIMG_OK)
		error = put_member(writer, &member[3]);
	if (error == SNAPIMG_OK)
		error = snapimg_writer_add(writer, SNAPIMG_SECTION_TREE, member, sizeof(member));
	return error == SNAPIMG_OK ? snapimg_writer_finish(writer, NULL, NULL) : error;
}

enum snapimg_error synthetic_tree(struct memory_image *ret_image)
{
	struct memory_image image = {0};
	struct snapimg_writer *writer = snapimg_writer_new(memory_sink, &image);
	enum snapimg_error error = writer == NULL ? SNAPIMG_ERR_MEMORY : put_all(writer);

	snapimg_writer_free(writer);
	if (error == SNAPIMG_OK)
		*ret_image = image;
	else
		memory_free(&image);
	return error;
}
