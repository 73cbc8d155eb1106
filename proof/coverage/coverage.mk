# --- coverage: what the tests run of module and core

PACKAGES_coverage = $(PACKAGES_core) gcovr

COVERAGE       = $(PROOF)/coverage
COVERAGE_FLAGS = --coverage -O0 -fprofile-abs-path
COVERAGE_CORE  = $(CORE:ngx_plum_module/core/%.c=$(COVERAGE)/core/%.o)
COVERAGE_STORE = $(STORE_UNIT:$(BUILD)/%=$(COVERAGE)/%)
COVERAGE_UNITS = $(UNITS:$(BUILD)/unit/%=$(COVERAGE)/unit/%) \
                 $(COVERAGE_STORE) $(COVERAGE)/nomem.t

.PHONY: coverage

# counts of an older run do not fit a newer build, and say nothing of this one
coverage: deps-coverage
	@$(MAKE) -s --no-print-directory $(COVERAGE)/objs/nginx $(COVERAGE_UNITS)
	@find $(COVERAGE) -name '*.gcda' -delete
	@chmod -R a+rwX $(COVERAGE)
	-$(PROOF_PROVE) $(COVERAGE_UNITS)
	-PLUM_MODULE=static TEST_NGINX_BINARY=$(CURDIR)/proof/coverage/nginx \
	    $(PROOF_PROVE) $(SUITE) proof/nomem/*.t
	@proof/coverage/report $(COVERAGE)

$(COVERAGE)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/nomem/fail.h proof/coverage/coverage.mk | $(PROOF)/src/nginx/.complete
	@echo "building nginx with counters"
	@CC=gcc CC_OPT=-O1 LD_OPT=--coverage \
	    MODULE_OPT='$(COVERAGE_FLAGS) $(FAIL_FLAGS)' \
	    proof/nginx-build $(PROOF)/src/nginx $(COVERAGE)

$(COVERAGE)/core/%.o: ngx_plum_module/core/%.c $(HEADERS)
	@mkdir -p $(@D)
	@gcc $(filter-out -O2,$(CORE_CFLAGS)) $(COVERAGE_FLAGS) -c -o $@ $<

$(COVERAGE)/unit/%.t: t/unit/%.c $(wildcard t/unit/*.h) $(COVERAGE_CORE)
	@mkdir -p $(@D)
	@gcc $(filter-out -fsanitize=% -fno-sanitize%,$(UNIT_CFLAGS)) --coverage \
	    -o $@ $< $(COVERAGE_CORE) $(UNIT_LIBS)

$(COVERAGE_STORE): t/unit/store_memory.c t/unit/unit.h $(STORE) $(HEADERS) \
    | $(MODULE)
	@mkdir -p $(@D)
	@gcc $(filter-out -std=% -fsanitize=% -fno-sanitize%,$(UNIT_CFLAGS)) \
	    -Wno-unused-parameter $(COVERAGE_FLAGS) $(STORE_INCS) \
	    -o $@ $< $(STORE) -lcmocka -lcrypto
