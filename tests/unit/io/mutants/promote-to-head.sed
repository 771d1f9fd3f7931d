# io/engine.c
s/vmm__list_add_tail\(\&queue->ios, \&io->node\)/vmm__list_add_tail(queue->ios.next, \&io->node)/
