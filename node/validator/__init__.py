"""The validator process: orders, executes, stores, and serves its gateway (DESIGN §6, CONSENSUS.md).

batches    what travels between validators beside the votes: transactions in batches, with the bytes of open items
tables     what the state store holds, and how it is read back
execution  blocks executed on an undoable state, made final, and redone after a restart
mempool    transactions from the moment somebody hands them in until they are final
driver     the consensus machine's hands: input -> step -> persist + sync -> send
history    the past as a prover reads it
proving    when proofs can be made, and making them
service    the private socket
clock      this node's time, and whether others agree with it
validator  all of it put together, from opening the folder to leaving it in order
"""
