/* After it lie what few starts run, and zstd's decoder, which a thawed image has no use for. */
	.text
	.globl loader_text_end
loader_text_end:

	.section .note.GNU-stack, "", @progbits
