# make run    build the module and show it at work
# make test   build the module and run every test
# make help   the rest

.PHONY: all run test module unit check-t check-unit compdb lint clean \
        man install-tools help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

BUILD     = build
MODULE    = $(BUILD)/ngx_http_plum_module.so
NGINX_SRC = /usr/share/nginx/src
PROVE     = prove -j 3
CC        = cc

# What make deps-NAME installs: what the module is built with, what the
# demonstration needs as well, and what the tests need as well.  The lists of
# proof/ and bench/ are in the files of their targets.  A name must exist in
# Debian 12 and in all later releases.
PACKAGES_build  = gcc libc6-dev make pkg-config nginx nginx-dev libssl-dev \
                  libjansson-dev libhiredis-dev
PACKAGES_run    = $(PACKAGES_build) openssl perl libio-socket-ssl-perl \
                  libtext-csv-perl ca-certificates redis-server
PACKAGES_man    = perl help2man lowdown
PACKAGES_test   = $(PACKAGES_run) $(PACKAGES_man) curl faketime \
                  libcmocka-dev prometheus libcryptx-perl spin groff \
                  libnginx-mod-http-lua libnginx-mod-http-ndk \
                  libnginx-mod-http-headers-more-filter \
                  libnginx-mod-http-modsecurity libnginx-mod-http-js \
                  libnginx-mod-http-brotli-filter \
                  libnginx-mod-http-brotli-static
PACKAGES_compdb = $(PACKAGES_build) bear

CORE      = $(wildcard ngx_plum_module/core/*.c)
SOURCES   = $(CORE) $(wildcard ngx_plum_module/*.c ngx_plum_module/*/*.c)
HEADERS   = $(wildcard include/*.h)
CORE_OBJS = $(CORE:ngx_plum_module/core/%.c=$(BUILD)/core/%.o)
STORE     = $(wildcard ngx_plum_module/runtime/ngx_plum_*memory*.c)
UNITS     = $(patsubst t/unit/%.c,$(BUILD)/unit/%.t,$(wildcard t/unit/test_*.c))

# with the headers of NGINX, without NGINX
STORE_UNIT = $(BUILD)/unit/store_memory.t
STORE_INCS = -I$(BUILD)/objs $(addprefix -I$(NGINX_SRC)/src/,core event \
             event/modules event/quic os/unix)
RULES_UNIT = $(BUILD)/unit/same_rules.t
RULES      = ngx_plum_module/request/ngx_http_plum_rules.c
RULES_INCS = $(STORE_INCS) $(addprefix -I$(NGINX_SRC)/src/,http \
             http/modules http/v2 http/v3)
NGX_UNITS  = $(STORE_UNIT) $(RULES_UNIT)

WARNINGS     = -W -Wall -Wextra -Werror
# with clang -Wextra undoes the -Wno-unused-parameter that NGINX gives
NGX_WARNINGS = $(WARNINGS) -Wno-unused-parameter
CORE_CFLAGS  = -std=c99 -O2 -g -pedantic -Wconversion $(WARNINGS) -Iinclude
# cmocka 2 calls deprecated what cmocka 1 has nothing else for
UNIT_CFLAGS  = -std=c99 -D_GNU_SOURCE -O1 -g $(WARNINGS) -Iinclude \
               -Wno-deprecated-declarations \
               -fsanitize=address,undefined -fno-sanitize-recover=undefined
UNIT_LIBS    = -lcmocka -ljansson -lhiredis -lcrypto


all: $(MODULE)

run: deps-run
	$(MAKE) $(MODULE)
	tools/plum-demo --module $(MODULE)

test: deps-test
	$(MAKE) $(MODULE) unit
	$(PROVE) $(UNITS) $(NGX_UNITS) t/*.t

# installs the packages of PACKAGES_NAME that are missing; needs root only if
# one is
deps-%: FORCE
	@missing=; for p in $(PACKAGES_$*); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null \
	        | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
	    echo "installing:$$missing"; \
	    sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	    $$sudo apt-get -qq update && \
	    $$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	        apt-get -qq install --no-install-recommends -y $$missing \
	        > /dev/null; \
	fi

module: $(MODULE)

# NGINX's own configure, with the options the installed NGINX was built with;
# its objs/ is the whole of $(BUILD)/objs.  It runs again where a file comes or
# goes or another compiler is named, not where a file has changed.
$(BUILD)/objs/Makefile: config Makefile $(BUILD)/configured
	@echo "configuring $(MODULE)"
	@root=$$(pwd); cd $(NGINX_SRC) && bash -c '. ./conf_flags; \
	    ./configure "$${NGX_CONF_FLAGS[@]}" \
	    --with-cc="$(CC)" \
	    --with-cc-opt="-g -O2 $(NGX_WARNINGS) -fstack-protector-strong \
	        -Wformat -Werror=format-security -D_FORTIFY_SOURCE=2 -fPIC \
	        $(MODULE_CFLAGS)" \
	    --with-ld-opt="$(MODULE_LDFLAGS)" \
	    --add-dynamic-module='"$$root"' \
	    --builddir='"$$root"'/$(BUILD)/objs' \
	    > $$root/$(BUILD)/configure.log 2>&1 \
	    || { tail -n 20 $$root/$(BUILD)/configure.log; exit 1; }

# what was configured; written only where it differs
$(BUILD)/configured: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(CC) $(MODULE_CFLAGS) $(MODULE_LDFLAGS)' $(SOURCES) \
	    $(HEADERS) > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

FORCE:

$(MODULE): $(SOURCES) $(HEADERS) $(BUILD)/objs/Makefile
	@echo "compiling $@"
	@cd $(NGINX_SRC) && $(MAKE) -s -f $(CURDIR)/$(BUILD)/objs/Makefile modules
	@# an nginx that runs has the old one mapped
	@cp $(BUILD)/objs/ngx_http_plum_module.so $@.new && mv $@.new $@

unit: $(UNITS) $(NGX_UNITS)

$(BUILD)/core/%.o: ngx_plum_module/core/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(CORE_CFLAGS) -fsanitize=address,undefined \
	    -fno-sanitize-recover=undefined -c -o $@ $<

# what is a part of another file
$(BUILD)/core/plum_walk_avx2.o: ngx_plum_module/core/plum_walk.c
$(BUILD)/unit/test_scan_avx2.t $(BUILD)/unit/test_scan_plain.t: \
    t/unit/test_scan.c

$(BUILD)/unit/%.t: t/unit/%.c $(wildcard t/unit/*.h) $(CORE_OBJS)
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(UNIT_CFLAGS) -o $@ $< $(CORE_OBJS) $(UNIT_LIBS)

$(STORE_UNIT): t/unit/store_memory.c t/unit/unit.h $(STORE) $(HEADERS) \
    | $(MODULE)
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(filter-out -std=%,$(UNIT_CFLAGS)) -Wno-unused-parameter \
	    $(STORE_INCS) -o $@ $< $(STORE) -lcmocka -lcrypto

$(RULES_UNIT): t/unit/same_rules.c t/unit/unit.h $(RULES) $(HEADERS) \
    | $(MODULE)
	@mkdir -p $(@D)
	@echo "compiling $@"
	@$(CC) $(filter-out -std=%,$(UNIT_CFLAGS)) -Wno-unused-parameter \
	    $(RULES_INCS) -o $@ $< $(RULES) -lcmocka

check-unit: unit
	$(PROVE) $(UNITS) $(NGX_UNITS)

check-t: $(MODULE)
	$(PROVE) t/*.t

# for clangd and other tools that read how each file is compiled
compdb: deps-compdb
	@$(MAKE) --no-print-directory module
	cd $(NGINX_SRC) && bear --output $(CURDIR)/compile_commands.json -- \
	    $(MAKE) -s -B -f $(CURDIR)/$(BUILD)/objs/Makefile modules

# --- the tools, and the manual pages: made of --help and of DIRECTIVES.md

TOOLS    = plum-send plum-queue plum-policy plum-pseudonym
MAN      = $(BUILD)/man
MANPAGES = $(TOOLS:%=$(MAN)/%.1) $(MAN)/ngx_http_plum_module.5
VERSION  = $(shell sed -n 's/^Changes with ngx_plum_module \([^ ]*\) .*/\1/p' \
             CHANGES | head -n 1)
PREFIX   = /usr/local
SHARE    = $(DESTDIR)$(PREFIX)/share

WHAT_plum-send   = sign a webhook delivery and post it
WHAT_plum-queue  = look into a durable queue of ngx_http_plum_module
WHAT_plum-pseudonym = make the pseudonyms of ngx_http_plum_module
WHAT_plum-policy = what is in force at each gate of ngx_http_plum_module

man: $(MANPAGES)

$(MAN)/%.1: tools/% docs/man/see-also.h2m CHANGES Makefile
	@mkdir -p $(@D)
	@help2man --no-info --section=1 --name="$(WHAT_$*)" \
	    --version-string="$(VERSION)" --include=docs/man/see-also.h2m --output=$@ $<

$(MAN)/ngx_http_plum_module.5: docs/man/name.md docs/DIRECTIVES.md CHANGES Makefile
	@mkdir -p $(@D)
	@{ cat docs/man/name.md; echo; cat docs/DIRECTIVES.md; } \
	    | lowdown -s -tman --nroff-nolinks --parse-no-intraemph \
	    -M title=ngx_http_plum_module -M section=5 \
	    -M volume="NGINX modules" -M source="ngx_plum_module $(VERSION)" \
	    -M shiftheadinglevelby=-1 > $@
	@sed -i 's/\\e|/|/g' $@

# not the module itself, whose place only NGINX's own "make install" knows
install-tools: man
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/man/man5 \
	    $(SHARE)/ngx_plum_module/lib/Plum/Policy
	install -m 644 $(filter %.1,$(MANPAGES)) $(SHARE)/man/man1
	install -m 644 $(filter %.5,$(MANPAGES)) $(SHARE)/man/man5
	install $(TOOLS:%=tools/%) $(SHARE)/ngx_plum_module
	install -m 644 $(filter-out %/Stage.pm,$(wildcard tools/lib/Plum/*.pm)) \
	    $(SHARE)/ngx_plum_module/lib/Plum
	install -m 644 tools/lib/Plum/Policy/*.pm \
	    $(SHARE)/ngx_plum_module/lib/Plum/Policy
	for tool in $(TOOLS); do ln -sf ../share/ngx_plum_module/$$tool \
	    $(DESTDIR)$(PREFIX)/bin/$$tool || exit 1; done

include proof/proof.mk

include bench/bench.mk

clean:
	rm -rf $(BUILD)

help:
	@echo 'make          build $(MODULE)'
	@echo 'make run      build, start the gateway with a demo consumer, send'
	@echo '              five deliveries, stay up until Ctrl-C'
	@echo 'make test     install what is missing, build, run every test'
	@echo 'make check-t, make check-unit   some of the tests'
	@echo 'make test-asan  the tests with NGINX and module under sanitizers'
	@echo 'make fuzz     every fuzz target for FUZZ_TIME=60 seconds each'
	@echo 'make check-fuzz   their seeds, and what they have found, once'
	@echo 'make bench    what the gateway costs, beside others; ARGS: bench/run'
	@echo 'make bench-scale, bench-soak MINUTES=10, bench-micro,'
	@echo '     bench-instructions   as things grow, for long, the core alone'
	@echo 'make lint     clang-tidy, cppcheck, style'
	@echo 'make compdb   compile_commands.json, for clangd'
	@echo 'make coverage   lines and branches that the tests run'
	@echo 'make package  the Debian package, in build/proof/deb'
	@echo 'make deb      the same, tried in a clean root (root)'
	@echo 'make test-deb   the same on Debian 12 and 13 (root)'
	@echo 'make test-valgrind   some of the tests under valgrind'
	@echo 'make test-short      the tests with every read and write cut short'
	@echo 'make test-locks   no zone is touched without its mutex'
	@echo 'make test-nginx SUITE=dir   a checkout of nginx-tests, compared'
	@echo 'make test-reloads   200 reloads under load: nothing grows'
	@echo 'make test-endure   a queue: 1,000,000 deliveries and 200 reloads'
	@echo 'make test-matrix    builds and tests on Debian trixie and sid (root)'
	@echo 'make test-beside    the tests with five other modules loaded'
	@echo 'make test-static    the tests with the module built into NGINX'
	@echo 'make test-busy    the tests, 30 times on a busy machine'
	@echo 'make test-nomem   every allocation of the core fails once'
	@echo 'make man      manual pages, in $(MAN)'
	@echo 'make install-tools   tools and manual pages, in PREFIX=/usr/local'
	@echo 'make clean    remove $(BUILD)/'
