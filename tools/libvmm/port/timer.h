/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* timer.h: the monotonic clock, with a timerfd that can be armed. */
#ifndef VMM_PORT_TIMER_H
#define VMM_PORT_TIMER_H

#include "table/clock.h"

int vmm__timer_open(struct vmm__clock *clock_out, int *fd_out);
void vmm__timer_close(struct vmm__clock *clock);

#endif
