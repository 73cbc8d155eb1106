# --- without memory: every allocation of the core fails once

NOMEM_WRAP = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc -Wno-unused-result

.PHONY: test-nomem test-nomem-gateway

test-nomem: deps-core
	@$(MAKE) -s --no-print-directory $(PROOF)/nomem.t
	$(PROVE) -v $(PROOF)/nomem.t

$(PROOF)/nomem.t: proof/nomem/core.c $(CORE_OBJS) $(wildcard t/unit/*.h)
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(UNIT_CFLAGS) -It/unit $(NOMEM_WRAP) -o $@ $< $(CORE_OBJS) \
	    $(UNIT_LIBS)

$(PROOF)/coverage/nomem.t: proof/nomem/core.c $(COVERAGE_CORE)
	@gcc $(filter-out -fsanitize=% -fno-sanitize%,$(UNIT_CFLAGS)) --coverage \
	    -It/unit $(NOMEM_WRAP) -o $@ $< $(COVERAGE_CORE) $(UNIT_LIBS)

# the same for a gateway under load, by chance, with sanitizers
NOMEM      = $(PROOF)/nomem
FAIL_FLAGS = -include $(CURDIR)/proof/nomem/fail.h -Wno-unused-function

test-nomem: test-nomem-gateway

test-nomem-gateway: deps-core
	@$(MAKE) -s --no-print-directory $(NOMEM)/objs/nginx
	PLUM_MODULE=static TEST_NGINX_BINARY=$(CURDIR)/$(NOMEM)/objs/nginx \
	    ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=print_suppressions=0 \
	    $(PROVE) proof/nomem/gateway.t proof/nomem/queue.t
	PLUM_MODULE=static TEST_NGINX_BINARY=$(CURDIR)/$(NOMEM)/objs/nginx \
	    ASAN_OPTIONS=detect_leaks=0 $(PROVE) proof/nomem/config.t

$(NOMEM)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/nomem/fail.h $(ASAN_LEAKS) | $(PROOF)/src/nginx/.complete
	@echo "building nginx without memory"
	@CC=gcc CC_OPT='-O1 -DNGX_DEBUG_PALLOC=1 $(ASAN_FLAGS) $(ASAN_CORE)' \
	    LD_OPT='$(ASAN_FLAGS) $(CURDIR)/$(ASAN_LEAKS)' \
	    MODULE_OPT='$(FAIL_FLAGS)' \
	    proof/nginx-build $(PROOF)/src/nginx $(NOMEM)
