# Each recipe is a line or two that you could type yourself.
PYTHON = .venv/bin/python

.PHONY: docs chart image image-lock dist eval-claude help setup check test test-for test-busy test-slow test-postgres test-alerts test-crash test-approve-crash test-browser test-peer test-cluster fuzz fuzz-cilium fuzz-fixes demo reports bench bench-truth bench-live protos golden

help:            ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:           ## .venv with everything in it; needs Python 3.11 or newer, uses uv where there is one
	./.ci/setup

check:           ## all that a change must pass, as CI runs it
	./.ci/run

test: setup      ## the tests alone
	$(PYTHON) -m pytest -n auto

test-for: setup  ## the tests that belong to one file: make test-for F=sensors/net_mtu.py
	$(PYTHON) -m pytest -n 0 $$(.ci/tests-for $(F))

test-busy: setup ## the tests beside four processes that take all the processor they get
	@for each in 1 2 3 4; do (exec $(PYTHON) -c "while True: pass") & pids="$$pids $$!"; done; \
	trap "kill $$pids" EXIT; $(PYTHON) -m pytest -n auto

test-slow: setup ## the tests that take more than a few seconds, the other rows of the wide tables, all examples of the properties
	KAI_THOROUGH=1 $(PYTHON) -m pytest -n auto -m 'slow or (hypothesis and not crash and not cluster)'

test-postgres: setup ## the store and the desk on a private Postgres; needs `apt-get install postgresql`
	$(PYTHON) -m pytest -m 'postgres and not crash' tests/bot

test-crash: setup ## 400 investigations under kill -9, and two replicas; needs Postgres, takes minutes
	$(PYTHON) -m pytest -m crash tests/bot

test-approve-crash: setup ## 1,000 interleavings of presses, edits, rights and kill -9 around an approval; then real processes are killed
	$(PYTHON) -m pytest -n0 -m crash tests/bot/change

test-browser: setup ## the workspace and the demo as a person sees them; needs `apt-get install chromium`
	$(PYTHON) -m pytest -m browser tests/workspace tests/demo

test-peer: setup ## the same conversations on local-slack, a server by others, fetched from npm at the first run
	$(PYTHON) -m pytest -m peer tests/peer

test-alerts: setup ## a real Alertmanager fires into KAI; needs `apt-get install prometheus-alertmanager`
	$(PYTHON) -m pytest -n 0 -m alertmanager tests/bot
	$(PYTHON) bench/alerts.py

test-cluster: setup ## sensors, kai, capture, doctor and approvals against a real kube-apiserver, built with Go at the first run
	$(PYTHON) -m pytest -n auto --dist loadfile -m cluster tests/cluster tests/live

fuzz: setup      ## 2,000 random clusters against network-config-analyzer; takes minutes
	$(PYTHON) tests/flows/policy/fuzz_nca.py 2000

fuzz-cilium: setup ## 1,000 random clusters against Cilium's own code; built with Go at the first run
	$(PYTHON) tests/flows/policy/fuzz_cilium.py 1000

fuzz-fixes: setup ## 2,000 random refused connections: our fixes against a second opinion; takes minutes
	$(PYTHON) tests/flows/fixes/fuzz_fixes.py 2000

fuzz-cases: setup ## 100,000 spoiled case folders: no crash, no false calm; goes on where it stopped (rm .cache/fuzz-cases.json to begin anew)
	$(PYTHON) bench/fuzz_cases.py

demo: setup      ## a recorded incident, diagnosed, then in a chat to try out
	.venv/bin/kai demo

reports: setup   ## every recorded case and public report against the truth beside it; fails below what must be reached
	$(PYTHON) bench/truth.py

bench-truth: setup ## the scoreboard: every case, report and template in other clothes; class, object, fix, harm, Brier, seconds
	$(PYTHON) bench/scoreboard.py --wrong

eval-claude: setup ## rules alone beside rules with Claude on every case, three times each; needs ANTHROPIC_API_KEY, costs money
	$(PYTHON) bench/eval_claude.py

bench: setup     ## how fast KAI is, beside the hubble CLI (on the PATH, or built with Go once): the table in bench/README.md
	$(PYTHON) bench/table.py

bench-live: setup ## how long KAI itself takes in a living cluster, and how much memory; needs the kube-apiserver, too
	$(PYTHON) bench/live.py

docs: setup      ## the docs as a site in build/docs/site, strictly: a broken link or a page without a menu entry ends it
	$(PYTHON) release/site.py

dist: setup      ## what a release hands out, built and checked into dist/: wheel, sdist, krew plug-in, sums
	$(PYTHON) release/build.py

chart: setup     ## the chart: rendered by helm, taken by a real kube-apiserver, KAI working under its rights
	$(PYTHON) -m pytest -n 0 -m cluster tests/cluster/test_chart.py tests/cluster/test_chart_bot.py tests/cluster/test_installed.py

image: setup     ## the Dockerfile step by step in a Debian root, then started; needs root
	./.ci/programs debootstrap:debootstrap
	$(PYTHON) image/by_hand.py

image-lock:      ## image/build.txt again, after image/build.in or the versions it should hold have changed
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make image-lock" image/build.in -o image/build.txt

protos: setup    ## the Hubble API stubs again, from the protos beside them
	$(PYTHON) sensors/hubble/pb/regenerate.py

golden: setup    ## the output block of README.md again, from a real run
	$(PYTHON) -m tests.test_readme
