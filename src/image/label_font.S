/* The glyphs of labels as the bytes of assets/font/labels.glyphs. */
    .section .rodata
    .global sd_label_glyphs_begin
    .global sd_label_glyphs_end
sd_label_glyphs_begin:
    .incbin SD_LABEL_GLYPHS
sd_label_glyphs_end:
    .section .note.GNU-stack,"",%progbits
