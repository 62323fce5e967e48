# Every target sets up what is missing first; the second time that takes under a second.
.DEFAULT_GOAL := help
.PHONY: help setup loadgen demo test check bench eval eval-promptfoo clean

BIN := .venv/bin
# Folder of clips with a manifest.json, for the benchmarks.
CLIPS ?= ../shared/evalset
DEMO := demo-out
EVAL := eval-out
# Tests at once, but for those that keep to the clock.
WORKERS ?= 2
REALTIME = $(shell grep --recursive --files-with-matches --include='test_*.py' 'mark.realtime' tests)
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 24

setup: ## system packages, .venv, the package and its models
	@scripts/setup.sh

loadgen: setup ## the callers of the tests and benchmarks of the media plane
	@cargo build --locked --release --quiet --package vivavoce-loadgen

demo: setup ## interpret a real English recording into Portuguese, at real time
	@mkdir -p $(DEMO)
	$(BIN)/vivavoce translate "$$($(BIN)/vivavoce models path demo-en two_cities.wav)" --from en --to pt --dub $(DEMO)/dub.wav \
	  --mix $(DEMO)/mix.wav --subtitles $(DEMO)/subtitles.vtt --report $(DEMO)/report.html

test: loadgen ## every test, Rust and Python
	cargo test --locked --quiet --package vivavoce-media --package vivavoce-loadgen
	RUSTFLAGS='--cfg loom' cargo test --locked --quiet --package vivavoce-media --profile loom --target-dir target/loom --lib loom
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile -m 'not realtime'
	$(BIN)/python -m pytest -m realtime $(REALTIME)

check: setup ## format, lint, types and import floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- -D warnings

bench: loadgen ## every benchmark's table
	$(BIN)/vivavoce bench translate --pair en-pt --clips $(CLIPS)
	$(BIN)/vivavoce bench failover --clips $(CLIPS)
	$(BIN)/vivavoce bench chat
	$(BIN)/vivavoce bench media
	$(BIN)/vivavoce bench agent --clips $(CLIPS)
	$(BIN)/python -m pytest --slow -m slow

eval: setup ## the evaluation gate: the clip set at real time against the committed baseline
	$(BIN)/vivavoce eval --out $(EVAL)

eval-promptfoo: setup ## the gate's translation alone by Promptfoo, which this installs, to the same verdict
	@scripts/promptfoo.sh

clean: ## remove what was built; .venv and the fetched models stay
	rm -rf target build $(DEMO) $(EVAL) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f src/vivavoce/_media*.so .venv/.setup-package
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
