"""The page on which a person reads an act and approves it: one file, nothing from elsewhere, only its own script may run.

What it needs (an act and its secret, or an invitation) stands behind the # of the address, which browsers send nowhere.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --mark: #0a6e5c; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --mark: #5fd3bc; --bad: #ff8a80; } }
body { font: 17px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
td { padding: .4rem .75rem .4rem 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; opacity: .75; width: 9rem; }
tr:first-child td:last-child { font-weight: 700; font-size: 1.25rem; }
button { font: inherit; font-weight: 600; padding: .7rem 1.4rem; border: 0; border-radius: .5rem; background: var(--mark); color: Canvas; }
button:disabled { opacity: .4; }
#said { min-height: 3rem; font-weight: 600; }
.done { color: var(--mark); } .refused { color: var(--bad); }
code { font-size: .8rem; overflow-wrap: anywhere; opacity: .75; }
"""
_SCRIPT: Final = """
'use strict';
const part = name => document.getElementById(name);
const say = (text, kind) => { part('said').textContent = text; part('said').className = kind || ''; };
async function post(path, body) {
  const answer = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail || 'refused');
  return told;
}
function offer(title, label, work) {
  part('title').textContent = title;
  part('go').textContent = label;
  part('go').hidden = false;
  part('go').onclick = async () => {
    part('go').disabled = true;
    say('Use your passkey.');
    try { say(await work(), 'done'); part('go').hidden = true; }
    catch (error) { say(error.name === 'NotAllowedError' ? 'Not approved: no passkey was used.' : error.message, 'refused'); part('go').disabled = false; }
  };
}
async function approval(act, secret) {
  const told = await post(`/v1/approvals/${act}/challenge`, { secret });
  for (const [name, value] of told.lines) {
    const row = part('lines').insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = value;
  }
  part('act').textContent = act;
  offer('Approve this act?', 'Approve with passkey', async () => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(told.options);
    const credential = (await navigator.credentials.get({ publicKey })).toJSON();
    const done = await post(`/v1/approvals/${act}/assertion`, { secret, credential });
    return done.status === 'approved' ? `Approved, in block ${done.height}.` : 'Approved; it is on its way to the ledger.';
  });
}
async function registration(invitation) {
  offer('Register a passkey', 'Make a passkey', async () => {
    const told = await post('/v1/persons/challenge', { invitation });
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(told.options);
    const credential = (await navigator.credentials.create({ publicKey })).toJSON();
    const made = await post('/v1/persons', { invitation, credential });
    return `Registered as person ${made.person.slice(0, 8)}.`;
  });
}
const words = location.hash.slice(1);
const match = /^([0-9a-f]{64})\\.([\\w-]+)$/.exec(words);
const invited = /^invitation=([\\w-]+)$/.exec(words);
(match ? approval(match[1], match[2]) : invited ? registration(invited[1]) : Promise.reject(new Error('This link is not complete; ask for a new one.')))
  .catch(error => say(error.message, 'refused'));
"""
_SCRIPT_HASH: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; script-src 'sha256-{_SCRIPT_HASH}'; style-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"/><title>Approval by a person</title>'
    f'<meta name="viewport" content="width=device-width"/><style>{_STYLE}</style></head><body><main>'
    '<h1 id="title">Approval by a person</h1><table id="lines"></table><p><button id="go" hidden></button></p>'
    '<p id="said" role="status"></p><p>Your passkey signs the hash of exactly what stands above. No biometric leaves your device.</p>'
    f'<p><code id="act"></code></p></main><script>{_SCRIPT}</script></body></html>'
)
