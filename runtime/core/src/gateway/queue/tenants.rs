//! Whom requests are for, as numbers, and the headers that say so.

use crate::base::contract::Batching;
use crate::decide::queue::Tenant;
use compact_str::CompactString;
use std::hash::{BuildHasher, RandomState};

/// Names become numbers by a hash that nobody outside can foresee: who would share another's turn cannot choose to.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Tenants(RandomState);

impl Tenants {
    /// `facts` are headers or metadata. Those who name nobody are one tenant.
    pub(in crate::gateway) fn of(
        &self,
        batching: &Batching,
        facts: &[(CompactString, CompactString)],
    ) -> Tenant {
        let Some(header) = &batching.tenant_header else { return Tenant::default() };
        let named = facts.iter().find(|(name, _)| name == header);
        named.map_or(Tenant::default(), |(_, value)| Tenant(self.0.hash_one(value.as_str()).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_who_its_header_names() {
        let tenants = Tenants::default();
        let batching = Batching { tenant_header: Some("x-team".into()), ..Batching::default() };
        let of = |name: &str, value: &str| tenants.of(&batching, &[(name.into(), value.into())]);
        assert_eq!(of("x-team", "a"), of("x-team", "a"));
        assert_ne!(of("x-team", "a"), of("x-team", "b"));
        assert_eq!((of("x-other", "a"), tenants.of(&batching, &[])), (Tenant(0), Tenant(0)));
        assert_eq!(tenants.of(&Batching::default(), &[("x-team".into(), "a".into())]), Tenant(0));
    }
}
