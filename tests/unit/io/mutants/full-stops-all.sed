# io/engine.c
/queue->full = true;/,/continue;/s/continue;/break;/
