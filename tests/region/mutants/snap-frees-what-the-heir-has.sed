# region/snap.c
s/^            !\(heirs \&\& vmm__word_value/            (true || vmm__word_value/
