"""The answering side of the replay protocol (``docs/protocol.md``, section 2, "Replay").

A program that keeps readings passes its journal to ``PendingQuestions`` and its sockets to
``ReplayServer``. ``journal`` says what such a journal must be able to do, ``questions`` queues the
questions and writes the answers, ``server`` reads and writes the sockets. Imports only ``shared``.
"""
