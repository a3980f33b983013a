"""What a judge found, for people and for other programs."""

# What kind of promise a fault breaks; whatever is not named here is "other".
BROKEN = {
    "lost": ("acknowledged", "array accepted in part"),
    "repeated logs": ("log applied twice",),
    "out of order": ("child in its parent's request", "child before its parent",
                     "effects of one log out of order", "repeat after a later effect",
                     *(f"{kind} before its log" for kind in
                       ("update", "feedback", "evaluation_result"))),
}


def report(judge, out):
    """A small table, the faults with examples, and one verdict line."""
    columns = ("acked", "unacked", "refused", "applied", "missing", "extra")
    print(f"{'':18}" + "".join(f"{c:>9}" for c in columns), file=out)
    for kind, row in judge.summary().items():
        if any(row.values()):
            print(f"{kind:18}" + "".join(f"{row[c]:>9}" for c in columns), file=out)
    print("record: " + ", ".join(f"{n} {what}" for what, n in judge.counts.items()), file=out)
    for fault, count in judge.faults.counts.most_common():
        examples = "; ".join(judge.faults.examples[fault][:3])
        print(f"FAULT {fault}: {count}, e.g. {examples}", file=out)
    total = sum(judge.faults.counts.values())
    print(f"VERDICT: {total} faults" if total else
          "VERDICT: good: all acknowledged arrived, once, unchanged, causes first", file=out)


def figures(judge):
    """The verdict in numbers: events by kind, and faults by the promise they break."""
    broken = dict.fromkeys([*BROKEN, "other"], 0)
    for fault, count in judge.faults.counts.items():
        promise = next((p for p, names in BROKEN.items() if fault.startswith(names)), "other")
        broken[promise] += count
    return {"kinds": judge.summary(), "broken": broken, "faults": dict(judge.faults.counts)}
