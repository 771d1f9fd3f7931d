# hvm-hooks/vmm_session.c
s/vcpu_unpause\(v\);/;/
