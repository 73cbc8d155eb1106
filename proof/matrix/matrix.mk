# --- other NGINX: the module within, and other Debians

STATIC   = $(PROOF)/static
DEBIANS  = trixie sid

.PHONY: test-static test-matrix

test-static: proof-deps
	@$(MAKE) -s --no-print-directory $(STATIC)/objs/nginx
	PLUM_MODULE=static TEST_NGINX_BINARY=$(CURDIR)/$(STATIC)/objs/nginx \
	    $(PROOF_PROVE) $(SUITE)

$(STATIC)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/matrix/matrix.mk | $(PROOF)/src/nginx/.complete
	@echo "building nginx with the module in it"
	@CC='$(CC)' CC_OPT='-O2 $(WARNINGS)' \
	    proof/nginx-build $(PROOF)/src/nginx $(STATIC)

# root only: roots are made by debootstrap
test-matrix: proof-deps
	@for debian in $(DEBIANS); do \
	    proof/matrix/run $$debian $(PROOF)/root/$$debian || exit 1; \
	done
