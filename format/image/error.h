/* What can be wrong with an image. One enum, one table of strings. */
#ifndef FORMAT_IMAGE_ERROR_H
#define FORMAT_IMAGE_ERROR_H

/* X(NAME, what a person reads) */
#define SNAPIMG_ERRORS(X)                                                                                    \
	X(OK, "no error")                                                                                    \
	X(EMPTY, "the file is empty")                                                                        \
	X(NOT_AN_IMAGE, "not a snapshot image")                                                              \
	X(TEXT_DAMAGE, "damaged by a text-mode transfer")                                                    \
	X(TRUNCATED, "the image is cut off")                                                                 \
	X(TRAILING, "bytes after the image's end")                                                           \
	X(NEWER_MAJOR, "made by a newer version of snaptrace")                                               \
	X(ARCHITECTURE, "made for another processor architecture")                                           \
	X(PAGE_SIZE, "made for another page size")                                                           \
	X(FEATURE, "needs a feature this version does not know")                                             \
	X(HEADER, "the header is damaged")                                                                   \
	X(DIGEST, "the header or section table is damaged (digest)")                                         \
	X(SECTION_TABLE, "the section table is damaged")                                                     \
	X(SECTION_UNKNOWN, "has a required section this version does not know")                              \
	X(SECTION_MISSING, "a required section is missing")                                                  \
	X(SECTION_CHECKSUM, "a section is damaged (checksum)")                                               \
	X(PADDING, "bytes that must be zero are not")                                                        \
	X(STRING, "a string reference is out of range")                                                      \
	X(PROCESS, "the process record is not valid")                                                        \
	X(MACHINE, "the machine record is not valid")                                                        \
	X(THREAD, "a thread record is not valid")                                                            \
	X(FILE, "a file record is not valid")                                                                \
	X(MAPPING, "a mapping record is not valid")                                                          \
	X(RUN, "a page-run record is not valid")                                                             \
	X(EXTENT, "an extent record is not valid")                                                           \
	X(EXTENT_CHECKSUM, "page data is damaged (checksum)")                                                \
	X(EXTENT_FRAME, "page data is damaged (zstd frame)")                                                 \
	X(DESCRIPTOR, "a descriptor record is not valid")                                                    \
	X(OBJECT, "an object record is not valid")                                                           \
	X(SIGNAL, "a signal action is not valid")                                                            \
	X(FIXUP, "a fix-up record is not valid")                                                             \
	X(PENDING, "a pending signal is not valid")                                                          \
	X(PLACE, "a thread's place is not valid")                                                            \
	X(PIECE, "a mapped-piece record is not valid")                                                       \
	X(HOT, "a hot-pages record is not valid")                                                            \
	X(SHIM, "the shim record is not valid")                                                              \
	X(KEPT, "a record of a kept ID is not valid")                                                        \
	X(CLOCKS, "the clock record is not valid")                                                           \
	X(INPUT, "a record of an input is not valid")                                                        \
	X(PROCESSOR, "the processor record is not valid")                                                    \
	X(ARGUMENTS, "the arguments or the environment are not valid")                                       \
	X(ATTRIBUTE, "an attribute record is not valid")                                                     \
	X(TIMER, "a timer record is not valid")                                                              \
	X(GUARD, "a guard-page record is not valid")                                                         \
	X(MEMBER, "a record of a tree's process is not valid")                                               \
	X(INHERITED, "a record of pages of another process is not valid")                                    \
	X(IPC, "a record of a System V object is not valid")                                                 \
	X(SINK, "the image could not be written")                                                            \
	X(MEMORY, "out of memory")                                                                           \
	X(LIMIT, "too large for the format")

enum snapimg_error {
#define X(name, text) SNAPIMG_ERR_##name,
	SNAPIMG_ERRORS(X)
#undef X
};

#define SNAPIMG_OK SNAPIMG_ERR_OK

/* The text for an error; never NULL, static storage. */
const char *snapimg_strerror(enum snapimg_error error);

#endif
