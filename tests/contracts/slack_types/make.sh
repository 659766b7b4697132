#!/usr/bin/env bash
# Makes schema.json anew from Slack's own types (npm, MIT licence); the types say which fields there are, not how long.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp "$here/root.ts" "$work"
cd "$work"
npm init --yes >/dev/null
npm install --no-audit --no-fund --silent @slack/types@3.2.0 ts-json-schema-generator@2 typescript@5
echo '{"compilerOptions": {"strict": true, "moduleResolution": "node", "skipLibCheck": true}}' >tsconfig.json
npx ts-json-schema-generator --path root.ts --tsconfig tsconfig.json --type Sent --no-type-check --out full.json
node -e '
  const bare = (node) => Array.isArray(node) ? node.map(bare)
    : node && typeof node === "object" ? Object.fromEntries(Object.keys(node).sort()
        .filter((key) => !(key === "description" && typeof node[key] === "string")).map((key) => [key, bare(node[key])]))
    : node;
  const full = JSON.parse(require("fs").readFileSync("full.json", "utf8"));
  console.log(JSON.stringify(bare(full), null, 1));
' >"$here/schema.json"
