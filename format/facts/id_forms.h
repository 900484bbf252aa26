/* How languages write a small number into a word of 64 bits that can hold other things too. */
#ifndef FORMAT_FACTS_ID_FORMS_H
#define FORMAT_FACTS_ID_FORMS_H

#include <stdint.h>

/* Ruby and OCaml; Guile and Emacs; Erlang; Lua before 5.3, LuaJIT, awk and JavaScript's large ones. Negative:
 * as kill(2) takes a process group. EVEN: SBCL; EIGHTFOLD: Chez Scheme and Racket; both are looked for in
 * these alone, since so many other numbers are even. */
enum snapimg_id_form {
	SNAPIMG_FORM_ODD,
	SNAPIMG_FORM_QUAD,
	SNAPIMG_FORM_NIBBLE,
	SNAPIMG_FORM_DOUBLE,
	SNAPIMG_FORM_ODD_NEGATIVE,
	SNAPIMG_FORM_DOUBLE_NEGATIVE,
	SNAPIMG_FORM_EVEN,
	SNAPIMG_FORM_EIGHTFOLD,
	SNAPIMG_FORMS
};

/* id: not 0. */
static inline uint64_t snapimg_id_form(enum snapimg_id_form form, uint32_t id)
{
	enum { MANTISSA = 52, BIAS = 1023 };
	const uint64_t number = id;
	uint64_t exponent;

	switch (form) {
	case SNAPIMG_FORM_ODD:
		return number << 1 | 1;
	case SNAPIMG_FORM_QUAD:
		return number << 2 | 2;
	case SNAPIMG_FORM_NIBBLE:
		return number << 4 | 15;
	case SNAPIMG_FORM_ODD_NEGATIVE:
		return 0 - (number << 1) + 1;
	case SNAPIMG_FORM_EVEN:
		return number << 1;
	case SNAPIMG_FORM_EIGHTFOLD:
		return number << 3;
	case SNAPIMG_FORM_DOUBLE_NEGATIVE:
		return snapimg_id_form(SNAPIMG_FORM_DOUBLE, id) | UINT64_C(1) << 63;
	default: /* of IEEE 754; in integers, as the loader uses no other registers */
		exponent = 63 - (uint64_t)__builtin_clzll(number);
		return ((exponent + BIAS) << MANTISSA) +
		       ((number << (MANTISSA - exponent)) - (UINT64_C(1) << MANTISSA));
	}
}

#endif
