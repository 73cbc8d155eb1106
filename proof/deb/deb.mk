# --- the Debian package, and what it does in a clean root

DEB = $(PROOF)/deb

.PHONY: deb

deb: proof-deps
	@echo "building the package"
	@proof/deb/build $(DEB)
	@echo "trying it in a clean root"
	@proof/root $$(. /etc/os-release && echo $$VERSION_CODENAME) \
	    $(PROOF)/root/deb
	@proof/deb/check $(DEB)/libnginx-mod-http-plum_*.deb $(PROOF)/root/deb
