"""What customs rely on: one file that proves a history, and the verdict on it (DESIGN §7; PROOF.md).

history   where a prover reads the past
replay    the custody rules re-run over one subject's chain and its containers' segments
bundle    the file: its wire form
build     history -> bundle
verify    bundle + trust anchor -> findings
verdict   findings -> first line, checks, exit code
"""
