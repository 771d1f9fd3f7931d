# io/engine.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# A read that a vCPU waits for goes to the tail of the evictions.
/^static struct queue \*queue_of\(/,/^\}/s/: io->reqclass\]/: io->reqclass == VMM_REQ_DEMAND ? VMM_REQ_EVICT : io->reqclass]/
