"""Bugs in the gate, the arena, the outbox and the intake: some order of threads shows each."""

from typing import Final

from tests.planted.bugs import CORE, Bug

ORDERS: Final = [
    Bug(
        "turnstile: look, then count",
        f"{CORE}/sync/turnstile.rs",
        "(word & SHUT == 0).then_some(word + 1);\n"
        "        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()",
        "(word & SHUT == 0).then_some(word + 1);\n"
        "        one_more(self.word.load(Ordering::Acquire)).is_some_and(|_| { "
        "self.word.fetch_add(1, Ordering::AcqRel); true })",
        "sync::models",
    ),
    Bug(
        "gate: listens after it looked",
        f"{CORE}/sync/gate.rs",
        "            told.await;",
        "            drop(told); self.shared.empty.notified().await;",
        "sync::models",
    ),
    Bug(
        "gate: tells one of those who wait",
        f"{CORE}/sync/gate.rs",
        "self.shared.empty.notify_waiters();",
        "self.shared.empty.notify_one();",
        "sync::models",
    ),
    Bug(
        "arena: two get one page",
        f"{CORE}/mem/mapping.rs",
        "        Some(Span { home: Arc::clone(self), range, len })",
        "        let early = range.start.saturating_sub(PAGE); Some(Span { home: "
        "Arc::clone(self), range: early..early + whole, len })",
        "mem::models",
    ),
    Bug(
        "arena: a range is kept",
        f"{CORE}/mem/mapping.rs",
        "        self.home.free.lock().free_range(self.range.clone());",
        "        let _ = &self.home;",
        "mem::models",
    ),
    Bug(
        "outbox: two write",
        f"{CORE}/link/outbox.rs",
        "if state.stalled || state.writing {",
        "if state.stalled {",
        "link::models",
    ),
    Bug(
        "outbox: the task writes beside a lane",
        f"{CORE}/link/outbox.rs",
        "        if state.writing {\n            return Ok(None);\n        }\n",
        "",
        "link::models",
    ),
    Bug(
        "outbox: the task is not told of a full socket",
        f"{CORE}/link/outbox.rs",
        "                self.work.notify_one(); // also",
        "                // also",
        "link::models",
    ),
    Bug(
        "outbox: stalled for ever",
        f"{CORE}/link/outbox.rs",
        "        state.stalled = false;\n",
        "",
        "link::models",
    ),
    Bug(
        "outbox: nobody hears that it is low",
        f"{CORE}/link/outbox.rs",
        "        if high && state.waiting() < HIGH {\n"
        "            self.low.notify_one();\n"
        "        }\n",
        "",
        "link::models",
    ),
    Bug(
        "outbox: nobody hears that it is empty",
        f"{CORE}/link/outbox.rs",
        "        if state.waiting() == 0 {\n            self.empty.notify_all();\n        }\n",
        "",
        "link::models",
    ),
    Bug(
        "outbox: who waits for room is left at the end",
        f"{CORE}/link/outbox.rs",
        "        self.low.notify_one();\n        self.empty.notify_all();",
        "        self.empty.notify_all();",
        "link::models",
    ),
    Bug(
        "outbox: a waiter is woken before the change",
        f"{CORE}/link/outbox.rs",
        "        self.state.lock().closed = true;\n"
        "        self.work.notify_one();\n"
        "        self.low.notify_one();\n",
        "        self.work.notify_one();\n"
        "        self.low.notify_one();\n"
        "        self.state.lock().closed = true;\n",
        "link::models",
    ),
    Bug(
        "intake: nobody is woken",
        f"{CORE}/host/lane.rs",
        "                self.idle.notify_one();",
        "",
        "host::models",
    ),
    Bug(
        "intake: who leaves calls behind wakes nobody",
        f"{CORE}/host/lane.rs",
        "                    if entered || self.prepares {\n"
        "                        self.set_watch(&mut state);\n"
        "                    }\n"
        "                    self.wake_next(&mut state);\n",
        "                    if entered || self.prepares {\n"
        "                        self.set_watch(&mut state);\n"
        "                    }\n",
        "host::models",
    ),
    Bug(
        "intake: woken for ever",
        f"{CORE}/host/lane.rs",
        "        state.waking = false;\n    }",
        "    }",
        "host::models",
    ),
    Bug(
        "intake: the bell is not rung",
        f"{CORE}/host/lane.rs",
        "                state.waking = true;\n                ear.ring();",
        "                state.waking = true;",
        "host::models",
    ),
    Bug(
        "intake: listening for ever",
        f"{CORE}/host/lane.rs",
        "                state.listening = None;\n",
        "",
        "host::models",
    ),
    Bug(
        "intake: who holds a batch open is not told",
        f"{CORE}/host/intake.rs",
        "                    } else if look {\n"
        "                        self.holder.notify_one();\n"
        "                    }",
        "                    }",
        "host::models",
    ),
    Bug(
        "intake: the end of all work is not told",
        f"{CORE}/host/intake.rs",
        "        state.room.settled();\n"
        "        if state.room.is_empty() {\n"
        "            self.empty.notify_all();\n"
        "        }",
        "        state.room.settled();",
        "host::models",
    ),
    Bug(
        "intake: rows of a batch are kept",
        f"{CORE}/host/room.rs",
        "            self.rows = self.rows.minus(running.rows());\n            self.settling += 1;",
        "            self.settling += 1;",
        "host::models",
    ),
    Bug(
        "steps: who wakes a sequence that rests tells nobody",
        f"{CORE}/host/resting.rs",
        "        self.wake_stepper(&mut self.state.lock());",
        "        let _ = self;",
        "host::step_models",
    ),
    Bug(
        "intake: who waits for the model is not let in",
        f"{CORE}/host/entrance.rs",
        "            self.entrance.notify_one();",
        "            let _ = &self.entrance;",
        "host::models",
    ),
    Bug(
        "intake: who waits for a model that hangs is not told",
        f"{CORE}/host/watch.rs",
        "            self.entrance.notify_all(); // they will not be let in",
        "            let _ = &self.entrance;",
        "host::models",
    ),
]
