# --- 200 reloads under load: nothing grows

.PHONY: test-reloads

test-reloads: deps-test
	@$(MAKE) -s --no-print-directory $(MODULE)
	$(PROVE) -v proof/reloads/reloads.t
