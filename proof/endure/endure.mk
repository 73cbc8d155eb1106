# --- a queue: 1,000,000 deliveries and 200 reloads, nothing grows

.PHONY: test-endure

test-endure: deps-test
	@$(MAKE) -s --no-print-directory $(MODULE) bench-build
	$(PROVE) -v proof/endure/endure.t
