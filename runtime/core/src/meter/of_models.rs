//! What models count themselves, as their hosts have told it last.
//!
//! Of several hosts with the same series it is the sum. A counter does not fall with the end of a host: what that had
//! counted stays for as long as its version is there.

use super::text::{Family, label};
use crate::base::{
    series::{Kind, Labels, Series, Telling},
    units::Version,
};
use compact_str::CompactString;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Processes of which the last words are kept one by one: one that is still there tells again.
const MOST_GONE: usize = 64;

/// Series of the page, each of which costs whoever keeps it.
const MOST: usize = 16_384;

type Key = (String, Labels, CompactString, Version);

#[derive(Debug, Default)]
pub struct OfModels(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    here: BTreeMap<String, Here>,
    /// The oldest first.
    gone: Vec<(String, Vec<Series>)>,
    /// Of others that are gone.
    past: BTreeMap<Key, Series>,
}

/// A process that may yet tell.
#[derive(Debug, Default)]
struct Here {
    /// Over which it tells: a new one may come before the old one is gone.
    connections: usize,
    series: Vec<Series>,
}

impl OfModels {
    /// `is_first`: on this connection.
    pub fn take(&self, telling: Telling, is_first: bool) {
        let mut told = self.0.lock();
        told.gone.retain(|(life, _)| *life != telling.life);
        let here = told.here.entry(telling.life).or_default();
        here.connections += usize::from(is_first);
        here.series = telling.series;
    }

    /// A connection has ended on which a process told.
    pub fn is_gone(&self, life: &str) {
        let mut told = self.0.lock();
        let Some(here) = told.here.get_mut(life) else { return };
        here.connections = here.connections.saturating_sub(1);
        if here.connections > 0 {
            return;
        }
        let Some((life, Here { mut series, .. })) = told.here.remove_entry(life) else { return };
        series.retain(|one| one.kind == Kind::Counter);
        told.gone.push((life, series));
        if told.gone.len() > MOST_GONE {
            let (_, oldest) = told.gone.remove(0);
            oldest.into_iter().for_each(|one| add(&mut told.past, one));
        }
    }

    /// Of the versions that are there; of those that are not what was counted is forgotten.
    pub fn families(&self, is_there: impl Fn(&str, Version) -> bool) -> Vec<Family> {
        let mut told = self.0.lock();
        told.past.retain(|_, one| is_there(&one.model, one.version));
        for (_, series) in &mut told.gone {
            series.retain(|one| is_there(&one.model, one.version));
        }
        let mut sums = told.past.clone();
        let here =
            told.here.values().map(|here| &here.series).chain(told.gone.iter().map(|(_, series)| series));
        here.flatten()
            .filter(|one| is_there(&one.model, one.version))
            .for_each(|one| add(&mut sums, one.clone()));
        drop(told);
        shown(sums.into_values())
    }
}

fn add(sums: &mut BTreeMap<Key, Series>, one: Series) {
    let key = (one.name.clone(), one.labels.clone(), one.model.clone(), one.version);
    let has_room = sums.len() < MOST;
    match sums.get_mut(&key) {
        Some(sum) if sum.kind == one.kind => sum.value += one.value,
        None if has_room => drop(sums.insert(key, one)),
        Some(_) | None => {}
    }
}

/// Series come by name and labels. Models that use one name share its family, which is what the first of them says.
fn shown(series: impl Iterator<Item = Series>) -> Vec<Family> {
    let mut families: Vec<(Kind, Family, f64)> = Vec::new();
    for one in series {
        let labels = one.labels.iter().map(|(name, value)| label(name, value)).collect::<Vec<_>>().join(",");
        match families.last_mut().filter(|(_, family, _)| family.name == one.name) {
            Some((kind, ..)) if *kind != one.kind => {}
            Some((_, family, last)) => match family.rows.last_mut().filter(|(same, _)| *same == labels) {
                Some((_, sum)) => {
                    *last += one.value;
                    *sum = last.to_string();
                }
                None => {
                    *last = one.value;
                    family.rows.push((labels, one.value.to_string()));
                }
            },
            None => {
                let kind = if one.kind == Kind::Counter { "counter" } else { "gauge" };
                let help = one.help.replace('\\', "\\\\").replace('\n', "\\n");
                let rows = vec![(labels, one.value.to_string())];
                let family = Family { name: one.name.into(), kind, help: help.into(), rows };
                families.push((one.kind, family, one.value));
            }
        }
    }
    families.into_iter().map(|(_, family, _)| family).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(model: &str, name: &str, kind: Kind, who: &str, value: f64) -> Series {
        let labels = vec![("who".to_owned(), who.to_owned())];
        let (name, help) = (name.to_owned(), "two\nlines".to_owned());
        Series { model: model.into(), version: Version(1), name, help, kind, labels, value }
    }

    fn told(of: &OfModels, life: &str, series: Vec<Series>) {
        of.take(Telling { life: life.to_owned(), series }, true);
    }

    fn rows(of: &OfModels) -> Vec<(String, String, String)> {
        let families = of.families(|model, _| model != "unloaded");
        let each = families.iter().flat_map(|family| {
            let row =
                |(labels, value): &(String, String)| (family.name.to_string(), labels.clone(), value.clone());
            family.rows.iter().map(row)
        });
        each.collect()
    }

    fn row(name: &str, who: &str, value: &str) -> (String, String, String) {
        (name.to_owned(), format!("who=\"{who}\""), value.to_owned())
    }

    #[test]
    fn several_hosts_add_up_and_a_lost_one_takes_no_counts_with_it() {
        let of = OfModels::default();
        for life in ["1", "2"] {
            let gauge = one("m", "depth", Kind::Gauge, "a", 3.0);
            told(&of, life, vec![one("m", "hits", Kind::Counter, "a", 2.0), gauge]);
        }
        assert_eq!(rows(&of), [row("depth", "a", "6"), row("hits", "a", "4")]);
        of.is_gone("1");
        assert_eq!(rows(&of), [row("depth", "a", "3"), row("hits", "a", "4")]);
        told(&of, "1", vec![one("m", "hits", Kind::Counter, "a", 2.5)]);
        assert_eq!(rows(&of), [row("depth", "a", "3"), row("hits", "a", "4.5")], "it was only away");
        for life in 3..100 {
            told(&of, &life.to_string(), vec![one("m", "hits", Kind::Counter, "a", 1.0)]);
            of.is_gone(&life.to_string());
        }
        assert_eq!(rows(&of), [row("depth", "a", "3"), row("hits", "a", "101.5")]);
        assert_eq!(of.0.lock().gone.len(), MOST_GONE);
    }

    #[test]
    fn who_tells_on_a_new_connection_is_not_gone_with_the_old_one() {
        let of = OfModels::default();
        for value in [1.0, 2.0] {
            told(&of, "1", vec![one("m", "depth", Kind::Gauge, "a", value)]);
        }
        of.is_gone("1");
        assert_eq!(rows(&of), [row("depth", "a", "2")]);
        of.is_gone("1");
        assert_eq!(rows(&of), []);
    }

    #[test]
    fn a_name_is_one_family_whoever_uses_it() {
        let of = OfModels::default();
        told(
            &of,
            "1",
            vec![one("m", "hits", Kind::Counter, "b", 1.0), one("n", "hits", Kind::Counter, "a", 1.0)],
        );
        told(
            &of,
            "2",
            vec![one("n", "hits", Kind::Gauge, "c", 9.0), one("n", "hits", Kind::Counter, "b", 4.0)],
        );
        assert_eq!(rows(&of), [row("hits", "a", "1"), row("hits", "b", "5")]);
        assert_eq!(of.families(|_, _| true)[0].help, "two\\nlines");
    }

    #[test]
    fn what_was_counted_ends_with_its_version() {
        let of = OfModels::default();
        told(&of, "1", vec![one("unloaded", "hits", Kind::Counter, "a", 1.0)]);
        assert_eq!(rows(&of), []);
        of.is_gone("1");
        assert_eq!(rows(&of), []);
        assert!(of.families(|_, _| true).is_empty(), "it was forgotten");
    }
}
