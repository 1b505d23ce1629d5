"""Grafana dashboards as code: what each panel asks and means, and one place that draws them.

``spec`` says what a dashboard consists of, ``promql`` writes the queries, ``overview``, ``raft``,
``storage`` and ``api`` are the dashboards, ``render`` makes Grafana's JSON of them.
"""
