"""Planted bugs: what the tests are worth (`./scripts/mutants`).

Each mutant is one bug that somebody could make, or an attacker would like: a small patch to the real code, with the rule
it breaks and the test that is expected to notice. They are declared by area in the modules of this folder; `catalogue`
lists the areas.

To add one, put a `Mutant` into its area:

    Mutant(
        "quorum-off-by-one",                        a name for the report
        "One vote too few ...: two blocks ...",      what it does, and what attack or accident gets through
        "CONSENSUS 1",                              the rule it breaks
        "ledger/base/quorum.py",                    where
        "// 2 + 1",                                 what stands there, exactly once
        "// 2",                                     what the mutant puts in its place
        "tests/chain/test_validators.py::test_...",  the test that has to fail
    )

and run `./scripts/mutants --only quorum-off-by-one`. A survivor is either no bug (the change cannot be seen from outside:
choose another) or a hole in the tests: write the test, small and exact, at the place where the rule is tested.

A mutant is killed only if its own test passes on the real code and then fails by an assertion, by an error the project
raises on purpose, or by an expected error that did not come. A test that dies of anything else (an import, a name, a
type) shows a patch that is broken, not a suite that is awake; so does a patch that no longer applies.
"""
