# hvm-hooks/vmm_op.c
s/\(!rc \|\| rc == -ERESTART\)/!rc/
