#!/bin/sh
# Before the roles start: database and broker at this version's state, then the demo's customer and plans where wanted.
set -eu
purser migrate
# Only into an empty installation: nothing that was changed since is put back.
if [ "${PURSER_DEMO_DATA:-no}" = yes ] && [ "$(purser plan list --json)" = "[]" ]; then
    purser customer add --id 1 --email alice@example.com --country NL --currency EUR --billing-entity NL
    purser plan import /plans.toml
fi
