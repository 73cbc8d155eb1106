# --- the tests on a busy machine: twenty times while loops take all
# processors, ten times while stress-ng works on disk and memory.  SUITE picks
# tests; 0 rounds leave a kind of load out.

PACKAGES_busy = $(PACKAGES_test) stress-ng

BUSY          = $(PROOF)/busy
BUSY_ROUNDS   = 20
STRESS_ROUNDS = 10
BUSY_SUITE    = $(UNITS) $(NGX_UNITS) $(wildcard t/*.t)
BUSY_COMMAND  = $(PROVE) \
                $(if $(filter file,$(origin SUITE)),$(BUSY_SUITE),$(SUITE))

.PHONY: test-busy

test-busy: deps-busy
	@$(MAKE) -s --no-print-directory $(MODULE) unit
	@proof/busy/rounds $(BUSY) loops $(BUSY_ROUNDS) $(BUSY_COMMAND)
	@proof/busy/rounds $(BUSY) stress $(STRESS_ROUNDS) $(BUSY_COMMAND)
