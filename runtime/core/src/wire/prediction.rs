//! A prediction as an id that only this server's key can make: what was answered, and a signature over it.
//!
//! Little-endian: format (u8), kind (u8), rows (u8), length of the model's name (u8), `made_s` (u32), `within_hours`
//! (u16), nonce (u64), version (u64), the name, eight bytes a row (class u32 and score f32, or f64), and the first half
//! of HMAC-SHA256 over all of it. As text it is URL-safe base64 without padding. `headrace/feedback/prediction.py` reads it.

use crate::base::prediction::{Predicted, Prediction};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::fmt;

const FORMAT: u8 = 1;
const CLASSES: u8 = 0;
const NUMBERS: u8 = 1;
/// Bytes of the signature that travel.
const SIGNATURE: usize = 16;
/// Of an id beside the name and the rows.
const AROUND: usize = 26 + SIGNATURE;

/// What ids are signed with. It is shown to nobody.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "&str")]
pub struct PredictionKey([u8; 32]);

impl TryFrom<&str> for PredictionKey {
    type Error = &'static str;

    /// Of base64 as ids have it.
    fn try_from(text: &str) -> Result<PredictionKey, &'static str> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(PredictionKey).ok_or("expected a key of 32 bytes in URL-safe base64 without padding")
    }
}

impl fmt::Debug for PredictionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PredictionKey(***)")
    }
}

/// Signs ids: the key's two blocks are hashed once, and not for each.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Signer(***)")
    }
}

impl Signer {
    pub fn new(PredictionKey(key): &PredictionKey) -> Signer {
        // 32 bytes are less than a block: the key as it is, and not its hash.
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(to, byte)| *to = *byte);
        Signer(Hmac::new(&block.into()))
    }

    /// As a header says it: one allocation. `None` where the model's name is longer than any that is served.
    pub fn id(&self, prediction: &Prediction<'_>) -> Option<Box<[u8]>> {
        let Prediction { model, version, made_s, within_hours, nonce, predicted } = prediction;
        let (kind, rows) = match predicted {
            Predicted::Classes(_) => (CLASSES, predicted.rows()),
            Predicted::Numbers(_) => (NUMBERS, predicted.rows()),
        };
        let mut id = smallvec::SmallVec::<[u8; 256]>::with_capacity(AROUND + model.len() + 8 * rows);
        id.extend_from_slice(&[FORMAT, kind, u8::try_from(rows).ok()?, u8::try_from(model.len()).ok()?]);
        id.extend_from_slice(&made_s.to_le_bytes());
        id.extend_from_slice(&within_hours.to_le_bytes());
        id.extend_from_slice(&nonce.to_le_bytes());
        id.extend_from_slice(&version.0.to_le_bytes());
        id.extend_from_slice(model.as_bytes());
        match predicted {
            Predicted::Classes(rows) => rows.iter().for_each(|(class, score)| {
                id.extend_from_slice(&class.to_le_bytes());
                id.extend_from_slice(&score.to_le_bytes());
            }),
            Predicted::Numbers(rows) => rows.iter().for_each(|row| id.extend_from_slice(&row.to_le_bytes())),
        }
        let signature = self.0.clone().chain_update(&id).finalize().into_bytes();
        id.extend(signature.into_iter().take(SIGNATURE));
        let mut text = vec![0; base64::encoded_len(id.len(), false)?];
        URL_SAFE_NO_PAD.encode_slice(&id, &mut text).ok()?;
        Some(text.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Version;
    use smallvec::smallvec;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn signer() -> Signer {
        Signer::new(&PredictionKey::try_from(KEY).unwrap())
    }

    fn prediction(predicted: Predicted) -> Prediction<'static> {
        Prediction {
            model: "photos",
            version: Version(3),
            made_s: 1_700_000_000,
            within_hours: 72,
            nonce: 0x0123_4567_89ab_cdef,
            predicted,
        }
    }

    /// tests/unit/test_feedback.py has the same ids, and reads them.
    #[test]
    fn ids_are_these_bytes() {
        let id = |predicted| String::from_utf8(signer().id(&prediction(predicted)).unwrap().into()).unwrap();
        assert_eq!(id(Predicted::Classes(smallvec![(7, 0.5), (1, 0.75)])), CLASSES_ID);
        assert_eq!(id(Predicted::Numbers(smallvec![-1.5])), NUMBERS_ID);
    }

    const CLASSES_ID: &str =
        "AQACBgDxU2VIAO_Nq4lnRSMBAwAAAAAAAABwaG90b3MHAAAAAAAAPwEAAAAAAEA_ZQQrPl8q8rGcmgPLxS9pGA";
    const NUMBERS_ID: &str = "AQEBBgDxU2VIAO_Nq4lnRSMBAwAAAAAAAABwaG90b3MAAAAAAAD4vyT7XexqzekBe0TaUsYV4Qk";

    #[test]
    fn the_longest_name_fits_and_a_longer_one_has_no_id() {
        for (len, fits) in [(255, true), (256, false)] {
            let model = "m".repeat(len);
            let one = Prediction { model: &model, ..prediction(Predicted::Numbers(smallvec![1.0; 8])) };
            assert_eq!(signer().id(&one).is_some(), fits, "{len}");
        }
    }

    #[test]
    fn a_key_is_checked_and_never_shown() {
        for wrong in ["", "AAEC", "no base64!", &format!("{KEY}AA")] {
            assert!(PredictionKey::try_from(wrong).is_err(), "{wrong}");
        }
        let key = PredictionKey::try_from(KEY).unwrap();
        assert_eq!(format!("{key:?} {:?}", signer()), "PredictionKey(***) Signer(***)");
    }
}
