/* The word pieces of bert-base-uncased as the bytes of assets/bert/vocab.txt. */
    .section .rodata
    .global sd_bert_vocabulary_begin
    .global sd_bert_vocabulary_end
sd_bert_vocabulary_begin:
    .incbin SD_BERT_VOCABULARY
sd_bert_vocabulary_end:
    .section .note.GNU-stack,"",%progbits
