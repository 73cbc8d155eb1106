# --- NGINX's own suite, with our module loaded and without

NGINX_TESTS         = $(PROOF)/nginx-tests
NGINX_TESTS_MODULES = $(addprefix --with-, http_addition_module \
    http_flv_module http_gunzip_module http_gzip_static_module \
    http_mp4_module http_random_index_module http_secure_link_module \
    http_sub_module mail mail_ssl_module stream stream_realip_module \
    stream_ssl_module stream_ssl_preread_module)

.PHONY: test-nginx

# SUITE: a checkout of nginx-tests; FILES: some of it
test-nginx: deps-core
	@[ -e '$(SUITE)/lib/Test/Nginx.pm' ] || { \
	    echo 'usage: make test-nginx SUITE=checkout-of-nginx-tests'; exit 2; }
	@$(MAKE) -s --no-print-directory SUITE= $(NGINX_TESTS)/objs/nginx
	@proof/nginx-tests/run '$(SUITE)' $(NGINX_TESTS)/objs/nginx \
	    $(NGINX_TESTS)/objs/ngx_http_plum_module.so $(FILES)

$(NGINX_TESTS)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/nginx-tests/nginx-tests.mk | $(PROOF)/src/nginx/.complete
	@echo "building nginx for its own suite"
	@PLUM=dynamic CC_OPT=-O1 proof/nginx-build $(PROOF)/src/nginx \
	    $(NGINX_TESTS) $(NGINX_TESTS_MODULES)
