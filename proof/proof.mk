# The evidence: what takes longer than make test, or needs more than it does.
# make help lists the targets, docs/PROOF.md says what each one shows.

PROOF          = $(BUILD)/proof
PROOF_PROVE    = $(PROVE)

# an NGINX of Debian's source, and the tests with it
PACKAGES_core = $(PACKAGES_test) dpkg-dev libpcre2-dev zlib1g-dev

# the tests to run: the demonstration and the bench bring an NGINX of their
# own, the model has none; and the seconds that each fuzz target gets
SUITE     = $(filter-out t/01_demo.t t/bench.t $(wildcard t/model*.t), \
              $(wildcard t/*.t))
FUZZ_TIME = 60

# an NGINX core to build, of Debian's source package
$(PROOF)/src/nginx/.complete:
	@echo "fetching the source of nginx"
	@proof/nginx-source $(PROOF)/src

include proof/asan/asan.mk
include proof/busy/busy.mk
include proof/coverage/coverage.mk
include proof/deb/deb.mk
include proof/endure/endure.mk
include proof/fuzz/fuzz.mk
include proof/lint/lint.mk
include proof/locks/locks.mk
include proof/matrix/matrix.mk
include proof/nginx-tests/nginx-tests.mk
include proof/nomem/nomem.mk
include proof/reloads/reloads.mk
include proof/short-io/short-io.mk
include proof/valgrind/valgrind.mk
