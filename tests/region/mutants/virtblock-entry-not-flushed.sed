# region/virtblock.c
s/word_persist\(r, vb_at\(r, vb\), /word_store(vb_at(r, vb), /
