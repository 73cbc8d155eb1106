# --- fuzzing: libFuzzer on what sees foreign bytes

PACKAGES_fuzz = $(PACKAGES_test) clang llvm libclang-rt-dev

FUZZ         = $(PROOF)/fuzz
FUZZ_TARGETS = $(patsubst t/fuzz/fuzz_%.c,%,$(wildcard t/fuzz/fuzz_*.c))
FUZZ_CFLAGS  = -std=c99 -g -O1 -D_GNU_SOURCE $(WARNINGS) -Iinclude -It/unit \
               -fsanitize=fuzzer,address,undefined \
               -fno-sanitize-recover=undefined
FUZZ_COV     = -fprofile-instr-generate -fcoverage-mapping
FUZZ_DEPS    = $(CORE) $(HEADERS) $(wildcard t/fuzz/*.h t/unit/*.h) \
               proof/fuzz/fuzz.mk
REPLAYS      = $(patsubst t/fuzz/corpus/%,$(BUILD)/replay/%.t,\
                 $(wildcard t/fuzz/corpus/*))

.PHONY: fuzz check-fuzz

# all targets, or FUZZ_TARGETS="project time"
fuzz: deps-fuzz
	@$(MAKE) --no-print-directory \
	    $(foreach t,$(FUZZ_TARGETS),$(FUZZ)/$(t) $(FUZZ)/$(t).cov)
	@for target in $(FUZZ_TARGETS); do \
	    proof/fuzz/run $(FUZZ) $$target $(FUZZ_TIME) || exit 1; \
	done
	@proof/fuzz/report $(FUZZ) $(FUZZ_TARGETS)

$(FUZZ)/%: t/fuzz/fuzz_%.c $(FUZZ_DEPS)
	@mkdir -p $(@D)
	@echo "compiling $@"
	@clang $(FUZZ_CFLAGS) -o $@ $< $(CORE) $(UNIT_LIBS)

$(FUZZ)/%.cov: t/fuzz/fuzz_%.c $(FUZZ_DEPS)
	@mkdir -p $(@D)
	@echo "compiling $@"
	@clang $(FUZZ_CFLAGS) $(FUZZ_COV) -o $@ $< $(CORE) $(UNIT_LIBS)

# the seeds and every input that ever did harm, without a fuzzer, by gcc
check-fuzz: $(REPLAYS)
	$(PROVE) $(REPLAYS)

$(BUILD)/replay/%: t/fuzz/fuzz_%.c t/fuzz/replay.c $(CORE_OBJS) $(FUZZ_DEPS)
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(UNIT_CFLAGS) -It/unit -o $@ $< t/fuzz/replay.c $(CORE_OBJS) \
	    $(UNIT_LIBS)

$(BUILD)/replay/%.t: $(BUILD)/replay/% $(wildcard t/fuzz/corpus/*/*)
	@echo '#!/bin/sh' > $@
	@echo 'exec $(CURDIR)/$< $(CURDIR)/t/fuzz/corpus/$*/*' >> $@
	@chmod +x $@
