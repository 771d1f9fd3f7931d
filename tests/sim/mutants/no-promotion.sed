# io/engine.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# A prefetch stays one although a vCPU has come to wait for it.
/^bool vmm__engine_promote\(/,/^\}/s/if \(io->reqclass <=/if (1 || io->reqclass <=/
