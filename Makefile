# The two commands of a fresh machine with Go and make:
#   make demo   shows the main job: senders named by their first packet
#   make test   installs what the tests need (as root; says so first), runs all
#
# The others are for those who work on mxprint; CONTRIBUTING.md says when.

GO      ?= go
BIN     := bin
export CGO_ENABLED = 0

# What one checkout has built, another one takes from the cache: neither its path nor
# its commit is part of it, but for the program that build makes.
export GOFLAGS := $(shell $(GO) env GOFLAGS) -trimpath -buildvcs=false

# The same commit gives the same program, wherever the checkout is.
COMMIT  := $(shell git describe --always --abbrev=12 --match= --dirty 2>/dev/null)
LDFLAGS := -X main.commit=$(COMMIT)

E2E := amavis balancer exim fleet haraka observe opensmtpd packages postfix rspamd sendmail site web

.PHONY: attack vuln test-web test-fleet build man packages demo deps test short lint diff sim kills store-rate store-older sweep sweep-config fuzz bench bench-peers bpf lab lab-stacks lab-idle lab-hellos lab-dialects clean $(E2E:%=e2e-%)

build:
	$(GO) build -ldflags='$(LDFLAGS)' -o $(BIN)/mxprint ./cmd/mxprint
	ln -sf mxprint $(BIN)/p0f

# Manual pages and the completion of shells, from what the program says of itself.
man: build
	$(GO) run ./internal/test/manpage -program $(BIN)/mxprint -o dist/man -date $$(git log -1 --format=%cs 2>/dev/null || date +%F)
	mkdir -p dist/completion
	for shell in bash zsh fish; do $(BIN)/mxprint completion $$shell >dist/completion/$$shell || exit 1; done

# .deb and .rpm in dist/packages; VERSION=… and GOARCH=… for others.
packages:
	scripts/packages

$(BIN)/nfpm: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$(BIN)/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm

demo: build
	$(BIN)/mxprint demo

deps:
	scripts/deps

# -count=1: the test cache does not see the programs that tests build.
test: deps
	$(GO) test -count=1 -timeout 15m ./...

# Without installing anything: what cannot run says why.
short:
	$(GO) test -count=1 -timeout 15m ./...

test-web: deps # the page in a real Chromium; MXPRINT_SHOTS=DIR keeps the screenshots
	cd tools/webtest && npm ci --ignore-scripts --no-audit --no-fund && $(GO) test -count=1 -timeout 15m ./...

# Many sensors: several exchangers and one store, with Sentinel, a Cluster and faults in the middle of 1,000
# mails, and the reports of two sites, by Redis and by the Valkey of Debian 13; history with ClickHouse away for a while,
# ten minutes unless FLEET_AWAY=1m is given; and what a connection takes of each tier (docs/scale.md).
FLEET_AWAY ?= 10m
test-fleet: deps
	MXPRINT_FLEET=1 $(GO) test -count=1 -timeout 30m -v ./e2e/fleet ./internal/shared
	MXPRINT_FLEET=1 MXPRINT_FLEET_SERVER=valkey $(GO) test -count=1 -timeout 30m -v ./e2e/fleet ./internal/shared
	MXPRINT_FLEET_AWAY=$(FLEET_AWAY) $(GO) test -count=1 -timeout 60m -v -run TestClickHouseAway ./internal/export
	MXPRINT_FLEET_CONNECTIONS=200000 $(GO) test -count=1 -timeout 60m -v -run 'TestScale$$' ./internal/export ./internal/shared

# Known faults of what is linked in; wants the database at vuln.go.dev.
vuln: $(BIN)/govulncheck
	$(BIN)/govulncheck ./...

$(BIN)/govulncheck: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$(BIN)/govulncheck golang.org/x/vuln/cmd/govulncheck

lint: $(BIN)/staticcheck
	@fmt=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$fmt" ]; then echo "gofmt would change: $$fmt"; exit 1; fi
	$(GO) vet ./...
	$(BIN)/staticcheck ./...

$(BIN)/staticcheck: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$(BIN)/staticcheck honnef.co/go/tools/cmd/staticcheck

# Long runs.

sweep: build # every capture of a folder, beside p0f: make sweep DIR=/path
	$(GO) run ./internal/test/sweep -mxprint $(BIN)/mxprint $(DIR)

diff: deps
	MXPRINT_DIFF_SEEDS=200 $(GO) test -count=1 -timeout 60m -v -run TestDifferential ./internal/test/difftest

FUZZTIME ?= 30s
fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg || exit 1; \
	  done; \
	done

sweep-config: # as root: what check -write accepts, the real program serves
	MXPRINT_SWEEP=1 $(GO) test -count=1 -timeout 60m -v -run TestConfigSweep ./cmd/mxprint

sim: # what the report says of simulated sites whose truth is known: 12 of them
	MXPRINT_SIM_SEEDS=12 $(GO) test -count=1 -timeout 60m -v -run TestSimulator ./internal/evidence

kills: # a process that writes the store is killed 200 times
	MXPRINT_KILLS=200 $(GO) test -count=1 -timeout 60m -v -run 'TestKill$$' ./internal/store

store-rate: # ten minutes of 2,000 connections a second, with a bound of 64 MiB
	MXPRINT_RATE=10m $(GO) test -count=1 -timeout 20m -v -run 'TestRate$$' ./internal/store

store-older: # a store of two million connections, of the version before
	MXPRINT_OLDER=2000000 $(GO) test -count=1 -timeout 20m -v -run 'TestOlderLarge$$' ./internal/store

bench: deps
	$(GO) run ./internal/test/bench -write docs/performance.md

attack: deps # what attacks cost and change: one table, a bar and a figure a row
	$(GO) run ./internal/test/attack

bench-peers: deps # other libraries instead of p0f; wants cargo, python3-venv and the network
	$(GO) run ./internal/test/bench -only peers -write docs/performance.md

bpf: deps # after a change of internal/sockops/program.c
	scripts/bpf

lab: # new kernels for testdata/lab; wants qemu-system-x86 and the network
	scripts/lab-kernels
	scripts/lab-stacks

lab-stacks: # gVisor, smoltcp and lwIP alone; wants cargo, gcc and the network
	scripts/lab-stacks

lab-idle: # 10,000 connections through the proxy; wants qemu-system-x86, postfix, the network
	scripts/lab-idle

lab-hellos: # ClientHellos of many TLS libraries; root, Debian 12, cargo, npm, pyenv, tshark, the network
	scripts/lab-hellos

lab-dialects: # how real programs send mail; root, Debian 12, npm, pyenv, tcpdump, ethtool, the network
	scripts/lab-dialects

# One mail server each, with real mails over IPv4 and IPv6.
$(E2E:%=e2e-%): e2e-%: deps
	$(GO) test -count=1 -v ./e2e/$*

clean:
	rm -rf $(BIN) dist
