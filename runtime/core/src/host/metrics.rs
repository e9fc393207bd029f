//! What the models of this process count themselves. A series lives as long as its model keeps it.

use crate::base::{
    series::{Kind, Labels, MOST_SERIES, Series, Telling, check},
    units::Version,
};
use crate::link::calls::Tells;
use compact_str::CompactString;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use tokio::sync::Notify;

#[derive(Debug)]
pub struct Metrics {
    life: String,
    kept: Mutex<Vec<Weak<Metric>>>,
    changed: Arc<Notify>,
}

/// What a series is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub model: CompactString,
    pub version: Version,
    pub name: String,
    pub help: String,
    pub kind: Kind,
    pub labels: Labels,
}

#[derive(Debug)]
pub struct Metric {
    named: Named,
    /// The bits of a float.
    value: AtomicU64,
    changed: Arc<Notify>,
}

impl Metrics {
    /// `life`: no other process has it.
    pub fn new(life: String) -> Arc<Metrics> {
        Arc::new(Metrics { life, kept: Mutex::default(), changed: Arc::default() })
    }

    /// The same one for the same name and labels of a version. Refused with what is wrong.
    pub fn metric(&self, named: Named) -> Result<Arc<Metric>, String> {
        check(&named.name, &named.help, &named.labels)?;
        let mut kept = self.kept.lock();
        kept.retain(|one| one.strong_count() > 0);
        let same = |one: &Arc<Metric>| {
            let Named { model, version, name, labels, .. } = &one.named;
            (model, version, name, labels) == (&named.model, &named.version, &named.name, &named.labels)
        };
        if let Some(known) = kept.iter().filter_map(Weak::upgrade).find(same) {
            return match known.named == named {
                true => Ok(known),
                false => Err(format!("'{}' is there already, as something else", named.name)),
            };
        }
        if kept.len() >= MOST_SERIES {
            return Err(format!("the models of this process have {MOST_SERIES} series, and no more may be"));
        }
        let changed = Arc::clone(&self.changed);
        let metric = Arc::new(Metric { named, value: AtomicU64::new(0_f64.to_bits()), changed });
        kept.push(Arc::downgrade(&metric));
        self.changed.notify_one();
        Ok(metric)
    }
}

impl Tells for Metrics {
    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn telling(&self) -> Telling {
        let kept: Vec<_> = self.kept.lock().iter().filter_map(Weak::upgrade).collect();
        let series = kept.iter().map(|one| {
            let Named { model, version, name, help, kind, labels } = one.named.clone();
            Series { model, version, name, help, kind, labels, value: one.value() }
        });
        Telling { life: self.life.clone(), series: series.collect() }
    }
}

impl Metric {
    pub fn value(&self) -> f64 {
        f64::from_bits(self.value.load(Relaxed))
    }

    /// Refused with what is wrong.
    pub fn add(&self, more: f64) -> Result<(), String> {
        let name = &self.named.name;
        if !more.is_finite() || (self.named.kind == Kind::Counter && more < 0.0) {
            return Err(format!("counter '{name}' only grows: expected a number from 0 on, got {more}"));
        }
        let sum =
            |bits: u64| Some(f64::from_bits(bits) + more).filter(|sum| sum.is_finite()).map(f64::to_bits);
        if self.value.fetch_update(Relaxed, Relaxed, sum).is_err() {
            return Err(format!("'{name}' is as large as a number can be: {more} cannot be added"));
        }
        self.changed.notify_one();
        Ok(())
    }

    /// Refused with what is wrong.
    pub fn set(&self, value: f64) -> Result<(), String> {
        let name = &self.named.name;
        if self.named.kind == Kind::Counter {
            return Err(format!("'{name}' is a counter, which is not set: increment it"));
        }
        if !value.is_finite() {
            return Err(format!("gauge '{name}' should be a number, got {value}"));
        }
        self.value.store(value.to_bits(), Relaxed);
        self.changed.notify_one();
        Ok(())
    }
}

impl Drop for Metric {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, kind: Kind) -> Named {
        let (name, help, labels) = (name.to_owned(), String::new(), Labels::new());
        Named { model: "m".into(), version: Version(1), name, help, kind, labels }
    }

    #[test]
    fn counters_grow_and_gauges_are_set() {
        let metrics = Metrics::new("1".into());
        let hits = metrics.metric(named("hits", Kind::Counter)).unwrap();
        let depth = metrics.metric(named("depth", Kind::Gauge)).unwrap();
        assert!(hits.add(2.0).is_ok() && hits.add(0.5).is_ok());
        assert!(hits.add(-1.0).is_err() && hits.add(f64::NAN).is_err() && hits.set(1.0).is_err());
        assert!(depth.set(7.0).is_ok() && depth.add(-3.0).is_ok() && depth.set(f64::INFINITY).is_err());
        let told: Vec<_> = metrics.telling().series.into_iter().map(|one| (one.name, one.value)).collect();
        assert_eq!(told, [("hits".to_owned(), 2.5), ("depth".to_owned(), 4.0)]);
    }

    #[test]
    fn a_series_is_one_as_long_as_its_model_keeps_it() {
        let metrics = Metrics::new("1".into());
        let first = metrics.metric(named("hits", Kind::Counter)).unwrap();
        first.add(1.0).unwrap();
        assert!(Arc::ptr_eq(&first, &metrics.metric(named("hits", Kind::Counter)).unwrap()));
        assert!(metrics.metric(named("hits", Kind::Gauge)).is_err());
        drop(first);
        assert!(metrics.telling().series.is_empty());
        assert!(metrics.metric(named("hits", Kind::Gauge)).is_ok());
    }

    #[test]
    fn there_is_a_bound() {
        let metrics = Metrics::new("1".into());
        let kept: Vec<_> = (0..MOST_SERIES)
            .map(|at| metrics.metric(named(&format!("n{at}"), Kind::Gauge)).unwrap())
            .collect();
        assert!(metrics.metric(named("more", Kind::Gauge)).unwrap_err().contains("1024"));
        drop(kept);
        assert!(metrics.metric(named("more", Kind::Gauge)).is_ok());
    }
}
