/* The merges of CLIP's byte-pair encoding as the bytes of assets/clip/merges.txt. */
    .section .rodata
    .global sd_clip_merges_begin
    .global sd_clip_merges_end
sd_clip_merges_begin:
    .incbin SD_CLIP_MERGES
sd_clip_merges_end:
    .section .note.GNU-stack,"",%progbits
