# region/purge.c
s/^        if \(!rc \&\& moved\) \{/        if (rc) {/
