# The evidence: what takes longer than make test, or needs more than it does.
# make help lists the targets; docs/PROOF.md says what each one shows.

PROOF          = $(BUILD)/proof
PROOF_PROVE    = $(PROVE)
PROOF_PACKAGES = dpkg-dev libpcre2-dev zlib1g-dev

# the tests to run, and the seconds that each fuzz target gets
SUITE     = t/*.t
FUZZ_TIME = 60

.PHONY: proof-deps test-asan

proof-deps:
	@$(MAKE) --no-print-directory deps \
	    PACKAGES='$(PACKAGES) $(PROOF_PACKAGES)'

# an NGINX core to build, of Debian's source package
$(PROOF)/src/nginx/.complete:
	@echo "fetching the source of nginx"
	@proof/nginx-source $(PROOF)/src


# --- sanitizers

# NGINX trips four checks of its own; the module is built with all of them.
# NGX_DEBUG_PALLOC makes every block of a pool one of malloc's.

ASAN       = $(PROOF)/asan
ASAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=undefined \
             -fno-omit-frame-pointer
ASAN_CORE  = -fno-sanitize=nonnull-attribute,alignment,shift,pointer-overflow

$(ASAN)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/proof.mk | $(PROOF)/src/nginx/.complete
	@echo "building nginx with sanitizers"
	@CC=gcc CC_OPT='-O1 -DNGX_DEBUG_PALLOC=1 $(ASAN_FLAGS) $(ASAN_CORE)' \
	    LD_OPT='$(ASAN_FLAGS)' MODULE_OPT='-fsanitize=undefined' \
	    proof/nginx-build $(PROOF)/src/nginx $(ASAN)

test-asan: proof-deps
	@$(MAKE) --no-print-directory $(ASAN)/objs/nginx
	PLUM_MODULE=static TEST_NGINX_BINARY=$(CURDIR)/proof/asan/nginx \
	    $(PROOF_PROVE) $(SUITE)
