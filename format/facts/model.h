/* What a person calls this processor. */
#ifndef FORMAT_FACTS_MODEL_H
#define FORMAT_FACTS_MODEL_H

enum { PROCESSOR_MODEL = 49 };

/* Its name as it tells it, or "". */
void processor_model(char model[PROCESSOR_MODEL]);

#endif
