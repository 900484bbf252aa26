/* Whose static data a place of memory is: which ELF file it was loaded from. */
#ifndef TRACER_CAPTURE_IDENTITY_MODULE_H
#define TRACER_CAPTURE_IDENTITY_MODULE_H

#include "format/facts/id_forms.h"
#include "tracer/capture/memory/mappings.h"

/* The path of the file whose .data or .bss has the address; NULL: it is in none. */
const char *module_of_data(const struct mappings *mappings, const struct files *files, uint64_t address);
/* The path of the file whose code has the address; NULL: none has. */
const char *module_of_code(const struct mappings *mappings, uint64_t address);
/* Whether a file is mapped whose name, without its directory, begins so: an interpreter, or its library. */
bool module_is_mapped(const struct mappings *mappings, const char *begins);
/* How the program's language writes small numbers, if it puts no tag to them; else as Erlang does. */
enum snapimg_id_form module_form_of_numbers(const struct mappings *mappings);
const struct mapping *mapping_at(const struct mappings *mappings, uint64_t address);

#endif
