"""The routes, by what they are about: transactions, subjects, the chain itself, and operating the node."""
