#include "tracer/processor/length_x86_64.h"

#include <stdbool.h>

/*
 * A letter for each opcode (Intel SDM volume 2, appendix A; AMD APM volume 3, appendix A):
 *   .  nothing follows              m  ModRM                b  one byte        B  ModRM and one byte
 *   z  2 or 4 bytes                 Z  ModRM and these      v  up to 8 bytes   w  2 bytes      e  3 bytes
 *   j  4 bytes                      o  an address           t, T  the groups of `test`: a value behind two of
 * them p  prefix     r  REX            f  another map          2, 3, 6, 8  VEX, EVEX, XOP         x  none
 */
static const char one_byte[] = /* */
        "mmmmbzxxmmmmbzxf"
        "mmmmbzxxmmmmbzxx"
        "mmmmbzpxmmmmbzpx"
        "mmmmbzpxmmmmbzpx"
        "rrrrrrrrrrrrrrrr"
        "................"
        "xx6mppppzZbB...."
        "bbbbbbbbbbbbbbbb"
        "BZxBmmmmmmmmmmm8"
        "..........x....."
        "oooo....bz......"
        "bbbbbbbbvvvvvvvv"
        "BBw.32BZe.w..bx."
        "mmmmxxx.mmmmmmmm"
        "bbbbbbbbjjxb...."
        "p.pp..tT......mm";
static const char two_bytes[] = /* after 0f */
        "mmmmx.....x.xm.B"
        "mmmmmmmmmmmmmmmm"
        "mmmmxxxxmmmmmmmm"
        "........fxfxxxxx"
        "mmmmmmmmmmmmmmmm"
        "mmmmmmmmmmmmmmmm"
        "mmmmmmmmmmmmmmmm"
        "BBBBmmm.mmxxmmmm"
        "jjjjjjjjjjjjjjjj"
        "mmmmmmmmmmmmmmmm"
        "...mBmxx...mBmmm"
        "mmmmmmmmmmBmmmmm"
        "mmBmBBBm........"
        "mmmmmmmmmmmmmmmm"
        "mmmmmmmmmmmmmmmm"
        "mmmmmmmmmmmmmmmm";

struct decoding {
	const uint8_t *code;
	size_t at, size;
	bool operand_16, address_32, wide; /* REX.W */
};

static void prefixes(struct decoding *decoding)
{
	for (; decoding->at < decoding->size; decoding->at++) {
		uint8_t byte = decoding->code[decoding->at];

		if (one_byte[byte] != 'p')
			break;
		decoding->operand_16 |= byte == 0x66;
		decoding->address_32 |= byte == 0x67;
	}
	if (decoding->at < decoding->size && one_byte[decoding->code[decoding->at]] == 'r')
		decoding->wide = decoding->code[decoding->at++] & 8;
}

/* ModRM, SIB and displacement. Returns what the `reg` field is, or -1. */
static int modrm(struct decoding *decoding)
{
	if (decoding->at >= decoding->size)
		return -1;
	unsigned byte = decoding->code[decoding->at++];
	unsigned mode = byte >> 6, base = byte & 7;

	if (mode != 3 && base == 4) {
		if (decoding->at >= decoding->size)
			return -1;
		base = decoding->code[decoding->at++] & 7;
	}
	if (mode == 1)
		decoding->at += 1;
	else if (mode == 2 || (mode == 0 && base == 5))
		decoding->at += 4;
	return (int)(byte >> 3 & 7);
}

/* VEX, EVEX and XOP: the opcode stands after the prefix, whose first byte after the leading one tells the
 * map. */
static char of_vector(struct decoding *decoding, char form)
{
	size_t length = form == '2' ? 1 : form == '6' ? 3 : 2;
	unsigned map = 1;

	if (decoding->at + length >= decoding->size)
		return 'x';
	if (form != '2')
		map = decoding->code[decoding->at] & (form == '6' ? 7U : 31U);
	decoding->at += length;
	unsigned opcode = decoding->code[decoding->at++];
	if (form == '8' && map >= 8 && map <= 10)
		return "BmZ"[map - 8];
	if (form == '8')
		return 'x';
	if (map == 1 && opcode == 0x77 && form != '6')
		return two_bytes[opcode];
	if (map == 1)
		return two_bytes[opcode] == 'B' ? 'B' : 'm';
	if (map == 3)
		return 'B';
	return map == 2 || ((map == 5 || map == 6) && form == '6') ? 'm' : 'x';
}

static char find_form(struct decoding *decoding)
{
	if (decoding->at >= decoding->size)
		return 'x';
	unsigned opcode = decoding->code[decoding->at++];
	char form = one_byte[opcode];

	if (form == '8') /* `pop` has its own field there, which is no map */
		form = decoding->at < decoding->size && (decoding->code[decoding->at] & 31) >= 8 ? '8' : 'm';
	if (form == '2' || form == '3' || form == '6' || form == '8')
		return of_vector(decoding, form);
	if (form != 'f')
		return form;
	if (decoding->at >= decoding->size)
		return 'x';
	opcode = decoding->code[decoding->at++];
	if (two_bytes[opcode] != 'f')
		return two_bytes[opcode];
	decoding->at++; /* the opcode of the third map */
	return opcode == 0x3a ? 'B' : 'm';
}

size_t instruction_length(const uint8_t *code, size_t size)
{
	struct decoding decoding = {.code = code, .size = size < 15 ? size : 15};
	int field = 0;

	prefixes(&decoding);
	char form = find_form(&decoding);
	size_t z = decoding.operand_16 && !decoding.wide ? 2 : 4;

	if (form == 'm' || form == 'B' || form == 'Z' || form == 't' || form == 'T')
		field = modrm(&decoding);
	if (form == 'x' || form == 'r' || form == 'p' || field < 0)
		return 0;
	bool tests = field < 2;
	switch (form) {
	case 'b':
	case 'B':
		decoding.at += 1;
		break;
	case 't':
		decoding.at += tests ? 1 : 0;
		break;
	case 'T':
		decoding.at += tests ? z : 0;
		break;
	case 'z':
	case 'Z':
		decoding.at += z;
		break;
	case 'v':
		decoding.at += decoding.wide ? 8 : z;
		break;
	case 'w':
		decoding.at += 2;
		break;
	case 'e':
		decoding.at += 3;
		break;
	case 'j':
		decoding.at += 4;
		break;
	case 'o':
		decoding.at += decoding.address_32 ? 4 : 8;
		break;
	default:
		break;
	}
	return decoding.at <= decoding.size ? decoding.at : 0;
}
