# region/virtblock.c
s/word_persist\(r, leaf_word,/word_store(leaf_word,/
