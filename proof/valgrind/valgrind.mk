# --- valgrind: uninitialized values, which the sanitizers do not see.  Tests
# that reload tell workers apart by their titles, which valgrind hides; the
# sanitizers run those.

PACKAGES_valgrind = $(PACKAGES_core) valgrind

VALGRIND       = $(PROOF)/valgrind
VALGRIND_SUITE = $(addprefix t/,00_harness.t ack.t deliver.t hangup.t \
                 idempotency.t in_flight.t project.t pseudonym.t \
                 queue_accept.t redis.t redis_fake.t settle.t \
                 signature.t smuggling.t status_counts.t tls.t variables.t)

.PHONY: test-valgrind

test-valgrind: deps-valgrind
	@$(MAKE) -s --no-print-directory $(VALGRIND)/objs/nginx
	PLUM_MODULE=static TEST_NGINX_BINARY=$(CURDIR)/$(VALGRIND)/objs/nginx \
	    TEST_NGINX_WRAPPER='$(CURDIR)/proof/valgrind/run %%TESTDIR%%' \
	    $(PROOF_PROVE) $(if $(filter file,$(origin SUITE)),$(VALGRIND_SUITE),$(SUITE))

# one allocation a block, so that valgrind knows where each one ends
$(VALGRIND)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/valgrind/valgrind.mk | $(PROOF)/src/nginx/.complete
	@echo "building nginx for valgrind"
	@CC=gcc CC_OPT='-O1 -DNGX_DEBUG_PALLOC=1' \
	    proof/nginx-build $(PROOF)/src/nginx $(VALGRIND)
