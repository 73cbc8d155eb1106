# --- lock discipline: a zone cannot be touched without its mutex

LOCKS       = $(PROOF)/locks
LOCKS_SUITE = $(addprefix t/,store_memory.t idempotency.t in_flight.t settle.t \
              hangup.t reload.t storm.t deliver.t deliver_breaker.t \
              deliver_reload.t)
LOCKS_WRAP  = $(addprefix -Wl$(comma)--wrap=ngx_,plum_memory_init shmtx_lock \
              shmtx_trylock shmtx_unlock shm_free)
LOCKS_ENV   = PLUM_MODULE=static \
              TEST_NGINX_BINARY=$(CURDIR)/$(LOCKS)/objs/nginx
comma       = ,

.PHONY: test-locks

# the last steps: with the locking left out, the same checks must fail
test-locks: deps-core
	@$(MAKE) -s --no-print-directory $(LOCKS)/objs/nginx
	$(LOCKS_ENV) $(PROOF_PROVE) $(LOCKS_SUITE)
	@echo "without the locking:"
	@! $(LOCKS_ENV) PLUM_LOCKS=skip $(PROVE) t/store_memory.t \
	    > $(LOCKS)/skip.log 2>&1
	@grep -om 1 'exited on signal 11' $(LOCKS)/skip.log
	@! $(LOCKS_ENV) PLUM_LOCKS=skip $(PROVE) t/deliver.t \
	    > $(LOCKS)/skip.log 2>&1
	@grep -om 1 'exited on signal 11' $(LOCKS)/skip.log

$(LOCKS)/objs/nginx: $(SOURCES) $(HEADERS) config proof/nginx-build \
    proof/locks/locks.c | $(PROOF)/src/nginx/.complete
	@echo "building nginx that guards its zones"
	@CC=gcc CC_OPT=-O1 proof/nginx-build $(PROOF)/src/nginx $(LOCKS)
	@cd $(PROOF)/src/nginx && gcc -O1 -g $(NGX_WARNINGS) \
	    -c -o $(CURDIR)/$(LOCKS)/locks.o \
	    $(addprefix -Isrc/,core event event/modules os/unix) \
	    -I$(CURDIR)/$(LOCKS)/objs $(CURDIR)/proof/locks/locks.c
	@rm $@
	@cd $(PROOF)/src/nginx && $(MAKE) -s -f $(CURDIR)/$(LOCKS)/objs/Makefile \
	    LINK='gcc $(LOCKS_WRAP) $(CURDIR)/$(LOCKS)/locks.o'
