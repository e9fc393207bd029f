"""Bugs in what a link's two ends and a gateway's callers share: some order of theirs shows each."""

from typing import Final

from tests.planted.bugs import CORE, Bug

SESSIONS: Final = [
    Bug(
        "host: RELEASE overtakes the answer",
        f"{CORE}/link/host/calls.rs",
        "is_none_or(|inputs| inputs.is_looked());",
        "is_none_or(|inputs| inputs.answered());",
        "link::host::hearing::models",
    ),
    Bug(
        "host: nobody releases the input",
        f"{CORE}/link/host/calls.rs",
        "self.happened.fetch_or(ANSWERED, Ordering::AcqRel) & LOOKED != 0",
        "{ self.happened.fetch_or(ANSWERED, Ordering::AcqRel); false }",
        "link::host::hearing::models",
    ),
    Bug(
        "host: Borrowed in two steps",
        f"{CORE}/link/host/calls.rs",
        "self.happened.fetch_or(LOOKED, Ordering::AcqRel) & ANSWERED != 0",
        "{ let before = self.happened.load(Ordering::Acquire); "
        "self.happened.store(before | LOOKED, Ordering::Release); before & ANSWERED != 0 }",
        "link::host::hearing::models",
    ),
    Bug(
        "host: an output is free before it is released",
        f"{CORE}/link/host/calls.rs",
        "            calls.lent.insert(number, keep);",
        "            let _ = (&mut calls, number, keep);",
        "link::host::hearing::models",
    ),
    Bug(
        "host: noted as lent after it was said",
        f"{CORE}/link/host/calls.rs",
        "        let mut calls = self.calls.lock();\n"
        "        let put = self.try_put(|out| encode(out, &head, |out| frame_meta::append(out, "
        "&answer), &table))?;\n",
        "        let put = self.try_put(|out| encode(out, &head, |out| frame_meta::append(out, "
        "&answer), &table))?;\n"
        "        let mut calls = self.calls.lock();\n",
        "link::host::hearing::models",
    ),
    Bug(
        "host: a link's credit is never returned",
        f"{CORE}/link/host/calls.rs",
        "        taken.account.give_back(taken.rows);\n",
        "",
        "link::host::hearing::models",
    ),
    Bug(
        "gateway link: taken off after the end",
        f"{CORE}/link/gateway/flights.rs",
        "        self.open = false;\n",
        "",
        "link::gateway::models",
    ),
    Bug(
        "gateway link: an answer overtakes its call",
        f"{CORE}/link/gateway/slot.rs",
        "        drop(table);\n",
        "        drop(table); drop(flights); let mut flights = session.flights.lock();\n",
        "link::gateway::models",
    ),
    Bug(
        "gateway link: an input is free while the host looks",
        f"{CORE}/link/gateway/flights.rs",
        "if !released && !lent.is_empty() {",
        "if released && !lent.is_empty() {",
        "link::gateway::models",
    ),
    Bug(
        "gateway: rows are never given back",
        f"{CORE}/gateway/queue/settle.rs",
        "            let left_out = floor.carriers.give_back(landed.back, landed.sign, now);\n",
        "            let left_out = None;\n",
        "gateway::tests::models",
    ),
    Bug(
        "gateway: who left is counted twice",
        f"{CORE}/gateway/queue/flights.rs",
        "        let caller = flight.pending.caller.take()?;",
        "        flight.pending.caller.as_ref()?;\n"
        "        let (caller, _) = crate::base::primitive::oneshot::channel();",
        "gateway::tests::models",
    ),
    Bug(
        "gateway: nobody looks after a nested settle",
        f"{CORE}/gateway/queue/service.rs",
        "        if nested {\n"
        "            dispatch::look_later(Arc::clone(self));\n"
        "        } else {\n"
        "            dispatch::run(work, now);\n"
        "        }\n"
        "        result",
        "        if !nested {\n            dispatch::run(work, now);\n        }\n        result",
        "gateway::tests::models",
    ),
    Bug(
        "gateway: a lost host gets its calls back",
        f"{CORE}/gateway/queue/settle.rs",
        "            if landed.closes {\n"
        "                floor.carriers.close(landed.back.carrier);\n"
        "            }\n",
        "",
        "gateway::tests::models",
    ),
    Bug(
        "mailbox: one letter at a time",
        f"{CORE}/gateway/queue/mailbox.rs",
        "std::mem::swap(&mut batch, &mut *self.letters.lock());",
        "batch.outcomes.extend(self.letters.lock().outcomes.pop());",
        "gateway::tests::models",
    ),
    Bug(
        "mailbox: the first tells nobody",
        f"{CORE}/gateway/queue/mailbox.rs",
        "self.outcomes.len() + self.parts.len() == 1\n",
        "self.outcomes.len() + self.parts.len() == 2\n",
        "gateway::tests::models",
    ),
    Bug(
        "parts: the first tells nobody",
        f"{CORE}/gateway/queue/parts.rs",
        "state.waiting.len() <= 1 ||",
        "state.waiting.len() == 2 ||",
        "gateway::tests::part_models",
    ),
    Bug(
        "parts: the end overtakes what came before it",
        f"{CORE}/gateway/requests/answers.rs",
        "if let (Stage::Open | Stage::Ended(_), Some(parts)) = (&self.stage, &self.parts)",
        "if let (Stage::Open, Some(parts)) = (&self.stage, &self.parts)",
        "gateway::tests::part_models",
    ),
    Bug(
        "parts: a host says more than was asked for",
        f"{CORE}/link/gateway/flights.rs",
        "flight.credit.checked_sub(1).ok_or_else(",
        "Some(flight.credit.saturating_sub(1)).ok_or_else(",
        "link::part_tests",
    ),
    Bug(
        "host: the last word is not told",
        f"{CORE}/link/host/session.rs",
        "        self.parted.notify_all();\n",
        "",
        "link::host::hearing::models",
    ),
    Bug(
        "host: a link that ended says no last word",
        f"{CORE}/link/host/session.rs",
        "        self.outbox.close();\n        self.heard_the_last();\n",
        "        self.outbox.close();\n",
        "link::host::hearing::models",
    ),
    Bug(
        "gateway link: a call follows the last word",
        f"{CORE}/link/gateway/session.rs",
        "        let mut flights = flights.lock();\n"
        "        if std::mem::replace(&mut flights.open, false) {",
        "        let _ = outbox.put(|out| encode(out, &Head::new(FrameKind::Drain, 0), "
        "|_| {}, &[]));\n"
        "        let mut flights = flights.lock();\n"
        "        if std::mem::replace(&mut flights.open, false) && outbox.written() == "
        "u64::MAX {",
        "link::gateway::models",
    ),
]
