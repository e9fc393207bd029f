"""Bugs in answers in parts: who joins, who is paused, who is woken, and how each ends."""

from typing import Final

from tests.planted.bugs import CORE, Bug

STEPS: Final = [
    Bug(
        "steps: a small one goes past a large one",
        f"{CORE}/decide/join.rs",
        "let Some(more) = with(all, &facts, limits) else { break };",
        "let Some(more) = with(all, &facts, limits) else { continue };",
        "decide::join",
    ),
    Bug(
        "cost: a sum wraps",
        f"{CORE}/decide/cost.rs",
        "sum.saturating_add(read(bytes)?)",
        "sum.wrapping_add(read(bytes)?)",
        "decide::cost",
    ),
    Bug(
        "cost: a value below zero is a large one",
        f"{CORE}/decide/cost.rs",
        "u64::try_from(value).map_err(|_| value)",
        "Ok(value.cast_unsigned())",
        "decide::cost",
    ),
    Bug(
        "steps: parts go out beyond what was asked for",
        f"{CORE}/host/sequence.rs",
        "self.credit.load(Ordering::Acquire) == 0 || ",
        "",
        "host::step::tests::a_paused_sequence",
    ),
    Bug(
        "steps: what a model ended ends once more as it raises",
        f"{CORE}/host/sequence.rs",
        "duty.end.get_or_insert(otherwise).clone()",
        "otherwise",
        "host::step::tests",
    ),
    Bug(
        "steps: a step that is over ends the next one",
        f"{CORE}/host/sequences.rs",
        "self.inside.take_if(|inside| inside.number == step)",
        "self.inside.take_if(|_| step > 0)",
        "host::step::tests",
    ),
    Bug(
        "steps: what is read does not make room for bytes",
        f"{CORE}/host/sequence.rs",
        "self.unread_bytes.fetch_sub(bytes, Ordering::AcqRel);",
        "let _: usize = bytes;",
        "host::step::tests",
    ),
    Bug(
        "steps: bytes that are not read pause nobody",
        f"{CORE}/host/sequence.rs",
        "|| self.unread_bytes.load(Ordering::Acquire) >= PARTS_BYTES",
        "|| self.unread_bytes.load(Ordering::Acquire) == usize::MAX",
        "host::step::tests",
    ),
    Bug(
        "steps: a turn has what is left of its round",
        f"{CORE}/host/sequence.rs",
        "            self.stage.since.store(clock::now().nanos(), Ordering::Release);\n",
        "",
        "host::step::tests",
    ),
    Bug(
        "steps: who left has a turn",
        f"{CORE}/host/sequence.rs",
        "let goes_on = self.is_live() && !self.is_paused()",
        "let goes_on = !self.has_ended() && !self.is_paused()",
        "host::step::tests",
    ),
    Bug(
        "steps: a model that hangs gets another step",
        f"{CORE}/host/room/steps.rs",
        "        self.runs.let_nobody_in();\n",
        "",
        "host::step::tests",
    ),
    Bug(
        "steps: rows of who left stay taken",
        f"{CORE}/host/room/steps.rs",
        "        for (sequence, _) in &ended {\n"
        "            self.rows = self.rows.minus(sequence.rows());\n"
        "        }\n",
        "",
        "host::step::tests",
    ),
    Bug(
        "steps: credit wakes nobody",
        f"{CORE}/host/intake.rs",
        "        state.room.credit(id, parts);\n        self.wake_stepper(&mut state);\n",
        "        state.room.credit(id, parts);\n",
        "host::step_models",
    ),
    Bug(
        "steps: who leaves wakes nobody",
        f"{CORE}/host/intake.rs",
        "            self.wake_stepper(&mut state);\n            if state.room.is_empty() {",
        "            if state.room.is_empty() {",
        "host::step_models",
    ),
    Bug(
        "steps: a lane waits for those that were abandoned",
        f"{CORE}/host/intake.rs",
        "            self.idle.notify_all(); // a lane that waited",
        "            // a lane that waited",
        "host::step_models",
    ),
    Bug(
        "streams: what has begun is tried again",
        f"{CORE}/gateway/queue/settle.rs",
        "pending.parts.as_ref().is_some_and(|parts| parts.have_begun())",
        "false",
    ),
    Bug(
        "streams: parts overtake each other",
        f"{CORE}/gateway/queue/parts.rs",
        "state.waiting.push_back((part, reserved));",
        "state.waiting.push_front((part, reserved));",
    ),
    Bug(
        "streams: more is asked for than was taken",
        f"{CORE}/gateway/queue/parts.rs",
        "std::mem::take(self).parts }",
        "std::mem::take(self).parts + 1 }",
        "gateway::tests::parts",
    ),
    Bug(
        "streams: large parts are not asked for again",
        f"{CORE}/gateway/queue/parts.rs",
        "self.bytes >= PARTS_BYTES / 2",
        "self.bytes >= usize::MAX / 2",
    ),
    Bug(
        "streams: a drain leaves those in flight unanswered",
        f"{CORE}/gateway/queue/cut.rs",
        "let _ = caller.send(Err(fault));",
        "let _ = (&caller, fault);",
        "gateway::tests::cut",
    ),
    Bug(
        "reading: while memory is short who reads goes too",
        f"{CORE}/gateway/sockets/reading.rs",
        "wanted().is_none_or(|held| read >= held)",
        "wanted().is_none()",
        "gateway::sockets::reading",
    ),
]
