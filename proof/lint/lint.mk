# --- what reads the code

PACKAGES_lint = $(PACKAGES_build) perl clang-tidy cppcheck

LINT       = $(PROOF)/lint
LINT_C     = $(patsubst %.c,$(LINT)/%.ok,$(sort $(SOURCES)))
LINT_INCS  = -Iinclude -I$(BUILD)/objs $(addprefix -I$(NGINX_SRC)/src/, core \
             event event/modules os/unix http http/modules http/v2)
LINT_STYLE = $(sort $(SOURCES)) $(HEADERS) \
             $(wildcard t/fuzz/*.[ch] proof/*.[ch] proof/*/*.[ch])

# of clang-tidy: its model of malloc() does not see through ngx_queue_t; and
# only the core may not recurse
LINT_TIDY  = --checks=-clang-analyzer-unix.Malloc,-misc-no-recursion

# from the lowest to the highest
LINT_LAYERS = $(addprefix ngx_plum_module/,core redis runtime request \
              delivery status policy) ngx_plum_module

.PHONY: lint lint-style lint-circles lint-cppcheck

lint: deps-lint
	@$(MAKE) --no-print-directory $(MODULE)
	@$(MAKE) -s --no-print-directory -k lint-style lint-circles \
	    lint-cppcheck $(LINT_C)

lint-style:
	@echo "style of $(words $(LINT_STYLE)) files"
	@proof/lint/style $(LINT_STYLE)

lint-circles:
	@proof/lint/circles $(LINT_LAYERS)

# ngx_auto_config.h and the like are found, what they include is not needed
lint-cppcheck:
	@echo "cppcheck"
	@cppcheck --quiet --error-exitcode=1 --std=c99 --inline-suppr \
	    --enable=warning,performance,portability \
	    --suppressions-list=proof/lint/cppcheck.suppressions \
	    -D__SSE2__ -U__BYTE_ORDER__ $(LINT_INCS) \
	    $(sort $(SOURCES))

$(LINT)/ngx_plum_module/core/%.ok: ngx_plum_module/core/%.c $(HEADERS) \
    .clang-tidy
	@mkdir -p $(@D)
	@echo "clang-tidy $<"
	@clang-tidy --quiet $< -- $(filter -std=% -I%,$(CORE_CFLAGS)) \
	    2> $@.log || { cat $@.log; exit 1; }
	@touch $@

$(LINT)/%.ok: %.c $(HEADERS) .clang-tidy
	@mkdir -p $(@D)
	@echo "clang-tidy $<"
	@clang-tidy --quiet $(LINT_TIDY) $< -- $(LINT_INCS) \
	    2> $@.log || { cat $@.log; exit 1; }
	@touch $@
