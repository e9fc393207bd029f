use super::*;

impl ModelPolicy {
    /// All versions ready, with these shares.
    pub(in crate::decide) fn of(shares: &[(Version, u32)]) -> ModelPolicy {
        let versions = shares.iter().map(|(version, _)| VersionEntry {
            version: *version,
            state: VersionState::Ready,
            reason: String::new(),
            on_demand: false,
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
fn what_decides_is_read() {
    let text = table(&format!(
        r#"{{{READY}, "rules": [{{"fact": {{"header": "x-team"}}, "value": "red", "version": 1}},
                                {{"fact": {{"parameter": "beta"}}, "value": "true", "version": 1}}],
            "sticky": {{"fact": {{"header": "x-user"}}, "salt": "s"}}}}"#
    ));
    assert_eq!(PolicyTable::parse(&text).unwrap().routing_headers(), ["x-team", "x-user"]);
}

#[test]
fn a_shadow_keeps_no_more_than_its_bound() {
    let parsed = |keep: usize| {
        let shadow = format!(r#"{{"version": 1, "share": 1, "keep_worst": {keep}}}"#);
        PolicyTable::parse(&table(&format!(r#"{{{READY}, "shadows": [{shadow}]}}"#)))
    };
    assert_eq!(parsed(64).unwrap().models["m"].shadows()[0].keep_worst, 64);
    let told = parsed(65).unwrap_err().to_string();
    assert!(told.contains("keep_worst of shadow 1 is 65, at most 64"), "{told}");
}

#[test]
fn an_alias_leads_to_one_version_that_is_listed() {
    let alias = |name: &str, version: u8| format!(r#"{{"name": {name:?}, "version": {version}}}"#);
    let parsed = |aliases: &[String]| {
        PolicyTable::parse(&table(&format!(r#"{{{READY}, "aliases": [{}]}}"#, aliases.join(","))))
    };
    let taken = parsed(&[alias("champion", 1), alias("next", 1)]).unwrap();
    let found = |name| taken.models["m"].alias(name);
    assert_eq!([found("next"), found("nex"), found("champion")], [Some(Version(1)), None, Some(Version(1))]);
    let many: Vec<_> = (0..65).map(|at| alias(&format!("a{at}"), 1)).collect();
    assert!(parsed(&many[..64]).is_ok());
    for (aliases, want) in [
        (&many[..], "65 aliases, at most 64"),
        (&[alias("2", 1)], "\"2\" is no alias"),
        (&[alias("a b", 1)], "\"a b\" is no alias"),
        (&[alias("next", 2)], "for version 2, which is not listed"),
        (&[alias("next", 1), alias("next", 1)], "\"next\" stands twice"),
    ] {
        let told = parsed(aliases).unwrap_err().to_string();
        assert!(told.contains(want) && told.contains("1 mistake"), "{want}: {told}");
    }
}

#[test]
fn rules_that_could_not_act_are_refused() {
    let rule = |fact: &str, value: &str, version: u8| {
        format!(r#"{{"fact": {fact}, "value": "{value}", "version": {version}}}"#)
    };
    let team = r#"{"header": "x-team"}"#;
    let long = "a".repeat(129);
    let many: Vec<_> = (0..65).map(|at| rule(team, &at.to_string(), 1)).collect();
    let table_of = |rules: &[String]| table(&format!(r#"{{{READY}, "rules": [{}]}}"#, rules.join(",")));
    let sticky = |fact: &str, salt: &str| {
        table(&format!(r#"{{{READY}, "sticky": {{"fact": {fact}, "salt": "{salt}"}}}}"#))
    };
    let cases = [
        (table_of(&[rule(team, "red", 7)]), "rule 1 is for version 7, which is not listed"),
        (table_of(&[rule(team, "a", 1), rule(team, "a", 1)]), "rule 2 asks what an earlier rule asks"),
        (table_of(&[rule(team, "", 1)]), "rule 1: its value is empty"),
        (table_of(&[rule(team, &long, 1)]), "rule 1: its value has 129 bytes, at most 128"),
        (table_of(&[rule(r#"{"parameter": ""}"#, "a", 1)]), "rule 1: its fact has no name"),
        (table_of(&[rule(r#"{"header": "X-Team"}"#, "a", 1)]), "rule 1: \"X-Team\" is no header's name"),
        (table_of(&many), "65 rules, at most 64 are allowed"),
        (sticky(r#"{"header": ""}"#, "s"), "sticky: its fact has no name"),
        (sticky(team, &long), "sticky: the salt has 129 bytes"),
        (
            table(&format!(r#"{{{READY}, "shadows": [{{"version": 7, "share": 5}}]}}"#)),
            "version 7 is a shadow, and is not listed",
        ),
        (
            table(&format!(r#"{{{READY}, "shadows": [{{"version": 1, "share": 0}}]}}"#)),
            "the share of shadow 1 is 0, expected 1 to 10000",
        ),
        (
            table(&format!(
                r#"{{{READY}, "shadows": [{{"version": 1, "share": 5}}, {{"version": 1, "share": 5}}]}}"#
            )),
            "version 1 is a shadow twice",
        ),
    ];
    for (text, want) in cases {
        let Err(BadPolicy::Mistakes(mistakes)) = PolicyTable::parse(&text) else { panic!("taken: {want}") };
        assert!(mistakes.len() == 1 && mistakes[0].contains(want), "{want}: {mistakes:?}");
    }
    assert!(PolicyTable::parse(&table_of(&many[1..])).is_ok());
    let shadows = [r#"{"version": 1, "share": 5}"#; 9].join(",");
    let text = table(&format!(r#"{{{READY}, "shadows": [{shadows}]}}"#));
    assert!(PolicyTable::parse(&text).unwrap_err().to_string().contains("9 shadows, at most 8"));
    let two = [rule(team, "a", 1), rule(r#"{"parameter": "x-team"}"#, "a", 1), rule(team, "b", 1)];
    assert!(PolicyTable::parse(&table_of(&two)).is_ok(), "they ask different things");
}

#[test]
fn what_is_judged_is_read_or_refused() {
    let of = |judged: &[String]| table(&format!(r#"{{{READY}, "judged": [{}]}}"#, judged.join(",")));
    let one = |version: u64, slow_ns: &str| format!(r#"{{"version": {version}, "slow_ns": {slow_ns}}}"#);
    let read = PolicyTable::parse(&of(&[one(1, "[1, 18446744073709551615]"), one(2, "[]")])).unwrap();
    let wanted = [(1, vec![1, u64::MAX]), (2, vec![])];
    let wanted = wanted.map(|(version, slow_ns)| Judged {
        version: Version(version),
        rollout: 0,
        slow_ns,
        users_at_step: None,
    });
    assert_eq!(read.models["m"].judged(), wanted);
    let read =
        PolicyTable::parse(&of(&[r#"{"version": 1, "rollout": 18446744073709551615}"#.into()])).unwrap();
    let wanted = Judged { version: Version(1), rollout: u64::MAX, slow_ns: vec![], users_at_step: None };
    assert_eq!(read.models["m"].judged(), [wanted]);
    assert_eq!(PolicyTable::parse(&table(&format!("{{{READY}}}"))).unwrap().models["m"].judged(), []);
    let many: Vec<_> = (1..=9).map(|version| one(version, "[]")).collect();
    let cases = [
        (of(&[one(1, "[]"), one(1, "[5]")]), "version 1 is judged twice"),
        (of(&[one(1, "[1, 2, 3, 4, 5]")]), "version 1 is judged by 5 slow_ns, at most 4 are allowed"),
        (of(&[one(1, "[7, 0]")]), "a slow_ns of version 1 is 0, expected 1 or more"),
        (of(&many), "9 versions are judged, at most 8 may be"),
        (of(&[r#"{"version": 1, "users_at_step": 0}"#.into()]), "by users, and nothing is sticky"),
    ];
    for (text, want) in cases {
        let Err(BadPolicy::Mistakes(mistakes)) = PolicyTable::parse(&text) else { panic!("taken: {want}") };
        assert!(mistakes.len() == 1 && mistakes[0].contains(want), "{want}: {mistakes:?}");
    }
    assert!(PolicyTable::parse(&of(&many[1..])).is_ok());
    assert!(PolicyTable::parse(&of(&[one(1, "[1, 2, 3, 4]")])).is_ok());
}

#[test]
fn unknown_words_are_refused() {
    let cases = [
        table(&format!(r#"{{{READY}, "judged": [{{"version": 1, "slow_ms": [1]}}]}}"#)),
        table(&format!(r#"{{{READY}, "judged": [{{"version": 1, "slow_ns": [-1]}}]}}"#)),
        table(&format!(r#"{{{READY}, "judged": [{{"version": 1, "rollout": -1}}]}}"#)),
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

#[test]
fn what_is_profiled_is_within_bounds() {
    let profiled = |list: &str| table(&format!(r#"{{{READY}, "profiled": [{list}]}}"#));
    let good = r#"{"version": 1, "inputs": ["x"], "outputs": ["y"], "per_second": 20}"#;
    let found = PolicyTable::parse(&profiled(good)).unwrap();
    assert_eq!(found.models["m"].profiled()[0].inputs, ["x"]);
    let nine = ["\"x\""; 9].join(",");
    for (list, want) in [
        (format!("{good}, {good}"), "profiled twice"),
        (good.replace("20", "0"), "per_second of version 1 is 0"),
        (good.replace("20", "1001"), "expected 1 to 1000"),
        (good.replace("\"y\"", &nine), "profiled by 9 tensors"),
        (good.replace("\"x\"", &format!("{:?}", "n".repeat(129))), "has 129 bytes"),
    ] {
        let told = PolicyTable::parse(&profiled(&list)).unwrap_err().to_string();
        assert!(told.contains(want), "{want}: {told}");
    }
}
