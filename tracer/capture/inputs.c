#include "tracer/capture/inputs.h"

enum snapimg_error inputs_write(const struct snapshot_request *request, struct snapimg_writer *writer)
{
	enum snapimg_error error = SNAPIMG_OK;

	for (size_t i = 0; i < request->input_count && error == SNAPIMG_OK; i++) {
		struct snapimg_input record = request->input[i].record;

		if ((error = snapimg_writer_string(writer, request->input[i].name, &record.name)) ==
		    SNAPIMG_OK)
			error = snapimg_writer_add(writer, SNAPIMG_SECTION_INPUTS, &record, sizeof(record));
	}
	return error;
}
