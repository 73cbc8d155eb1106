# The benchmark, see docs/PERFORMANCE.md.  Nothing of it is part of make test
# but t/bench.t.

.PHONY: bench bench-build

BENCH        = $(BUILD)/bench
BENCH_CFLAGS = -std=c99 -D_GNU_SOURCE -O2 -g $(WARNINGS)
BENCH_TOOLS  = $(BENCH)/plum_load $(BENCH)/plum_sink

bench-build: $(BENCH_TOOLS) $(BENCH)/bodies

$(BENCH)/plum_load: bench/plum_load.c $(wildcard bench/load*.c) bench/load.h
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lssl -lcrypto

$(BENCH)/plum_%: bench/plum_%.c
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(BENCH_CFLAGS) -o $@ $<

$(BENCH)/bodies: bench/bodies
	@rm -rf $@
	@bench/bodies $@
	@touch $@
