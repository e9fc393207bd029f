use super::*;

#[test]
fn fewer_files_are_fewer_connections_and_that_is_said_once() {
    let address = || Some("127.0.0.1:0".to_owned());
    let mut settings = GatewaySettings { http: address(), grpc: address(), ..GatewaySettings::default() };
    let errors = Errors::new();
    settings.fit(Some(1 << 20), 30, &errors);
    assert_eq!((settings.limits.connections, errors.logged().len()), (8192, 0));
    settings.fit(Some(256), 30, &errors);
    assert_eq!(settings.limits.connections, 56);
    let said = errors.logged();
    assert!(
        said.len() == 1 && said[0].contains("256 files") && said[0].contains("56 connections"),
        "{said:?}"
    );
    settings.limits = Limits { client_regions: 4000, ..Limits::default() };
    settings.fit(Some(1024), 30, &errors);
    assert_eq!((settings.limits.client_regions, settings.limits.connections), (248, 245));
    let said = errors.logged();
    assert!(said.iter().any(|line| line.contains("248 regions instead of 4000")), "{said:?}");
}

/// Parts of `bytes` come `pause` apart: how long until they are refused.
fn lasts(bytes: usize, pause: Duration) -> Option<Duration> {
    let mut patience = Patience::new(&Limits::default());
    let began = Tick::from_nanos(7);
    let mut now = began;
    for _ in 0..1000 {
        let Ok(until) = patience.wait(now, false) else { return Some(now.since(began)) };
        assert_eq!(until, now.plus(Duration::from_secs(30)));
        now = now.plus(pause);
        patience.came(bytes);
    }
    None
}

#[test]
fn a_body_has_a_pace_once_its_first_time_is_over() {
    let (s, ms) = (Duration::from_secs, Duration::from_millis);
    assert_eq!(lasts(1, s(20)), Some(s(40)));
    assert_eq!(lasts(1, s(30)), Some(s(60)));
    assert_eq!(lasts((64 << 10) - 1, s(1)), Some(s(31)));
    assert_eq!(lasts(64 << 10, s(1)), None);
    assert_eq!(lasts((64 << 10) / 10, ms(100)), Some(ms(30_100)));
    assert_eq!(lasts((64 << 10) / 10 + 1, ms(100)), None);
}

#[test]
fn what_came_early_counts_later_and_not_for_the_next() {
    let mut patience = Patience::new(&Limits::default());
    patience.came(40 * (64 << 10));
    let after = |ms| Tick::default().plus(Duration::from_millis(ms));
    assert!(patience.wait(after(0), false).is_ok());
    assert!(patience.wait(after(40_000), false).is_ok());
    let fault = patience.wait(after(40_001), false).unwrap_err();
    assert!(fault.kind == Kind::Slow && fault.note.contains("at least 65536 bytes a second"));
    patience.restart(0);
    assert!(patience.wait(after(40_001), false).is_ok());
    assert!(patience.wait(after(70_001), false).is_ok());
}

#[test]
fn while_memory_is_short_a_body_has_its_first_time_and_no_more() {
    let mut patience = Patience::new(&Limits::default());
    patience.came(60 << 20);
    let after = |ms| Tick::default().plus(Duration::from_millis(ms));
    assert!(patience.wait(after(0), true).is_ok());
    assert!(patience.wait(after(30_000), true).is_ok());
    assert!(patience.wait(after(30_001), false).is_ok());
    let fault = patience.wait(after(30_001), true).unwrap_err();
    assert!(fault.kind == Kind::Overloaded && fault.note.contains("try again later"), "{fault}");
}

#[test]
fn no_limit_of_nesting_may_exceed_the_stack() {
    let settings =
        |depth: usize| GatewaySettings::parse(&format!(r#"{{"limits":{{"json_depth":{depth}}}}}"#));
    assert!(settings(MOST_DEPTH + 1).unwrap_err().contains("json_depth may be 1000 at most"));
    let depth = settings(MOST_DEPTH).unwrap().limits.json_depth;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let levels = depth - 1;
        let json = format!(r#"{{"x":{}1{},"inputs":[]}}"#, open.repeat(levels), close.repeat(levels));
        let (body, mut leave) = (bytes::Bytes::from(json), |_| Ok(()));
        let mut budget = crate::wire::budget::Budget::new(0, body.len(), &mut leave);
        let read = crate::wire::json::request::read(&body, body.len(), "m", depth, &mut budget);
        assert!(read.is_ok(), "{open}");
    }
}

#[test]
fn limits_that_no_clock_reaches_are_none() {
    let limits = Limits { body_timeout_ms: u64::MAX, body_bytes_per_s: u64::MAX, ..Limits::default() };
    let mut patience = Patience::new(&limits);
    assert_eq!(patience.wait(Tick::default(), true).unwrap(), Tick::NEVER);
    assert_eq!(patience.wait(Tick::NEVER, true).unwrap(), Tick::NEVER);
}
