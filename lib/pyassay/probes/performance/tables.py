"""The tables of the measurement of speed: raw samples, never averages."""

from __future__ import annotations

from pyassay.probes.observations import Column, TableSchema

__all__ = ["BLOCKS", "ENVIRONMENT", "FAILURES", "MEMORY", "SAMPLES", "SPAWNS", "TABLES", "WORKLOADS"]

BLOCKS = TableSchema(
    "performance_blocks",
    "One row per block: fresh workers of all interpreters on one core with one hash seed.",
    (
        Column("block", "count", "Number of the block, from 1."),
        Column("started_s", "number", "Seconds from the start of the measurement to that of the block."),
        Column("duration_s", "number", "Wall seconds of the block."),
        Column("core", "count", "The core that all workers were pinned to; missing: they could not be."),
        Column("hash_seed", "text", "PYTHONHASHSEED of all workers."),
        Column(
            "rounds",
            "count",
            "Visits of a workload to each interpreter after the discarded one; long ones have fewer.",
        ),
        Column("start_order", "texts", "Subjects in the order of their start; the control has a star."),
        Column("workload_order", "texts", "Workloads in the order of their turn."),
        Column("load_before", "number", "Load average over a minute, before."),
        Column("load_after", "number", "The same, after."),
        Column(
            "pressure_percent",
            "number",
            "Share of the block in which some task waited for a core (Linux PSI).",
        ),
        Column("steal_percent", "number", "Share of all cores' time that the hypervisor took away."),
        Column("throttled", "count", "Times that the processor or the control group slowed us down."),
    ),
)

SAMPLES = TableSchema(
    "performance_samples",
    "One row per chunk: some iterations of one workload in one worker.",
    (
        Column("block", "count", "Number of the block; 0: calibration."),
        Column("subject_id", "text", "Whose worker."),
        Column("entry", "text", "`subject`, or `control`: the reference's second worker of the block."),
        Column("workload", "text", "Name of the workload."),
        Column("round", "count", "Number of the round; 0: the discarded chunk before the first."),
        Column("position", "count", "Which of the round's workers it was, from 1."),
        Column("iterations", "count", "How often the workload was done."),
        Column("cpu_s", "number", "CPU seconds, user and system, child processes included."),
        Column("wall_s", "number", "Wall seconds."),
        Column("involuntary_switches", "count", "How often the kernel took the core away."),
        Column("rss_bytes", "count", "Memory held by the worker after the chunk."),
    ),
)

FAILURES = TableSchema(
    "performance_failures",
    "One row per cell (interpreter and workload in a block) that was lost, or left out from then on.",
    (
        Column("block", "count", "Number of the block; 0: before the first."),
        Column("subject_id", "text", "Whose worker."),
        Column("entry", "text", "`subject` or `control`."),
        Column("workload", "text", "Name of the workload; empty: the whole worker."),
        Column("kind", "text", "`unavailable`, `error`, `crash`, `hang`, `rubbish`, `memory`, `start`."),
        Column("reason", "text", "One line: the last of the traceback, the signal, what was printed."),
        Column("dropped", "flag", "Whether the cell is left out from then on."),
    ),
)

MEMORY = TableSchema(
    "performance_memory",
    "One row per interpreter and workload: the high-water mark of resident memory in a process of its own.",
    (
        Column("subject_id", "text", "Whose process."),
        Column("workload", "text", "Name of the workload; `startup:bare` is `-I -S -c pass`."),
        Column("iterations", "count", "How often the workload was done."),
        Column("baseline_bytes", "count", "VmHWM before the first iteration."),
        Column("peak_bytes", "count", "VmHWM at the end; missing where there is no /proc."),
        Column("reason", "text", "Why it is missing; else empty."),
    ),
)

WORKLOADS = TableSchema(
    "performance_workloads",
    "One row per workload, as calibrated on the reference.",
    (
        Column("workload", "text", "Its name."),
        Column("group", "text", "`core`, `stdlib-c`, `library`, `io`, `startup`, `own`."),
        Column("in_suite", "flag", "Whether it counts in the suite's geometric mean."),
        Column("iterations", "count", "Of a chunk, the same for all interpreters."),
        Column("expected_cpu_s", "number", "CPU seconds of a chunk on the reference."),
        Column("waits", "flag", "Whether it waits more than it computes: then wall time is what counts."),
    ),
)

SPAWNS = TableSchema(
    "performance_spawns",
    "One row per interpreter and start-up workload: whether bytecode was there.",
    (
        Column("subject_id", "text", "Which interpreter."),
        Column("workload", "text", "Name of the workload."),
        Column("compiled_modules", "count", "Modules that each start compiles anew; missing: not known."),
        Column("bytecode_present", "flag", "Whether there is none such; missing: not known."),
        Column("note", "text", "What was done about it, and which modules."),
    ),
)

ENVIRONMENT = TableSchema(
    "performance_environment",
    "One row per fact on the machine, the interpreters' clocks and the settings.",
    (
        Column("subject_id", "text", "Which interpreter it is about; empty: the machine or the run."),
        Column("fact", "text", "`cores_allowed`, `governor`, `clock_resolution_s`, `seed`, `stopped` ..."),
        Column("value", "text", "As a text; `unknown` where it cannot be read."),
        Column("warning", "text", "What it means for the figures; mostly empty."),
    ),
)

TABLES = (BLOCKS, SAMPLES, FAILURES, MEMORY, WORKLOADS, SPAWNS, ENVIRONMENT)
