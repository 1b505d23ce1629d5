"""A world that fails on purpose, for tests: shipped, so that users can test with it too.

``run_seed`` of :mod:`~kvorum.testing.simulation` plays one seed: a cluster of real nodes, clients
and faults in virtual time, judged at every step and at the end.
``python -m kvorum.testing.simulate`` plays seeds without end, or tells the story of one.

The parts, each of use by itself::

    virtual_time       the event loop whose clock jumps; gates to pause and kill a process
    memory_fs          files that lose and tear what was not synced
    sim_network, sim_transport, sim_disk, sim_clock     what a node has around it
    sim_boot, sim_node, sim_cluster                     the node itself, and several of them
    sim_clients, history                                who uses it, and what was answered
    sim_faults, sim_machine_faults, sim_network_faults, sim_operator     what goes wrong
    checks             what must hold at every step
    linearizability    whether a history could have come from one copy of the data
    oracle             what the log means, worked out again
"""
