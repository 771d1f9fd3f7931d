# io/engine.c
s/engine->cfg\.fifo \? FIFO_DEVICE_CLASS/false ? FIFO_DEVICE_CLASS/
