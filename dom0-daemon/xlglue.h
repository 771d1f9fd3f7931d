/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xlglue.h: the toolstack, on libxl in libevent's loop. */
#ifndef VMMD_XLGLUE_H
#define VMMD_XLGLUE_H

#include "toolstack.h"

extern const struct toolstack_ops xlglue_ops;

#endif
