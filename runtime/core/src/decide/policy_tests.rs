use super::*;

impl ModelPolicy {
    /// All versions ready, with these shares.
    pub(in crate::decide) fn of(shares: &[(Version, u32)]) -> ModelPolicy {
        let versions = shares.iter().map(|(version, _)| VersionEntry {
            version: *version,
            state: VersionState::Ready,
            reason: String::new(),
        });
        let weights = shares.iter().map(|(version, share)| Share { version: *version, share: *share });
        ModelPolicy { versions: versions.collect(), weights: weights.collect(), ..ModelPolicy::default() }
    }
}

fn table(model: &str) -> String {
    format!(r#"{{"epoch": {{"term": 1, "sequence": 2}}, "models": {{"m": {model}}}}}"#)
}

const READY: &str =
    r#""versions": [{"version": 1, "state": "READY"}], "weights": [{"version": 1, "share": 10000}]"#;

#[test]
fn a_table_parses() {
    let text = table(&format!(r#"{{{READY}, "rules": [], "sticky": null, "shadows": []}}"#));
    let table = PolicyTable::parse(&text).unwrap();
    assert_eq!(table.epoch, Epoch { term: 1, sequence: 2 });
    let model = &table.models["m"];
    assert_eq!(model.shares(), [Share { version: Version(1), share: 10_000 }]);
    assert_eq!(model.entry(Version(1)).unwrap().state, VersionState::Ready);
    assert_eq!(model.entry(Version(2)), None);
    assert!(table.routing_headers().is_empty());
}

#[test]
fn all_mistakes_are_named() {
    let text = table(
        r#"{"versions": [{"version": 1, "state": "READY"}, {"version": 1, "state": "LOADING", "reason": "x"}],
            "weights": [{"version": 1, "share": 1}, {"version": 2, "share": 5}, {"version": 1, "share": 1}]}"#,
    );
    let Err(BadPolicy::Mistakes(mistakes)) = PolicyTable::parse(&text) else { panic!("it was taken") };
    let wanted =
        ["listed twice", "version 2, which is not listed", "two shares for version 1", "add up to 7"];
    for want in wanted {
        assert!(mistakes.iter().any(|mistake| mistake.contains(want)), "{want}: {mistakes:?}");
    }
    assert_eq!(mistakes.len(), wanted.len(), "{mistakes:?}");
}

/// Each mistake names its model: all of them would be as long as the table times the name.
#[test]
fn a_table_of_mistakes_is_told_in_part() {
    let shares = vec![r#"{"version": 9, "share": 1}"#; 500].join(",");
    let text = table(&format!(r#"{{"versions": [], "weights": [{shares}]}}"#));
    let text = text.replace("\"m\"", &format!("{:?}", "m".repeat(10_000)));
    let told = PolicyTable::parse(&text).unwrap_err().to_string();
    assert!(told.len() < 20 * 10_200 && told.ends_with("; and 980 more"), "{} bytes", told.len());
}

#[test]
fn what_does_not_act_yet_is_parsed_and_refused() {
    let text = table(&format!(
        r#"{{{READY}, "rules": [{{"fact": {{"header": "x-team"}}, "value": "red", "version": 1}}],
            "sticky": {{"fact": {{"parameter": "user"}}, "salt": "s"}},
            "shadows": [{{"to": {{"version": 1}}, "percent": 5}}, {{"to": {{"endpoint": "h:8001"}}, "percent": 5}}]}}"#
    ));
    let Err(BadPolicy::Mistakes(mistakes)) = PolicyTable::parse(&text) else { panic!("it was taken") };
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
}

#[test]
fn unknown_words_are_refused() {
    let cases = [
        table(&format!(r#"{{{READY}, "wieghts": []}}"#)),
        table(r#"{"versions": [{"version": 1, "state": "ready"}], "weights": []}"#),
        table(&format!(
            r#"{{{READY}, "rules": [{{"fact": {{"cookie": "a"}}, "value": "b", "version": 1}}]}}"#
        )),
        r#"{"models": {}}"#.to_owned(),
        "[".to_owned(),
    ];
    for text in cases {
        assert!(matches!(PolicyTable::parse(&text), Err(BadPolicy::Syntax(_))), "{text}");
    }
}

#[test]
fn only_a_later_table_replaces() {
    let of = |term, sequence| PolicyTable { epoch: Epoch { term, sequence }, ..PolicyTable::default() };
    let mut other = of(2, 5);
    other.models.insert("m".into(), ModelPolicy::of(&[]));
    let cases = [
        ("later", of(2, 6), true),
        ("the same once more", of(2, 5), true),
        ("another of the same epoch", other, false),
        ("earlier", of(2, 4), false),
        ("a deposed controller's", of(1, 900), false),
        ("a new controller's", of(3, 0), true),
    ];
    for (name, came, want) in cases {
        assert_eq!(came.may_replace(&of(2, 5)).is_ok(), want, "{name}");
    }
}
