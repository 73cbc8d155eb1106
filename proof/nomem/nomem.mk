# --- without memory: every allocation of the core fails once

NOMEM_WRAP = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc -Wno-unused-result

.PHONY: test-nomem

test-nomem: proof-deps
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
