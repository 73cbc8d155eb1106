# --- the Debian package, and what it does in a clean root

DEB         = $(PROOF)/deb
DEB_DEBIANS = bookworm trixie

PACKAGES_package = build-essential debhelper nginx-dev libhiredis-dev \
                   libjansson-dev libssl-dev lintian $(PACKAGES_man)
PACKAGES_debian  = curl debootstrap openssl
PACKAGES_deb     = $(PACKAGES_package) $(PACKAGES_debian)

.PHONY: package deb test-deb

package: deps-package
	@echo "building the package"
	@proof/deb/build $(DEB)

# root only: roots are made by debootstrap
deb: deps-deb package
	@echo "trying it in a clean root"
	@proof/root $$(. /etc/os-release && echo $$VERSION_CODENAME) \
	    $(PROOF)/root/deb
	@proof/deb/check $(DEB)/libnginx-mod-http-plum_*.deb $(PROOF)/root/deb

# built in a clean root as well, with what that Debian has
test-deb: deps-debian
	@for debian in $(DEB_DEBIANS); do \
	    proof/deb/run $$debian $(PROOF)/root || exit 1; \
	done
