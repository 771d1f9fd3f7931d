# io/engine.c
s/kick = true;/kick = false;/
