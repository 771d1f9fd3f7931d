# region/snap.c
s/word_persist\(r, root, 0\);/word_store(root, 0);/
