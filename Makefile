# gpt-load: one target for each thing that people do with it; `make help` lists them.
# Everything runs on the Node that package-lock.json pins; the machine's own Node only runs npm.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PREFIX  ?= /usr/local
DESTDIR ?=
IMAGE   ?= gpt-load
PORT    ?= 3000
# Extra arguments for the program; the `--` before them keeps Node from taking --env-file: make validate-keys ARGS="--json"
ARGS    ?=

BIN       := $(CURDIR)/node_modules/.bin
OWN_PATH  := $(subst $(BIN):,,$(PATH))
export PATH := $(BIN):$(PATH)
# npm must not run on the Node that it is about to replace. EBADENGINE warnings only say that the machine's Node is old.
NPM       := PATH="$(OWN_PATH)" npm --loglevel=error --no-audit --no-fund --no-update-notifier
INSTALLED := node_modules/.package-lock.json
BINARY    := build/gpt-load
PAGE      := dist/dashboard.json
ALL_TESTS := test/**/*.test.ts
TESTS     ?= $(ALL_TESTS)
# What a test imports that starts another process.
OTHER_PROCESS := node:child_process|start-gpt-load|peer-process|sdk-ways|-facts\.ts|confined
# Two files at once: most of their time is spent waiting.
NODE_TEST := node --test --test-timeout=180000 --test-concurrency=2

# The client commands use the binary where there is one, else the sources.
ifneq ($(wildcard $(BINARY)),)
CLIENT := $(BINARY)
CLIENT_NEEDS :=
else
CLIENT := node -- src/main.ts
CLIENT_NEEDS := $(INSTALLED)
endif

$(INSTALLED): package-lock.json
	@PATH="$(OWN_PATH)" command -v npm >/dev/null || { \
	  echo 'make: npm is not installed. Install Node.js (any version from 20, https://nodejs.org);' >&2; \
	  echo '      it is only used to fetch the pinned one. The packed binary needs neither.' >&2; exit 1; }
	@echo 'Installing the pinned Node and the development tools...'
	@$(NPM) ci
	@touch $@

##@ Use
.PHONY: run demo validate-keys health stats blacklist reset-keys
run: $(INSTALLED) $(PAGE) ## Start the proxy with .env and keys.txt
	@node -- src/main.ts $(ARGS)

demo: $(INSTALLED) $(PAGE) ## Start the proxy with a built-in mock provider and demo keys; no API key needed
	@node -- src/main.ts demo $(ARGS)

validate-keys: $(CLIENT_NEEDS) ## Check every key in the key file against its upstream
	@$(CLIENT) validate-keys $(ARGS)

health: $(CLIENT_NEEDS) ## Check whether the running proxy is healthy
	@$(CLIENT) health $(ARGS)

stats: $(CLIENT_NEEDS) ## Show the running proxy's keys, requests and memory
	@$(CLIENT) stats $(ARGS)

blacklist: $(CLIENT_NEEDS) ## List the running proxy's blacklisted and resting keys
	@$(CLIENT) blacklist $(ARGS)

reset-keys: $(CLIENT_NEEDS) ## Mark every key healthy again and reload the key file
	@$(CLIENT) reset-keys $(ARGS)

##@ Develop
.PHONY: dev test test-fast test-binary test-browser screenshots page coverage fuzz soak faults bench lint fmt tidy env-docs monitoring
dev: $(INSTALLED) $(PAGE) ## Start the proxy and restart it when a source file changes
	@node --watch -- src/main.ts $(ARGS)

test: $(INSTALLED) ## Run all tests, including the packed binary's (or some: TESTS=test/log.test.ts)
	@$(NODE_TEST) '$(TESTS)'
	@if [ '$(TESTS)' = '$(ALL_TESTS)' ]; then $(MAKE) --no-print-directory build test-binary browser-if-there; fi

test-fast: $(INSTALLED) ## Run the tests that start no other process, for use while working
	@$(NODE_TEST) $$(grep -rLE "$(OTHER_PROCESS)" --include='*.test.ts' test)

test-binary: $(INSTALLED) ## Run the end-to-end tests against build/gpt-load
	@test -x $(BINARY) || { echo 'make: $(BINARY) not found; run `make build` first' >&2; exit 1; }
	@GPT_LOAD_BINARY='$(CURDIR)/$(BINARY)' $(NODE_TEST) 'test/e2e/**/*.test.ts'

test-browser: $(INSTALLED) page ## Run the page's tests in Chromium (CHROMIUM=/usr/bin/chromium)
	@test -x "$${CHROMIUM:-/usr/bin/chromium}" || { echo 'make: no Chromium; install it, or set CHROMIUM' >&2; exit 1; }
	@node --test test/browser/page-in-chromium.ts

screenshots: $(INSTALLED) $(PAGE) ## Retake the README's screenshots of the page, which takes two minutes
	@node test/browser/pictures.ts

page: $(PAGE) ## Build the page of /dashboard for running from source

$(PAGE): $(INSTALLED) build/page.ts $(wildcard src/admin/dashboard/page/*)
	@node build/page.ts

coverage: $(INSTALLED) ## Run all tests, fail under 90 % of lines (more on the request path), write lcov.info
	@$(NODE_TEST) --experimental-test-coverage --test-coverage-include='src/**/*.ts' \
	  --test-coverage-lines=90 \
	  --test-reporter=spec --test-reporter-destination=stdout \
	  --test-reporter=lcov --test-reporter-destination=lcov.info '$(TESTS)'
	@node build/coverage-gate.ts

fuzz: $(INSTALLED) ## Fuzz the parsers, TIME seconds (60) per target
	@TIME='$(or $(TIME),60)' node test/fuzz/run.ts

soak: $(INSTALLED) ## Run mixed traffic with faults and reloads for MINUTES (10) and check for leaks
	@MINUTES='$(or $(MINUTES),10)' node test/soak/run.ts

faults: build ## Run every fault against build/gpt-load and write docs/RELIABILITY.md
	@GPT_LOAD_BINARY='$(CURDIR)/$(BINARY)' node test/faults/run.ts

bench: $(INSTALLED) ## Benchmark against direct access and nginx in one run
	@node test/bench/run.ts $(ARGS)

lint: $(INSTALLED) ## Check style and types
	@biome ci .
	@tsc -p .
	@tsc -p src/admin/dashboard/page

fmt: $(INSTALLED) ## Format the sources and fix what can be fixed safely
	@biome check --write .

tidy: $(INSTALLED) env-docs monitoring fmt ## Remove stray packages, regenerate generated files, format
	@$(NPM) prune

env-docs: $(INSTALLED) ## Generate .env.example and docs/configuration.md from the table of variables
	@node build/env-docs.ts

monitoring: $(INSTALLED) ## Generate the Grafana dashboard and Prometheus rules in deploy/ from the metrics
	@node build/monitoring.ts

browser-if-there:
	@if [ -x "$${CHROMIUM:-/usr/bin/chromium}" ]; then $(MAKE) --no-print-directory test-browser; \
	  else echo 'skipped: the tests of the page need Chromium (make test-browser)'; fi

##@ Build and ship
.PHONY: build build-all release deb npm-package sbom clean install uninstall
build: $(INSTALLED) ## Build build/gpt-load for this machine
	@node build/package.ts $(ARGS)

build-all: $(INSTALLED) ## Build the binaries for all platforms, and SHA256SUMS
	@node build/package.ts --all $(ARGS)

deb: build ## Build the Debian package build/gpt-load_VERSION_ARCH.deb
	@node build/deb.ts

npm-package: $(INSTALLED) ## Build the npm package build/gpt-load-VERSION.tgz, which runs on the user's Node 24
	@node build/npm-package.ts

sbom: $(INSTALLED) ## Write the software bill of materials (CycloneDX) to build/
	@node build/sbom.ts

release: build-all ## Build all downloads: archives, packages, bill of materials, checksums
	@node build/release.ts $(ARGS)

clean: ## Remove build output (not node_modules)
	rm -rf dist .cache release coverage lcov.info $(BINARY)* build/SHA256SUMS

install: ## Install build/gpt-load under PREFIX (/usr/local), on Linux with the systemd unit
	@test -x $(BINARY) || { echo 'make: $(BINARY) not found; run `make build` first' >&2; exit 1; }
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/man/man1'
	install -m 755 $(BINARY) '$(DESTDIR)$(PREFIX)/bin/gpt-load'
	$(BINARY) man >'$(DESTDIR)$(PREFIX)/share/man/man1/gpt-load.1'
	install -d '$(DESTDIR)$(PREFIX)/share/bash-completion/completions'
	$(BINARY) completion bash >'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/gpt-load'
	install -d '$(DESTDIR)$(PREFIX)/share/zsh/site-functions'
	$(BINARY) completion zsh >'$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_gpt-load'
	install -d '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d'
	$(BINARY) completion fish >'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/gpt-load.fish'
	@if [ "$$(uname -s)" = Linux ] && [ -f deploy/gpt-load.service ]; then \
	  install -d '$(DESTDIR)$(PREFIX)/lib/systemd/system' && \
	  sed 's|/usr/local/|$(PREFIX)/|' deploy/gpt-load.service \
	    >'$(DESTDIR)$(PREFIX)/lib/systemd/system/gpt-load.service' && \
	  echo 'installed $(DESTDIR)$(PREFIX)/lib/systemd/system/gpt-load.service' && \
	  printf '%s\n' '' 'Next, for a service (as root):' \
	    '  useradd --system --no-create-home --shell /usr/sbin/nologin gpt-load' \
	    '  install -d -m 750 -g gpt-load /etc/gpt-load' \
	    '  install -m 640 -g gpt-load keys.txt /etc/gpt-load/keys.txt    # one key per line' \
	    '  systemctl daemon-reload && systemctl enable --now gpt-load' \
	    '  gpt-load health' \
	    'Settings go in /etc/gpt-load/gpt-load.env; set AUTH_KEY before others can reach the port.'; \
	else printf '%s\n' '' 'Next: create keys.txt with one key per line and run gpt-load beside it; or try gpt-load demo.'; fi
	@echo 'All settings: man gpt-load'

uninstall: ## Remove what `make install` installed
	rm -f '$(DESTDIR)$(PREFIX)/bin/gpt-load' '$(DESTDIR)$(PREFIX)/lib/systemd/system/gpt-load.service' \
	  '$(DESTDIR)$(PREFIX)/share/man/man1/gpt-load.1' \
	  '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/gpt-load' \
	  '$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_gpt-load' \
	  '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/gpt-load.fish'

##@ Containers
.PHONY: docker-build docker-run compose-up compose-down pin-images
docker-build: ## Build the container image (IMAGE=gpt-load)
	docker build -t $(IMAGE) \
	  --build-arg GPT_LOAD_COMMIT="$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" .

docker-run: ## Run the image with .env and keys.txt, on 127.0.0.1:PORT (3000)
	@test -f keys.txt || { echo 'make: keys.txt not found; create it with one API key per line' >&2; exit 1; }
	docker run --rm $$(test -t 0 && echo -it) -p 127.0.0.1:$(PORT):3000 \
	  -v gpt-load-data:/data -v '$(CURDIR)/keys.txt:/data/keys.txt:ro' -e STATE_FILE=/data/gpt-load.db \
	  $(if $(wildcard .env),--env-file .env) -e HOST=0.0.0.0 -e PORT=3000 -e KEYS_FILE=/data/keys.txt \
	  $(IMAGE) $(ARGS)

compose-up: ## Start with docker compose in the background
	docker compose up -d --build

compose-down: ## Stop the compose services
	docker compose down

pin-images: $(INSTALLED) ## Write today's digests behind the tags of all images that are used (needs docker)
	@node build/pin-images.ts

##@ Help
.PHONY: help
help: ## Show this help
	@bold= name= plain=; if [ -t 1 ]; then bold='\033[1m'; name='\033[36m'; plain='\033[0m'; fi; \
	awk -v bold="$$bold" -v name="$$name" -v plain="$$plain" 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s%s%s\n", bold, substr($$0, 5), plain } \
	  /^[a-z-]+:.*## / { printf "  %s%-14s%s %s\n", name, $$1, plain, $$2 }' Makefile
