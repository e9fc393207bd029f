//! A secret that is known by its digest alone: what a gateway is told lies in files of Ray's, too.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// SHA-256; told in URL-safe base64 without padding.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Digest([u8; 32]);

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Digest, &'static str> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Digest).ok_or("expected a SHA-256 in URL-safe base64 without padding")
    }
}

impl Digest {
    /// How long digests take to compare tells nobody how much of a secret is right.
    pub(super) fn fits(&self, brought: &[u8]) -> bool {
        <[u8; 32]>::from(Sha256::digest(brought)) == self.0
    }
}
