# --- other NGINX: the module within, and other Debians

PACKAGES_matrix = $(PACKAGES_core) clang libclang-rt-dev

STATIC   = $(PROOF)/static
DEBIANS  = trixie sid

.PHONY: test-static test-beside test-matrix

# those that people load beside ours, in front of it as Debian numbers them
BESIDE = $(patsubst %,/usr/lib/nginx/modules/%_module.so,ndk_http \
         ngx_http_brotli_filter ngx_http_brotli_static \
         ngx_http_headers_more_filter ngx_http_js ngx_http_lua \
         ngx_http_modsecurity)

test-beside: deps-test
	@$(MAKE) -s --no-print-directory $(MODULE)
	TEST_NGINX_MODULES='$(BESIDE)' $(PROOF_PROVE) $(SUITE)

test-static: deps-core
	@$(MAKE) -s --no-print-directory $(STATIC)/objs/nginx
	PLUM_MODULE=static TEST_NGINX_BINARY=$(CURDIR)/$(STATIC)/objs/nginx \
	    $(PROOF_PROVE) $(SUITE)

$(STATIC)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/matrix/matrix.mk | $(PROOF)/src/nginx/.complete
	@echo "building nginx with the module in it"
	@CC='$(CC)' CC_OPT='-O2 $(NGX_WARNINGS)' \
	    proof/nginx-build $(PROOF)/src/nginx $(STATIC)

# root only: roots are made by debootstrap
test-matrix: deps-debian test-deb
	@for debian in $(DEBIANS); do \
	    proof/matrix/run $$debian $(PROOF)/root/$$debian || exit 1; \
	done
