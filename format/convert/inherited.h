/* Inside convert/: what processes of a tree have of each other (FORMAT.md, INHERITED), in the image that is
 * made. */
#ifndef FORMAT_CONVERT_INHERITED_H
#define FORMAT_CONVERT_INHERITED_H

#include <stdbool.h>

#include "format/image/writer.h"

/* Where the pieces of each process lie in the new file. */
struct laid_pieces {
	struct snapimg_piece *piece; /* as in that one's image … */
	size_t count;
	uint64_t offset; /* … which begins here */
};
struct laid_tree {
	struct laid_pieces *of; /* by index of TREE; malloc'ed */
	uint32_t count;
};

enum snapimg_error laid_begin(struct laid_tree *tree, uint32_t count) __attribute__((warn_unused_result));
enum snapimg_error laid_add(struct laid_tree *tree, uint32_t member, const struct snapimg_piece *piece)
        __attribute__((warn_unused_result));
void laid_free(struct laid_tree *tree);

/* Whether memory of this image may be mapped from pieces. */
typedef bool inherited_judge(void *context, const struct snapimg_mapping *mapping);
/* Writes the image's INHERITED for the new file: mapped where pieces are and `may_map` allows it. */
enum snapimg_error inherited_lay(const struct snapimg *image, const struct laid_tree *tree,
                                 inherited_judge *may_map, void *context, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));

/* Whether the image of its holder has all these pages, and where it is mapped from, in a piece. */
bool inherited_is_there(const struct snapimg *tree, const struct snapimg *holder,
                        const struct snapimg_inherited *inherited);

#endif
