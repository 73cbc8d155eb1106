# The benchmark, see docs/PERFORMANCE.md.  Nothing of it is part of make test
# but t/bench.t.

.PHONY: bench bench-build bench-deps bench-micro bench-instructions \
        bench-scale bench-soak

BENCH        = $(BUILD)/bench
BENCH_CFLAGS = -std=c99 -D_GNU_SOURCE -O2 -g $(WARNINGS)
BENCH_TOOLS  = $(patsubst bench/%.c,$(BENCH)/%,$(wildcard bench/plum_*.c))

PACKAGES_bench = $(PACKAGES_test) lua-cjson nodejs util-linux valgrind
PACKAGES_npm   = npm

bench-build: $(BENCH_TOOLS) $(BENCH)/bodies

$(BENCH)/plum_load: bench/plum_load.c $(wildcard bench/load*.c) bench/load.h
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lssl -lcrypto -lm

$(BENCH)/plum_%: bench/plum_%.c
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(BENCH_CFLAGS) -o $@ $<

$(BENCH)/bodies: bench/bodies
	@rm -rf $@
	@bench/bodies $@
	@touch $@

# peers, from Debian and npm; without the latter there is no Node.js row
bench-deps: deps-bench
	@command -v npm > /dev/null || $(MAKE) -s deps-npm
	-@$(MAKE) -s $(BENCH)/node/node_modules

NODE_PACKAGES = $(if $(shell node -p 'process.versions.node >= "20" || ""' \
                    2> /dev/null),package,package-18)

$(BENCH)/node/node_modules: $(wildcard bench/peers/node/*.json)
	@mkdir -p $(@D)
	@cp bench/peers/node/$(NODE_PACKAGES).json $(@D)/package.json
	@echo "installing fastify, ioredis, bullmq, undici into $@"
	@cd $(@D) && npm install --no-audit --no-fund --loglevel=error
	@touch $@

# the standard run, at most ten minutes; ARGS: see bench/run
bench: bench-deps
	@$(MAKE) -s $(MODULE) bench-build
	@bench/run $(ARGS)

# the core alone, with the very objects of the module
MICRO_OBJS = $(CORE:ngx_plum_module/core/%.c=$(BUILD)/objs/addon/core/%.o)

$(BENCH)/micro: $(wildcard bench/micro*.c) bench/micro.h $(MODULE)
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(BENCH_CFLAGS) -Iinclude -o $@ $(filter %.c,$^) $(MICRO_OBJS) \
	    -ljansson -lhiredis -lcrypto

bench-micro: bench-deps
	@$(MAKE) -s $(MODULE) $(BENCH)/micro $(BENCH)/bodies
	@bench/micro

bench-instructions: bench-deps
	@$(MAKE) -s $(MODULE) $(BENCH)/micro bench-build
	@bench/instructions $(ARGS)

bench-scale: bench-deps
	@$(MAKE) -s $(MODULE) bench-build
	@bench/scale $(ARGS)

MINUTES = 10

bench-soak: bench-deps
	@$(MAKE) -s $(MODULE) bench-build
	@bench/soak --minutes $(MINUTES) $(ARGS)
