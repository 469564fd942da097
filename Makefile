# FinByte. `make run` needs Python 3.11 or newer and make; everything else it brings.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_SUM := $(shell cat requirements.txt | cksum | cut -d' ' -f1)
DEV_SUM := $(shell cat requirements.txt requirements-dev.txt | cksum | cut -d' ' -f1)
INSTALLED := $(VENV)/.installed-$(RUN_SUM)
INSTALLED_DEV := $(VENV)/.installed-dev-$(DEV_SUM)
PYTEST_WORKERS ?= 2
# Static checks read the settings but reach no service; these values lead nowhere.
CHECK_ENV := FINBYTE_POOL_SIZE=0 FINBYTE_VAR=$(CURDIR)/.mypy_cache/no-copy SECRET_KEY=static-check-0123456789-static-check-0123456789-static \
	DATABASE_URL=postgresql://check:check@127.0.0.1:1/check REDIS_URL=redis://:check@127.0.0.1:1/0
PRODUCTION_ENV := $(CHECK_ENV) FINBYTE_PRODUCTION=1 PUBLIC_URL=https://trade.example.com \
	ALLOWED_HOSTS=trade.example.com FIELD_KEYS=static-check-0123456789-static-check-01234= \
	FINBYTE_TRUSTED_PROXIES=1 EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend

CHECKS := format lint layers types templates deploy migrations

.PHONY: run stop assets test check bench soak fuzz format \
	$(CHECKS:%=check-%)
.DEFAULT_GOAL := run

run: assets
	@exec $(BIN)/python -m finbyte_site.embedded run

stop: $(INSTALLED)
	@exec $(BIN)/python -m finbyte_site.embedded stop

assets: $(INSTALLED)
	@$(BIN)/python -m finbyte_site.embedded assets

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "FinByte needs Python 3.11 or newer; name one with make PYTHON=python3.12 run" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "This Python cannot make virtual environments (on Debian: apt-get install python3-venv)" >&2; exit 1; }

$(INSTALLED): $(VENV)/bin/python
	@echo "Installing what a running copy needs (once)"
	@$(BIN)/python -m pip install --quiet -r requirements.txt
	@rm -f $(VENV)/.installed-[0-9]*
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@echo "Installing what tests and checks need (once)"
	@$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@rm -f $(VENV)/.installed-dev-*
	@touch $@

test: $(INSTALLED_DEV) assets
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup $(ARGS)

# `make -k check` goes on after a failure and shows all of them.
check: $(CHECKS:%=check-%)

check-format: $(INSTALLED_DEV)
	@$(BIN)/ruff format --check .

check-lint: $(INSTALLED_DEV)
	@$(BIN)/ruff check .

check-layers: $(INSTALLED_DEV)
	@$(BIN)/lint-imports --no-logo

check-types: $(INSTALLED_DEV)
	@$(CHECK_ENV) $(BIN)/mypy .

check-templates: $(INSTALLED_DEV)
	@$(BIN)/djlint templates --check --quiet
	@$(BIN)/djlint templates --lint --quiet

check-deploy: $(INSTALLED_DEV)
	@$(PRODUCTION_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING

check-migrations: $(INSTALLED_DEV)
	@$(CHECK_ENV) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

format: $(INSTALLED_DEV)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/djlint templates --reformat --quiet

bench: $(INSTALLED_DEV) assets
	@$(BIN)/python -m finbyte_site.benches $(ARGS)

soak: $(INSTALLED_DEV) assets
	@$(BIN)/python -m pytest -m soak -p no:randomly $(ARGS)

# FINBYTE_FUZZ_SEED=... tries other cases; the seed of a run is printed.
fuzz: $(INSTALLED_DEV) assets
	@FINBYTE_FUZZ_CASES=$${FINBYTE_FUZZ_CASES:-20000} $(BIN)/python -m pytest api/tests/fuzz -s -p no:logging -p no:randomly $(ARGS)
