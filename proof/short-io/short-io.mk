# --- bad transport: every read and write of NGINX on a socket cut short

SHORT_IO = $(PROOF)/short_io.so

.PHONY: test-short

# that some were is part of the test
test-short: deps-test
	@$(MAKE) -s --no-print-directory $(MODULE) $(SHORT_IO)
	@rm -f $(PROOF)/short_io.log
	SHORT_IO_LOG=$(CURDIR)/$(PROOF)/short_io.log \
	    TEST_NGINX_BINARY=$(CURDIR)/proof/short-io/nginx \
	    $(PROOF_PROVE) $(SUITE)
	@awk '{ cut += $$1; delayed += $$2 } END { \
	    print cut + 0 " reads and writes cut, " delayed + 0 " delayed"; \
	    exit !(cut && delayed) }' $(PROOF)/short_io.log

$(SHORT_IO): proof/short-io/short_io.c
	@mkdir -p $(@D)
	@$(CC) -shared -fPIC -O2 $(WARNINGS) -U_FORTIFY_SOURCE -o $@ $< -ldl
