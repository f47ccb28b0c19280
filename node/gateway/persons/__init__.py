"""Approval by a person at a gateway (PERSONS.md §4): passkeys are registered and acts approved, by WebAuthn Level 3.

`store` keeps the passkeys, `ceremony` checks what authenticators answer, `acts` says in words what waits for approval,
`service` puts them together and signs what goes to the ledger, `routes` and `page` are what browsers see.
"""
