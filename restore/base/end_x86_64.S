/* Linked last: what lies behind is the zstd decoder's, which a thawed image has no use for. */
	.text
	.globl loader_text_end
loader_text_end:

	.section .note.GNU-stack, "", @progbits
