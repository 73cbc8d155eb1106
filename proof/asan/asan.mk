# --- sanitizers: NGINX and module

# NGINX trips four checks of its own; the module is built with all of them.
# NGX_DEBUG_PALLOC makes every block of a pool one of malloc's.

ASAN       = $(PROOF)/asan
ASAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=undefined \
             -fno-omit-frame-pointer
ASAN_CORE  = -fno-sanitize=nonnull-attribute,alignment,shift,pointer-overflow

ASAN_LEAKS = $(ASAN)/leaks.o

$(ASAN_LEAKS): proof/asan/leaks.c
	@mkdir -p $(@D)
	@gcc $(WARNINGS) -c -o $@ $<

$(ASAN)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/asan/asan.mk $(ASAN_LEAKS) | $(PROOF)/src/nginx/.complete
	@echo "building nginx with sanitizers"
	@CC=gcc CC_OPT='-O1 -DNGX_DEBUG_PALLOC=1 $(ASAN_FLAGS) $(ASAN_CORE)' \
	    LD_OPT='$(ASAN_FLAGS) $(CURDIR)/$(ASAN_LEAKS)' \
	    MODULE_OPT='-fsanitize=undefined' \
	    proof/nginx-build $(PROOF)/src/nginx $(ASAN)

.PHONY: test-asan

test-asan: deps-core
	@$(MAKE) --no-print-directory $(ASAN)/objs/nginx
	PLUM_MODULE=static TEST_NGINX_BINARY=$(CURDIR)/proof/asan/nginx \
	    $(PROOF_PROVE) $(SUITE)
