# io/engine.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# A read that a vCPU waits for goes to the tail of the evictions.
/^static struct eclass \*class_of\(/,/^\}/s/: reqclass\]/: reqclass == VMM_REQ_DEMAND ? VMM_REQ_EVICT : reqclass]/
