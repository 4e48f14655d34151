"""What a kernel's author sees after a run: numbers, a timeline for ui.perfetto.dev, one HTML page.

    from makalu.sw.report.record import RunRecord
    from makalu.sw.report.page import write_report
    from makalu.sw.report.perfetto_trace import write_timeline
    from makalu.sw.timing import predict

    record = RunRecord(config=config, program=program, timeline=predict(program, config), kernel="gemm")
    write_report(record, Path("build/gemm.html"))
    write_timeline(record, Path("build/gemm.pftrace"))

`summary.summary(record)` is everything that the page states, as values that JSON can hold.
"""
